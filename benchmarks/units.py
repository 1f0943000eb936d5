"""What one unit of epsilon does, for every task, and how the factors of the steep ones were chosen.

    python -m benchmarks.units           # measures, then writes archive and page
    python -m benchmarks.units --page    # writes the page from the archive

On random lists with scores of spread 1: the share of lists with a gradient, and the cosine of the
gradient to that of the metric smoothed by noise of .3 spreads (a mean over many copies, at small
epsilon). Where 0 lies, as many are above as there are positives.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

import directloss as dl
from benchmarks import archive, empty_lists
from benchmarks.markdown import render
from benchmarks.tables import table
from directloss.functional import direct_loss
from directloss.lists import Lists

SEED = 0
NOISE = 0.3
SMALL = (0.1, 0.3)
"""Epsilons of the smoothed gradient, in units of the noise's deviation, for the reference."""

EPSILONS = (0.1, 0.3, 1.0, 3.0)
WEIGHTS = (0.01, 0.03, 0.125, 0.5, 2.0)
CELLS = (
    (50, 0.1), (50, 0.5), (1_000, 0.01), (1_000, 0.1), (1_000, 0.5), (100_000, 0.001),
    (100_000, 0.1),
)  # fmt: skip
APART = (1.0, 2.5)
"""Standard deviations between the classes."""

LONG = 10_000
SHARES = (0.003, 0.3)
"""Of positives, in the two kinds of lists of one batch."""

TASKS: tuple[Callable[[int], dl.Task], ...] = (
    lambda P: dl.AveragePrecision(),
    lambda P: dl.ReciprocalRank(),
    lambda P: dl.ROCAUC(),
    lambda P: dl.PartialAUC(0.05),
    lambda P: dl.NDCG(),
    lambda P: dl.PrecisionAtK(max(P // 2, 1)),
    lambda P: dl.BEDROC(),
    lambda P: dl.ZeroOne(),
    lambda P: dl.BalancedError(),
    lambda P: dl.FBeta(),
    lambda P: dl.Jaccard(),
    lambda P: dl.GMean(),
    lambda P: dl.MatthewsCorrelation(),
)
_NUMBERS = ("share", "apart", "epsilon", "moved", "cosine", "noisy")
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Measured:
    """Means over the lists drawn of one kind.

    Attributes:
        study: "auto", "weight" or "list".
        task: its name; for "list" and the factor that was taken.
        size, share, apart: of the lists: items, positives, distance of the classes.
        epsilon: in spreads; in "weight" the weight of Delta.
        moved: share of the lists with a gradient.
        cosine: of the gradient to the smoothed one.
        noisy: the same with a `Perturbation` of two samples.
    """

    study: str
    task: str
    size: int
    share: float
    apart: float
    epsilon: float
    moved: float
    cosine: float
    noisy: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, or only writes the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.units", description=__doc__)
    parser.add_argument("--page", action="store_true", help="write the page from the archive")
    parser.add_argument("--archive", type=Path, default=archive.path_of("units"))
    parser.add_argument("--document", type=Path, default=ROOT / "docs" / "epsilon.md")
    given = parser.parse_args(arguments)
    if not given.page:
        save([*by_epsilon(), *by_weight(), *by_factor()], [*empty_lists.measure()], given.archive)
    write(load(given.archive), given.archive, given.document)


# --- measuring ------------------------------------------------------------------------------------


def by_epsilon() -> Iterator[Measured]:
    """Every task at several epsilons, in units of the scores."""
    for make in TASKS:
        for size, share in CELLS:
            for apart in APART:
                yield from _measure("auto", make, size, share, apart, EPSILONS, "score")


def by_weight() -> Iterator[Measured]:
    """Average precision at several weights of Delta."""
    for size, share in CELLS:
        for apart in APART:
            yield from _measure("weight", TASKS[0], size, share, apart, WEIGHTS, "loss")


def by_factor() -> Iterator[Measured]:
    """Lists of few and of many positives in a batch, each with its factor, or with the batch's."""
    for task in (dl.FBeta(), dl.Jaccard()):
        for apart in APART:
            drawn = [draw(LONG, share, apart, _generator()) for share in SHARES]
            pooled = [torch.cat(parts) for parts in zip(*drawn, strict=True)]
            for share, (scores, targets) in zip(SHARES, drawn, strict=True):
                reference = smoothed(task, scores, targets, _generator(), 128)
                for name, counted in (("list", targets), ("batch", pooled[1])):
                    factor = factor_of(task, counted)
                    options = {"epsilon": factor, "unit": "loss"}
                    plain = gradient(task, scores, targets, **options)
                    noisy = with_noise(task, scores, targets, _generator(), 2, **options)
                    yield Measured(
                        "list", f"{task!r}, {name}", LONG, share, apart, 1.0,
                        float(plain.any()), cosine(plain, reference), cosine(noisy, reference),
                    )  # fmt: skip


def _measure(
    study: str,
    make: Callable[[int], dl.Task],
    size: int,
    share: float,
    apart: float,
    epsilons: Sequence[float],
    unit: str,
) -> Iterator[Measured]:
    long = size > 1_000
    generator, task = _generator(), make(max(round(share * size), 1))
    found: dict[float, list[tuple[float, float, float]]] = {epsilon: [] for epsilon in epsilons}
    for _ in range(1 if long else 5):
        scores, targets = draw(size, share, apart, generator)
        reference = smoothed(task, scores, targets, generator, 32 if long else 128)
        for epsilon, rows in found.items():
            options = {"epsilon": epsilon, "unit": unit}
            plain = gradient(task, scores, targets, **options)
            noisy = with_noise(task, scores, targets, generator, 2, **options)
            rows.append((float(plain.any()), cosine(plain, reference), cosine(noisy, reference)))
    for epsilon, rows in found.items():
        means = [fmean(column) for column in zip(*rows, strict=True)]
        yield Measured(study, repr_of(task), size, share, apart, epsilon, *means)


def draw(
    size: int, share: float, apart: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Normal scores of spread 1, the classes `apart`, and targets."""
    positives = max(round(share * size), 1)
    targets = (torch.arange(size) < positives).to(torch.uint8)
    scores = torch.randn(size, generator=generator) + apart * targets
    scores = scores - scores.sort(descending=True).values[positives - 1 : positives + 1].mean()
    return scores / scores.std(correction=0), targets


def gradient(task: dl.Task, scores: Tensor, targets: Tensor, **options: object) -> Tensor:
    """Of the direct loss in both directions; summed over the lists."""
    leaf = scores.clone().requires_grad_()
    direct_loss(leaf, targets, task, direction="both", reduction="sum", **options).backward()  # type: ignore[arg-type]
    assert leaf.grad is not None
    return leaf.grad


def with_noise(
    task: dl.Task,
    scores: Tensor,
    targets: Tensor,
    generator: torch.Generator,
    copies: int,
    **options: object,
) -> Tensor:
    """The mean of the gradient over antithetic copies with noise."""
    noise = torch.randn(copies // 2, scores.numel(), generator=generator)
    noisy = scores + NOISE * torch.cat([noise, -noise])
    return gradient(task, noisy, targets.expand(copies, -1), **options).mean(0)


def smoothed(
    task: dl.Task, scores: Tensor, targets: Tensor, generator: torch.Generator, copies: int
) -> Tensor:
    """The gradient of the smoothed metric, from many copies."""
    parts = [
        with_noise(task, scores, targets, generator, copies, epsilon=epsilon, unit="score")
        for epsilon in SMALL
    ]
    return torch.stack(parts).mean(0)


def factor_of(task: dl.Task, targets: Tensor) -> float:
    """The weight of Delta in one unit of the scores, for a list with these targets."""
    lists = Lists(
        targets.numpy() * 1.0,
        task.read_targets(targets.numpy()),
        torch.tensor([0, targets.numel()]).numpy(),
    )
    return float(2.0 ** torch.as_tensor(task.unit_weights(lists)).double().log2().floor())


def cosine(one: Tensor, other: Tensor) -> float:
    """0 where one of them is 0."""
    return float(torch.nn.functional.cosine_similarity(one.double(), other.double(), dim=0))


def repr_of(task: dl.Task) -> str:
    """The name on the page: k goes with the list."""
    return "PrecisionAtK(P / 2)" if isinstance(task, dl.PrecisionAtK) else repr(task)


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(SEED)


# --- the page -------------------------------------------------------------------------------------


def save(measured: Sequence[Measured], learnt: Sequence[empty_lists.Learnt], kept: Path) -> None:
    """Writes the archive."""
    archive.write(kept, {"units.csv": _csv(measured), "empty-lists.csv": _csv(learnt)})


def _csv(rows: Sequence[Measured] | Sequence[empty_lists.Learnt]) -> bytes:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(asdict(rows[0])), lineterminator="\n")
    writer.writeheader()
    for each in rows:
        writer.writerow(
            {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in asdict(each).items()}
        )
    return buffer.getvalue().encode()


def _rows(kept: Path, name: str) -> Iterator[dict[str, str]]:
    yield from csv.DictReader(io.StringIO(archive.read(kept)[name].decode()))


def load(kept: Path) -> list[Measured]:
    """Reads the archive."""
    return [
        Measured(
            row["study"], row["task"], int(row["size"]),
            *(float(row[name]) for name in _NUMBERS),
        )
        for row in _rows(kept, "units.csv")
    ]  # fmt: skip


def load_learnt(kept: Path) -> list[empty_lists.Learnt]:
    """Reads what was learnt from lists without a positive."""
    return [
        empty_lists.Learnt(
            row["rule"], row["start"], float(row["share"]), int(row["seed"]),
            *(float(row[name]) for name in ("iou", "found", "alarms")),
        )
        for row in _rows(kept, "empty-lists.csv")
    ]  # fmt: skip


def write(measured: Sequence[Measured], kept: Path, page: Path) -> None:
    """Writes the page from the measurements."""
    at_one = [m for m in measured if m.study == "auto" and m.epsilon == 1.0]
    text = render(
        Path(__file__).parent / "units.md.jinja",
        moved=f"{100 * fmean(m.moved for m in at_one):.0f}",
        least=f"{min(means(at_one, 'cosine').values()):.2f}",
        most=f"{max(means(at_one, 'cosine').values()):.2f}",
        by_epsilon=epsilon_table([m for m in measured if m.study == "auto"]),
        by_weight=weight_table([m for m in measured if m.study == "weight"]),
        by_factor=factor_table([m for m in measured if m.study == "list"]),
        by_rule=empty_lists.rules_table(load_learnt(kept)),
        warm=empty_lists.WARM,
        steps=empty_lists.STEPS,
        images=empty_lists.BATCH,
        seeds=empty_lists.SEEDS,
        citation=archive.citation(kept, page),
    )
    page.write_text(text, encoding="utf-8")


def means(measured: Sequence[Measured], quantity: str) -> dict[str, float]:
    """The mean of a quantity for each task."""
    found: dict[str, list[float]] = {}
    for each in measured:
        found.setdefault(each.task, []).append(getattr(each, quantity))
    return {task: fmean(values) for task, values in found.items()}


def epsilon_table(measured: Sequence[Measured]) -> str:
    body: dict[str, list[str]] = {}
    for epsilon in EPSILONS:
        those = [m for m in measured if m.epsilon == epsilon]
        columns = [means(those, name) for name in ("moved", "cosine", "noisy")]
        for task in columns[0]:
            moved, plain, noisy = (column[task] for column in columns)
            cell = f"{100 * moved:.0f} / {plain:.2f} / {noisy:.2f}"
            body.setdefault(task, [task]).append(f"**{cell}**" if epsilon == 1.0 else cell)
    return table(["task", *(f"{epsilon:g}" for epsilon in EPSILONS)], list(body.values()))


def weight_table(measured: Sequence[Measured]) -> str:
    body: dict[tuple[int, float], list[str]] = {}
    for each in measured:
        body.setdefault((each.size, each.share), [])
    for (size, share), line in body.items():
        line += [f"{size:,}", f"{100 * share:g} %"]
        for weight in WEIGHTS:
            mine = [
                m.noisy for m in measured if (m.size, m.share, m.epsilon) == (size, share, weight)
            ]
            line.append(f"{fmean(mine):.2f}")
    return table(["items", "positives", *(f"{w:g}" for w in WEIGHTS)], list(body.values()))


def factor_table(measured: Sequence[Measured]) -> str:
    body: dict[str, list[str]] = {}
    for each in measured:
        body.setdefault(each.task, [])
    for task, line in body.items():
        line.append(task)
        for share in SHARES:
            mine = [m for m in measured if (m.task, m.share) == (task, share)]
            line.append(f"{fmean(m.cosine for m in mine):.2f} / {fmean(m.noisy for m in mine):.2f}")
    return table(
        ["task, factor of the", *(f"{100 * s:g} % positives" for s in SHARES)], list(body.values())
    )


if __name__ == "__main__":
    main()
