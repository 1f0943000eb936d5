"""A model folder, ready to score rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor, nn

from directloss.errors import ArgumentError
from directloss.jobs.config import Configuration, parse, validate
from directloss.jobs.kinds import KINDS, Kind
from directloss.study.metrics import ReportedMetric, metric_named
from directloss.training.calibration import Calibration
from directloss.training.model_folder import (
    CALIBRATION,
    CONFIGURATION,
    PREPROCESSING,
    About,
    ModelError,
    first_complaint,
    read_model,
)

_MOST_ROWS = 65_536
_MOST_VALUES = 1 << 25  # of one layer's outputs that are in memory at a time


class _Named(BaseModel):
    """What the recipes of all kinds of data have in common."""

    kind: str


@dataclass(frozen=True)
class Model:
    """A trained network with everything that it needs to score what a user gives.

    Attributes:
        folder: where it lies.
        about: target, positive value, threshold, versions.
        configuration: of the training.
        kind: of the data that it scores.
        recipe: from rows (or image files) to features.
        network: in evaluation mode.
        calibration: from scores to probabilities, where the training fitted one.
    """

    folder: Path
    about: About
    configuration: Configuration
    kind: Kind[Any]
    recipe: Any
    network: nn.Module
    calibration: Calibration | None = None

    @property
    def metric(self) -> ReportedMetric:
        """The metric that it was trained for."""
        return metric_named(self.configuration.training.metric)

    @torch.no_grad()
    def scores(self, features: Tensor) -> Tensor:
        """float32 `(n,)`, in pieces that bound memory."""
        device = next(self.network.parameters()).device
        widest = max(parameter.shape[0] for parameter in self.network.parameters())
        size = min(_MOST_ROWS, max(1, _MOST_VALUES // widest))
        pieces = [self.network(piece.to(device)).cpu() for piece in torch.split(features, size)]
        return torch.cat(pieces) if pieces else torch.zeros(0)


def open_model(folder: Path) -> Model:
    """Reads a model folder; no code of it is run.

    Raises:
        ModelError: a file of it is missing, damaged, or does not fit the others.
    """
    stored = read_model(folder)
    kind, recipe = _read_recipe(stored.preprocessing, folder / PREPROCESSING)
    origin = str(folder / CONFIGURATION)
    configuration = validate(parse(stored.configuration, origin), origin)
    section, seed = configuration.model, configuration.training.seed
    try:
        # What the network takes is known before it takes it, and compared with what is there.
        with kind.without_values():
            empty = kind.network(section, recipe, seed=0, pretrained=False)
        weights = stored.load_weights(empty.state_dict())
        network = kind.network(section, recipe, seed=seed, pretrained=False)
    except ArgumentError as error:
        raise ModelError(f"{origin}: {error}") from error
    network.load_state_dict(weights)
    network.eval().requires_grad_(False)
    calibration = _read_calibration(stored.calibration, folder / CALIBRATION)
    return Model(folder, stored.about, configuration, kind, recipe, network, calibration)


def _read_calibration(text: str | None, file: Path) -> Calibration | None:
    try:
        return None if text is None else Calibration.model_validate_json(text)
    except ValidationError as error:
        raise ModelError(f"{file}: {first_complaint(error)}") from error


def _read_recipe(text: str, file: Path) -> tuple[Kind[Any], BaseModel]:
    try:
        name = _Named.model_validate_json(text).kind
        if name not in KINDS:
            known = ", ".join(map(repr, KINDS))
            raise ModelError(f"{file}: kind: got {name[:40]!r}, wanted one of {known}")
        return KINDS[name], KINDS[name].recipe.model_validate_json(text)
    except ValidationError as error:
        raise ModelError(f"{file}: {first_complaint(error)}") from error
