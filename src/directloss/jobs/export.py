"""`directloss export`: a trained model with its preprocessing as one ONNX file."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from directloss._extras import ONNX, require
from directloss.datasets.errors import quoted
from directloss.datasets.images import ImageRecipe
from directloss.datasets.recipe import Recipe
from directloss.errors import ArgumentError, DirectLossError
from directloss.files import write_whole
from directloss.jobs.model import Model
from directloss.jobs.output import refuse_no_file
from directloss.training.calibration import Calibration

TOLERANCE = 1e-6
"""Of a score in onnxruntime, in units of the largest of those that are compared, or of 1."""

ROUNDINGS = 10.0
"""The same, in what float32 itself rounds: a deep network loses more than `TOLERANCE` on its way,
and onnxruntime adds its numbers in another order."""

_ROWS = 64
_PICTURES = 4


class ExportError(DirectLossError):
    """The exported model does not give the scores of the model."""


class _Numbers(nn.Module):
    """The features of numeric columns, as `Recipe.apply` makes them.

    Shapes: rows float64 `(n, columns)`, NaN where a value is missing -> float32 `(n, width)`.
    """

    median: Tensor
    mean: Tensor
    scale: Tensor
    missing_mean: Tensor
    missing_scale: Tensor

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        numbers = recipe.numbers
        self.indicated = [k for k, each in enumerate(numbers) if each.missing is not None]
        scales = [each.missing for each in numbers if each.missing is not None]
        for name, values in {
            "median": [each.median for each in numbers],
            "mean": [each.values.mean for each in numbers],
            "scale": [each.values.scale for each in numbers],
            "missing_mean": [each.mean for each in scales],
            "missing_scale": [each.scale for each in scales],
        }.items():
            self.register_buffer(name, torch.tensor(values, dtype=torch.float64))

    def forward(self, rows: Tensor) -> Tensor:
        missing = torch.isnan(rows)
        filled = torch.where(missing, self.median, rows)
        features = (filled - self.mean) / self.scale
        if self.indicated:
            indicators = missing[:, self.indicated].to(torch.float64)
            indicators = (indicators - self.missing_mean) / self.missing_scale
            features = torch.cat([features, indicators], 1)
        return features.to(torch.float32)


class _Probabilities(nn.Module):
    """A calibration. Shapes: scores float32 `(n,)` -> float64 `(n,)`."""

    at: Tensor
    probability: Tensor

    def __init__(self, calibration: Calibration) -> None:
        super().__init__()
        self.calibration = calibration
        points = calibration.scores, calibration.probabilities
        for name, values in zip(("at", "probability"), points, strict=True):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float64))

    def forward(self, scores: Tensor) -> Tensor:
        scores = scores.to(torch.float64)
        if self.calibration.kind == "sigmoid":
            assert self.calibration.slope is not None and self.calibration.intercept is not None
            return torch.sigmoid(self.calibration.slope * scores + self.calibration.intercept)
        if len(self.at) == 1:
            return self.probability.expand(scores.shape)
        inside = torch.clamp(scores, self.at[0], self.at[-1])
        # The piece of each score: how many points are not above it, but for the last one.
        piece = (self.at[1:-1] <= inside[:, None]).sum(1)
        share = (inside - self.at[piece]) / (self.at[piece + 1] - self.at[piece])
        low, high = self.probability[piece], self.probability[piece + 1]
        return low + share * (high - low)


class _Exported(nn.Module):
    """All from rows, or resized images, to scores and, with a calibration, probabilities."""

    def __init__(self, features: nn.Module, network: nn.Module, model: Model) -> None:
        super().__init__()
        self.features, self.network = features, network
        self.probabilities = None
        if model.calibration is not None:
            self.probabilities = _Probabilities(model.calibration)

    def forward(self, rows: Tensor) -> tuple[Tensor, ...]:
        scores = self.network(self.features(rows))
        return (scores,) if self.probabilities is None else (scores, self.probabilities(scores))


def export_onnx(model: Model, file: Path) -> float:
    """Writes the model as ONNX, and gives how far its scores are from the model's own.

    The input `rows` is float64 `(n, columns)`, the numeric columns in the order of the metadata
    `columns`, NaN where a value is missing; of a model of images, uint8 `(n, 3, size, size)`, RGB
    resized to the metadata `image_size`. The outputs are `score`, float32 `(n,)`, and, where the
    model has a calibration, `probability`, float64 `(n,)`. The metadata hold `target`, `positive`
    and `threshold`, too. The file appears when onnxruntime has given the same scores.

    Args:
        model: see `open_model`.
        file: to be written.

    Raises:
        MissingPackageError: a package of the extra `onnx` is missing.
        ArgumentError: the model reads what a tensor of numbers cannot hold: texts, dates; or there
            is no folder for the file, or one in its place.
        ExportError: onnxruntime gives other scores.
        OSError: the file cannot be written.
    """
    require("the export to ONNX", "onnx", ONNX)
    refuse_no_file("onnx", file)  # before the model is traced
    import onnx

    features, rows, notes = _input(model)
    exported = _Exported(features, model.network, model).eval()
    names = ["score"] if model.calibration is None else ["score", "probability"]
    program = torch.onnx.export(
        exported,
        (rows,),
        input_names=["rows"],
        output_names=names,
        dynamic_shapes={"rows": {0: torch.export.Dim("n", min=1)}},
        dynamo=True,
        verbose=False,
    )
    assert program is not None, "without a file, the program comes back"
    proto = program.model_proto
    about = model.about
    notes |= {"target": about.target, "positive": about.positive, "threshold": about.threshold}
    texts = {name: json.dumps(value) for name, value in notes.items() if value is not None}
    onnx.helper.set_model_props(proto, texts)
    content = proto.SerializeToString()
    distance, allowed = _distance(content, model, rows, features)
    if not distance <= allowed:
        raise ExportError(f"onnx: onnxruntime gives scores that differ by {distance:.2g}")
    write_whole(file, content)
    return distance


def _input(model: Model) -> tuple[nn.Module, Tensor, dict[str, Any]]:
    """The preprocessing, rows to try it with, and what the metadata say of the input."""
    generator = np.random.default_rng(0)
    recipe = model.recipe
    if isinstance(recipe, ImageRecipe):
        shape = (_PICTURES, 3, recipe.size, recipe.size)
        pictures = generator.integers(0, 256, shape, dtype=np.uint8)
        return nn.Identity(), torch.from_numpy(pictures), {"image_size": recipe.size}
    if not isinstance(recipe, Recipe):
        raise ArgumentError("model", f"one of {recipe.kind}", "a model of tables or images")
    dates = [each.name for each in recipe.numbers if each.moment is not None]
    others = [*(each.name for each in recipe.categories), *dict.fromkeys(dates)]
    if others:
        came = f"the columns {quoted(others)}, which are categories or dates"
        raise ArgumentError("model", came, "numbers alone, which are all that the export takes")
    means, scales = (
        np.array([getattr(each.values, name) for each in recipe.numbers])
        for name in ("mean", "scale")
    )
    rows = means + scales * generator.normal(size=(_ROWS, len(means)))
    rows[generator.random(rows.shape) < 0.1] = np.nan
    return _Numbers(recipe), torch.from_numpy(rows), {"columns": recipe.columns}


def _distance(
    content: bytes, model: Model, rows: Tensor, features: nn.Module
) -> tuple[float, float]:
    """The largest difference of a score, and of a probability from that of its score; its bound.

    An isotonic calibration may be steep, so that the last bit of a score shows in a probability.
    The second trial has another number of rows.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    wide = copy.deepcopy(model.network).double()
    found, roundings = [], []
    for some in (rows, rows[:1]):
        scores, *probabilities = session.run(None, {"rows": some.numpy()})
        with torch.no_grad():
            given = features(some)
            wanted = model.network(given).numpy()
            exact = wide(given.double() if given.is_floating_point() else given).numpy()
        largest = max(1.0, np.abs(wanted).max())
        found.append(np.abs(scores - wanted).max() / largest)
        roundings.append(np.abs(wanted - exact).max() / largest)
        if model.calibration is not None:
            of_scores = model.calibration.apply(scores.astype(np.float64))
            found.append(np.abs(probabilities[0] - of_scores).max())
    return float(max(found)), max(TOLERANCE, ROUNDINGS * float(max(roundings)))
