"""Where a direction is dead or saturated: `python -m benchmarks.directions`.

For every task, on drawn lists, at epsilon = factor * (standard deviation of the scores): the share
of lists on which a direction has no gradient at all (dead), and the share on which its
loss-augmented configuration has the largest Delta that there is (positive) or the smallest
(negative), so that a larger epsilon would find nothing more (saturated). "auto" is the factor
`task.epsilon_scale`.

Delta(y(weight)) never falls as the weight grows, and scores without ties have one best
configuration: equal Delta at both ends of a difference means the same configuration at both ends.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
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
SAMPLES = 2_000
SHIFT = 2.0
"""Standard deviations between the classes of trained scores."""

SAME = 1e-12
"""Two Delta within rounding."""

DRAWS = {20: 1_000, 1_000: 200, 100_000: 20}
# A programme in a corridor takes seconds at the largest size.
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
    scale: float
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
                yield from measure(task, draw_classes(SAMPLES, classes, kind), classes, None, kind)


def measure(
    task: dl.Task, lists: Lists, size: int, found: int | None, kind: str
) -> Iterable[Measured]:
    read = partial(replace, targets=task.read_targets(lists.targets))  # as solvers take them
    spread = dl.functional.auto_epsilon(torch.from_numpy(lists.scores).reshape(len(lists), -1))
    factors = sorted({*FACTORS, task.epsilon_scale}, reverse=True)
    steps = np.array(factors) * spread
    weights = np.concatenate([[0.0], steps, -steps])
    losses = task.solve(read(lists), weights, np.zeros(weights.size)).task_losses
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
                task=repr(task),
                default=task.direction,
                scale=task.epsilon_scale,
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
<!-- Written by `python -m benchmarks.directions`; what is changed here by hand is lost. -->

# Dead and saturated directions

    python -m benchmarks.directions

How often a direction gives nothing, or the same whatever the scores are, at `epsilon="auto"`. Each
entry is *dead / saturated*, in percent of the drawn lists.

- **Dead**: exactly no gradient. The two configurations of the update are the same.
- **Saturated**: at the positive end, the loss-augmented configuration has the largest Delta that
  there is; at the negative end, the smallest; "both": both of that. A larger epsilon finds nothing
  more. At the negative end that is the truth, and the update is a perceptron's, divided by epsilon.
  At the positive end it is the worst that can be: every list is pushed away from it, however good
  or bad its prediction is.

Columns: n items, of them P positive, as n (P). Scores are normal with standard deviation 1, of both
classes around 0 ("random"), or of positives around +{half:g} and negatives around -{half:g}
("trained"). Seed {seed}. Lists drawn for a column: {draws};
for average precision and partial AUC, whose programmes take longer, {slow}.
"""

MANY_CLASSES = """\
## One class of many

A list is a sample, with the scores of n classes. Trained: the right class is higher by {shift:g}.
{draws:,} samples for a column. A batch is dead where all of its samples are.
"""

FACTOR = """\
## Which factor

Each direction at other factors of the standard deviation: in how many of the 12 columns of lists
more than half are dead + in how many more than half are saturated, and in brackets the mean shares.
Bold: the factor that "auto" takes, `task.epsilon_scale`. A star: the task's default direction.
"""


def document(measured: Sequence[Measured]) -> str:
    """The page, in Markdown."""
    binary = [m for m in measured if m.positives is not None]
    classes = [m for m in measured if m.positives is None]
    draws, slow = _draws(DRAWS), _draws(SLOW_DRAWS)
    parts = [HEAD.format(seed=SEED, half=SHIFT / 2, draws=draws, slow=slow)]
    for direction in DIRECTIONS:
        parts.append(f'## Direction "{direction}"\n\nA star marks the tasks whose default it is.\n')
        parts.append(_table(binary, direction))
    parts.append(MANY_CLASSES.format(shift=SHIFT, draws=SAMPLES))
    for direction in DIRECTIONS:
        parts.append(f'Direction "{direction}":\n')
        parts.append(_table(classes, direction))
    parts.append('Direction "both" at other factors, as below but of the 6 columns here:\n')
    parts.append(_factors(classes, "both"))
    parts.append(FACTOR)
    for direction in DIRECTIONS:
        parts.append(f'Direction "{direction}":\n')
        parts.append(_factors(binary, direction))
    return "\n".join(parts)


def _draws(table: dict[int, int]) -> str:
    return ", ".join(f"{count:,} of {size:,}" for size, count in table.items())


def _column(m: Measured) -> str:
    found = "" if m.positives is None else f" ({m.positives:,})"
    return f"{m.size:,}{found} {m.scores}"


def _table(measured: Sequence[Measured], direction: str) -> str:
    """A row for each task, at its own factor."""
    rows = [m for m in measured if m.direction == direction and m.factor == m.scale]
    columns = list(dict.fromkeys(_column(m) for m in rows))
    lines: dict[str, list[str]] = {}
    for m in rows:
        line = lines.setdefault(m.task, [_starred(m)])
        line.append(f"{_percent(m.dead)} / {_percent(m.saturated)}")
    return _markdown(["task", *columns], list(lines.values()))


def _factors(measured: Sequence[Measured], direction: str) -> str:
    factors = sorted({m.factor for m in measured}, reverse=True)
    lines = []
    for task in dict.fromkeys(m.task for m in measured):
        own = [m for m in measured if m.task == task and m.direction == direction]
        line = [_starred(own[0])]
        for factor in factors:
            cells = [m for m in own if m.factor == factor]
            shown = _counted(cells) if cells else ""
            line.append(f"**{shown}**" if factor == own[0].scale else shown)
        lines.append(line)
    return _markdown(["task", *(f"{factor:g}" for factor in factors)], lines)


def _starred(m: Measured) -> str:
    return f"{m.task}{' *' if m.default == m.direction else ''}"


def _counted(cells: Sequence[Measured]) -> str:
    shares = np.array([(m.dead, m.saturated) for m in cells])
    dead, saturated = (shares > 0.5).sum(axis=0)
    means = " / ".join(_percent(float(mean)) for mean in shares.mean(axis=0))
    return f"{dead} + {saturated} ({means})"


def _percent(share: float) -> str:
    if 0.0 < share < 0.005:
        return "<1"
    if 0.995 < share < 1.0:
        return ">99"
    return f"{100 * share:.0f}"


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---"] + ["--:"] * (len(head) - 1)
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, rule, *lines))


if __name__ == "__main__":
    main()
