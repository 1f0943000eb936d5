"""Where a direction is dead or saturated: `python -m benchmarks.directions`.

For every task, on drawn lists, at epsilon = factor * (standard deviation of the scores): the share
of lists on which a direction has no gradient at all (dead), and the share on which its
loss-augmented configuration has the largest Delta that there is (positive) or the smallest
(negative), so that a larger epsilon would find nothing more (saturated).

Delta(y(weight)) never falls as the weight grows, and scores without ties have one best
configuration: equal Delta at both ends of a difference means the same configuration at both ends.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import directloss as dl
from directloss.lists import Lists

Floats = NDArray[np.float64]

SEED = 0
FACTORS = (1.0, 0.3, 0.1, 0.03)
DIRECTIONS = ("positive", "negative", "both")
SIZES = (20, 1_000, 100_000)
SHARES = (0.01, 0.2)
KINDS = ("random", "trained")
CLASSES = (10, 100, 1_000)
SHIFT = 2.0
"""Standard deviations between the classes of trained scores."""

SAME = 1e-12
"""Two Delta within rounding."""

DRAWS = {20: 1_000, 1_000: 200, 100_000: 20}
# Programmes in a corridor take seconds at the largest size.
SLOW_DRAWS = {20: 1_000, 1_000: 100, 100_000: 3}

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


@dataclass(frozen=True)
class Measured:
    """Shares of the lists of one cell, for one task, direction and factor."""

    task: str
    default: str
    size: int
    positives: int | None
    scores: str
    draws: int
    direction: str
    factor: float
    dead: float
    saturated: float


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("runs/directions.json"))
    parser.add_argument("--document", type=Path, default=Path("docs/tasks/directions.md"))
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    measured = [*measure_binary(RANKINGS + COUNTS), *measure_multiclass(MULTICLASS)]
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps([asdict(m) for m in measured], indent=1) + "\n")
    asked.document.write_text(document(measured))


# --- measuring ------------------------------------------------------------------------------------


def measure_binary(tasks: Iterable[dl.Task]) -> Iterable[Measured]:
    for task in tasks:
        slow = isinstance(task, dl.RankingTask) and not isinstance(
            task, dl.ROCAUC | dl.ReciprocalRank
        )
        for size in SIZES:
            draws = (SLOW_DRAWS if slow else DRAWS)[size]
            for share in SHARES:
                for kind in KINDS:
                    lists = draw_binary(draws, size, share, kind)
                    yield from measure(task, lists, size, positives(size, share), kind)


def measure_multiclass(tasks: Iterable[dl.Task]) -> Iterable[Measured]:
    for task in tasks:
        for classes in CLASSES:
            for kind in KINDS:
                yield from measure(task, draw_classes(2_000, classes, kind), classes, None, kind)


def measure(
    task: dl.Task, lists: Lists, size: int, found: int | None, kind: str
) -> Iterable[Measured]:
    spread = dl.functional.auto_epsilon(torch.from_numpy(lists.scores).reshape(len(lists), -1))
    steps = np.array(FACTORS) * spread
    weights = np.concatenate([[0.0], steps, -steps])
    losses = task.solve(lists, weights, np.zeros(weights.size)).task_losses
    predicted, away, toward = np.split(losses, [1, 1 + steps.size], axis=1)
    best, worst = (prediction_loss(task, perfect(task, lists, sign)) for sign in (1.0, -1.0))
    at_worst = worst[:, None] - away < SAME
    at_best = toward - best[:, None] < SAME
    dead = {
        "positive": away - predicted < SAME,
        "negative": predicted - toward < SAME,
        "both": away - toward < SAME,
    }
    saturated = {"positive": at_worst, "negative": at_best, "both": at_worst & at_best}
    for direction in DIRECTIONS:
        for k, factor in enumerate(FACTORS):
            yield Measured(
                task=repr(task),
                default=task.direction,
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


# --- telling --------------------------------------------------------------------------------------

HEAD = """\
<!-- Written by `python -m benchmarks.directions`; changes are lost. -->

# Dead and saturated directions

    python -m benchmarks.directions

Each entry is *dead / saturated*, both in percent of the drawn lists (seed {seed}).

- **Dead**: the direction has exactly no gradient. Positive: the prediction already has the Delta of
  its loss-augmented configuration; negative likewise; both: the two ends are the same.
- **Saturated**: the positive end has the largest Delta that there is, the negative end the
  smallest; both: both of that. A larger epsilon then finds no other configuration. At the negative
  end that is the truth: the update is a perceptron's, divided by epsilon. At the positive end it is
  the worst configuration whatever the scores are: the update pushes every list the same way.

Scores are normal with standard deviation 1. "Random": both classes around 0. "Trained": positives
around +{half:g}, negatives around {minus:g}. Epsilon is the standard deviation of the scores times
the factor, 1 if nothing else is said; `epsilon="auto"` takes `task.epsilon_scale` as the factor.
Draws: {draws}; for average precision and partial AUC {slow}. Lists of 20 at 1 % have one positive.
"""


def document(measured: Sequence[Measured]) -> str:
    binary = [m for m in measured if m.positives is not None]
    classes = [m for m in measured if m.positives is None]
    parts = [
        HEAD.format(
            seed=SEED,
            half=SHIFT / 2,
            minus=-SHIFT / 2,
            draws=_draws(DRAWS),
            slow=_draws(SLOW_DRAWS),
        )
    ]
    for direction in DIRECTIONS:
        rows = [m for m in binary if m.direction == direction and m.factor == 1.0]
        parts.append(f'## Direction "{direction}"\n\nA star: the task\'s default.\n')
        parts.append(_wide(rows, direction))
    parts.append(
        "## One class of many\n\nEach sample is a list; the first number of a column is that of "
        "the classes. Trained: the right class is higher by "
        f"{SHIFT:g}. 2,000 draws.\n"
    )
    for direction in DIRECTIONS:
        rows = [m for m in classes if m.direction == direction and m.factor == 1.0]
        parts.append(f'Direction "{direction}":\n')
        parts.append(_wide(rows, direction))
    parts.append(
        "## Which factor\n\nThe default direction at four factors: in how many of the 12 columns "
        "above more than half of the lists are dead, and in how many more than half are "
        "saturated (dead + saturated), and in brackets the mean shares.\n"
    )
    parts.append(_factors(binary))
    return "\n".join(parts)


def _draws(table: dict[int, int]) -> str:
    return ", ".join(f"{count:,} of {size:,}" for size, count in table.items())


def _column(m: Measured) -> str:
    if m.positives is None:
        return f"{m.size:,} {m.scores}"
    return f"{m.size:,}, {m.positives:,} positive, {m.scores}"


def _wide(rows: Sequence[Measured], direction: str) -> str:
    columns = list(dict.fromkeys(_column(m) for m in rows))
    cells = {(m.task, _column(m)): f"{_percent(m.dead)} / {_percent(m.saturated)}" for m in rows}
    defaults = {m.task: m.default for m in rows}
    lines = [
        [f"{task}{' *' if default == direction else ''}", *(cells[task, c] for c in columns)]
        for task, default in defaults.items()
    ]
    return _markdown(["task", *columns], lines)


def _factors(rows: Sequence[Measured]) -> str:
    defaults = {m.task: m.default for m in rows}
    lines = []
    for task, default in defaults.items():
        line = [task, default]
        for factor in FACTORS:
            own = [m for m in rows if (m.task, m.direction, m.factor) == (task, default, factor)]
            dead, saturated = ([getattr(m, name) for m in own] for name in ("dead", "saturated"))
            mostly = [sum(share > 0.5 for share in shares) for shares in (dead, saturated)]
            mean = [_percent(float(np.mean(shares))) for shares in (dead, saturated)]
            line.append(f"{mostly[0]} + {mostly[1]} ({mean[0]} / {mean[1]})")
        lines.append(line)
    return _markdown(["task", "default", *(f"factor {f:g}" for f in FACTORS)], lines)


def _percent(share: float) -> str:
    return (
        f"{100 * share:.0f}"
        if share in (0.0, 1.0) or 0.005 < share < 0.995
        else ("<1" if share < 0.5 else ">99")
    )


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---"] + ["--:"] * (len(head) - 1)
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, rule, *lines))


if __name__ == "__main__":
    main()
