"""Draws docs/refine.svg: validation AP over the steps of refining, for a model that is too small
and for one that is not.

    PYTHONPATH=. python docs/refine_picture.py

The data are scikit-learn's digits, an 8 against the rest, on their first principal components.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from torch import Tensor

import directloss as dl
from benchmarks.figures import SETTINGS, save
from directloss.models import MLP, start_at_log_odds
from directloss.training import RECIPE, FitResult, Part, Parts, fit, refine
from directloss.training.baselines import Logistic

COMPONENTS = 8
POSITIVE = 8
CONFIG = replace(RECIPE, evaluations=40)
MODELS: dict[str, tuple[int, ...]] = {
    "linear model: too small": (),
    "32 hidden units: large enough": (32,),
}


def digits() -> Parts:
    """60 % training, 20 % validation and test, in components of unit variance."""
    images, numbers = load_digits(return_X_y=True)
    pixels, targets = torch.tensor(images, dtype=torch.float32), torch.tensor(numbers) == POSITIVE
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
    train, validation, test = order[:1078], order[1078:1438], order[1438:]
    centred = pixels - pixels[train].mean(0)
    _, _, axes = torch.linalg.svd(centred[train], full_matrices=False)
    components = centred @ axes[:COMPONENTS].T
    components /= components[train].std(0)

    def part(rows: Tensor) -> Part:
        return Part(components[rows], targets[rows])

    return Parts(part(train), part(validation), part(test))


def untrained(data: Parts, hidden: tuple[int, ...]) -> MLP:
    """The same weights at each call."""
    model = MLP(COMPONENTS, hidden, generator=torch.Generator().manual_seed(0))
    start_at_log_odds(model, data.train.features, data.train.targets)
    return model


def draw(axes: Axes, data: Parts, title: str, hidden: tuple[int, ...]) -> None:
    """A panel; prints its numbers."""
    task = dl.AveragePrecision()
    refined = refine(untrained(data, hidden), data, task, CONFIG)
    config = replace(CONFIG, schedule="linear", keep="best")
    plain = fit(untrained(data, hidden), Logistic(), data, task, config)

    def line(result: FitResult, name: str, style: str, colour: str) -> None:
        values = [100 * value for value in result.history.validation]
        label = f"{name}: test {100 * result.test:.1f}"
        axes.plot(result.history.iteration, values, style, color=colour, label=label, linewidth=1.4)
        axes.axhline(100 * result.validation, color=colour, linewidth=0.6, alpha=0.5)

    line(plain, "cross-entropy", "--", "#57606a")
    line(refined.fit, "refined", "-", "#0969da")
    axes.axvline(refined.fit.switch, color="black", linewidth=0.8, linestyle=":")
    place = axes.get_xaxis_transform()
    axes.text(refined.fit.switch + 2, 0.35, "switch", transform=place, fontsize=8)
    axes.set_title(title, fontsize=9, loc="left")
    axes.set_xlabel("steps")
    axes.legend(loc="lower right", frameon=False, fontsize=8)
    print(title, *refined.lines(), sep="\n  ")


def main() -> None:
    data = digits()
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(8.0, 3.0), layout="constrained")
        panels = figure.subplots(1, len(MODELS))
        for axes, (title, hidden) in zip(panels, MODELS.items(), strict=True):
            draw(axes, data, title, hidden)
        panels[0].set_ylabel("validation AP")
        save(figure, Path(__file__).with_name("refine.svg"))


if __name__ == "__main__":
    main()
