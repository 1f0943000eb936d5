"""Where a direction is dead or saturated.

    python -m benchmarks.directions           # measures, then writes archive, page and pictures
    python -m benchmarks.directions --page    # writes page and pictures from the archive

For every task, on random lists, at epsilon = factor * (standard deviation of the scores): the share
of lists on which a direction has no gradient at all (dead), and the share on which its
loss-augmented configuration has the largest possible Delta (positive) or the smallest (negative),
so that a larger epsilon would change nothing (saturated). "auto" is the factor 1 in units of the
scores, and `task.epsilon_scale` in the unit of the loss.

Delta(y(weight)) never falls as the weight grows, and scores without ties have one best
configuration: equal Delta at both ends of a difference means the same configuration at both ends.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import directloss as dl
from benchmarks import archive, directions_page
from directloss._unit import solve_in_unit
from directloss.lists import Lists, Unit

Floats = NDArray[np.float64]

SEED = 0
FACTORS: dict[Unit, tuple[float, ...]] = {
    "score": (3.0, 1.0, 0.3, 0.1),
    "loss": (1.0, 0.3, 0.1, 0.03),
}
"""Of the standard deviation, by the unit of epsilon."""

DIRECTIONS = ("positive", "negative", "both")
SIZES = (20, 1_000, 100_000)
SHARES = (0.01, 0.2)
KINDS = ("random", "trained")
CLASSES = (10, 100, 1_000)
SAMPLES = 2_000
SHIFT = 2.0
"""Standard deviations between the classes of trained scores."""

SAME = 1e-12
"""Two Delta within rounding."""

DRAWS = {20: 1_000, 1_000: 200, 100_000: 20}

RANKINGS: tuple[dl.Task, ...] = (
    dl.AveragePrecision(),
    dl.AveragePrecision(k=10),
    dl.ReciprocalRank(),
    dl.ROCAUC(),
    dl.PartialAUC(0.1),
    dl.NDCG(),
    dl.NDCG(10),
    dl.PrecisionAtK(10),
    dl.RecallAtK(10),
    dl.RPrecision(),
    dl.BEDROC(),
)
COUNTS: tuple[dl.Task, ...] = (
    dl.ZeroOne(),
    dl.BalancedError(),
    dl.Jaccard(),
    dl.Dice(),
    dl.FBeta(2.0),
    dl.Tversky(0.3, 0.7),
    dl.GMean(),
    dl.MatthewsCorrelation(),
)
MULTICLASS: tuple[dl.Task, ...] = (dl.MulticlassZeroOne(), dl.TopKError(3))


TABLE = "directions.csv"
"""The table in the archive."""


@dataclass(frozen=True)
class Measured:
    """Shares of the lists of one setting, for one task, direction and factor.

    Attributes:
        unit: of epsilon, "score" or "loss".
        task: repr of the task.
        default: its default direction.
        scale: the factor of epsilon "auto".
        size: items of a list, or classes of a sample.
        positives: of them; None with many classes.
        scores: "random" or "trained".
        draws: number of lists.
        direction: "positive", "negative" or "both".
        factor: epsilon in standard deviations of the scores.
        dead: share of lists without a gradient.
        saturated: share of lists on which a larger epsilon would change nothing.
    """

    unit: str
    task: str
    default: str
    scale: float
    size: int
    positives: int | None
    scores: str
    draws: int
    direction: str
    factor: float
    dead: float
    saturated: float


def to_csv(measured: Iterable[Measured]) -> bytes:
    """A row for each measurement."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Measured)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(asdict, measured))
    return text.getvalue().encode()


def load(path: Path) -> list[Measured]:
    """The measurements in an archive."""
    rows = csv.DictReader(io.StringIO(archive.read(path)[TABLE].decode()))
    return [
        Measured(
            unit=row["unit"],
            task=row["task"],
            default=row["default"],
            scale=float(row["scale"]),
            size=int(row["size"]),
            positives=int(row["positives"]) if row["positives"] else None,
            scores=row["scores"],
            draws=int(row["draws"]),
            direction=row["direction"],
            factor=float(row["factor"]),
            dead=float(row["dead"]),
            saturated=float(row["saturated"]),
        )
        for row in rows
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", type=Path, default=archive.path_of("directions"))
    parser.add_argument("--document", type=Path, default=Path("docs/tasks/directions.md"))
    parser.add_argument("--page", action="store_true", help="measure nothing")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if not asked.page:
        measured = [*measure_binary(RANKINGS + COUNTS), *measure_multiclass(MULTICLASS)]
        archive.write(asked.archive, {TABLE: to_csv(measured)})
    directions_page.write(load(asked.archive), asked.document, asked.archive, SHIFT)


def measure_binary(tasks: Iterable[dl.Task]) -> Iterable[Measured]:
    for task in tasks:
        for size in SIZES:
            for share in SHARES:
                for kind in KINDS:
                    lists = draw_binary(DRAWS[size], size, share, kind)
                    for unit in FACTORS:
                        yield from measure(task, lists, size, positives(size, share), kind, unit)


def measure_multiclass(tasks: Iterable[dl.Task]) -> Iterable[Measured]:
    for task in tasks:
        for classes in CLASSES:
            for kind in KINDS:
                lists = draw_classes(SAMPLES, classes, kind)
                for unit in FACTORS:
                    yield from measure(task, lists, classes, None, kind, unit)


def measure(
    task: dl.Task, lists: Lists, size: int, found: int | None, kind: str, unit: Unit
) -> Iterable[Measured]:
    read = partial(replace, targets=task.read_targets(lists.targets))  # as solvers take them
    spread = dl.functional.auto_epsilon(torch.from_numpy(lists.scores).reshape(len(lists), -1))
    scale = 1.0 if unit == "score" else task.epsilon_scale
    factors = sorted({*FACTORS[unit], scale}, reverse=True)
    steps = np.array(factors) * spread
    weights = np.concatenate([[0.0], steps, -steps])
    terms = tuple(weights.tolist()), (0.0,) * weights.size
    in_scores = unit == "score"
    losses = solve_in_unit(task, read(lists), *terms, in_scores=in_scores)[0].task_losses
    predicted, away, toward = np.split(losses, [1, 1 + steps.size], axis=1)
    best, worst = (prediction_loss(task, read(perfect(task, lists, sign))) for sign in (1.0, -1.0))
    at_worst = worst[:, None] - away < SAME
    at_best = toward - best[:, None] < SAME
    dead = {
        "positive": away - predicted < SAME,
        "negative": predicted - toward < SAME,
        "both": away - toward < SAME,
    }
    saturated = {"positive": at_worst, "negative": at_best, "both": at_worst & at_best}
    for direction in DIRECTIONS:
        for k, factor in enumerate(factors):
            yield Measured(
                unit=unit,
                task=repr(task),
                default=task.direction,
                scale=scale,
                size=size,
                positives=found,
                scores=kind,
                draws=len(lists),
                direction=direction,
                factor=factor,
                dead=float(dead[direction][:, k].mean()),
                saturated=float(saturated[direction][:, k].mean()),
            )


def prediction_loss(task: dl.Task, lists: Lists) -> Floats:
    losses: Floats = task.solve(lists, np.zeros(1), np.zeros(1)).task_losses[:, 0]
    return losses


def perfect(task: dl.Task, lists: Lists, sign: float) -> Lists:
    """Scores that say the truth, or with sign -1 its opposite."""
    truth = lists.targets
    if task.target_per_list:
        classes = lists.scores.size // len(lists)
        truth = np.eye(classes)[lists.targets].reshape(-1)
    return Lists(sign * (2.0 * truth - 1.0), lists.targets, lists.offsets)


def positives(size: int, share: float) -> int:
    return max(1, round(share * size))


def draw_binary(draws: int, size: int, share: float, kind: str) -> Lists:
    """Normal scores; trained ones are shifted by half of `SHIFT` to either side of 0."""
    rng = np.random.default_rng(SEED)
    targets = np.zeros((draws, size), np.uint8)
    targets[:, : positives(size, share)] = 1
    scores = rng.normal(size=(draws, size))
    if kind == "trained":
        scores += SHIFT * (targets - 0.5)
    return Lists(scores.reshape(-1), targets.reshape(-1), np.arange(draws + 1) * size)


def draw_classes(draws: int, classes: int, kind: str) -> Lists:
    rng = np.random.default_rng(SEED)
    targets = rng.integers(0, classes, draws)
    scores = rng.normal(size=(draws, classes))
    if kind == "trained":
        scores[np.arange(draws), targets] += SHIFT
    return Lists(scores.reshape(-1), targets, np.arange(draws + 1) * classes)


if __name__ == "__main__":
    main()
