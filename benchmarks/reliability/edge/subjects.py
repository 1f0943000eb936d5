"""The tasks under test, with what is known of each: range, slopes, and the metric by formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

import directloss as dl
from benchmarks.reliability.edge.chains import MOST_LABELLED
from directloss.inference._kernel import Array

__all__ = ["SUBJECTS", "Kind", "Subject"]

Kind = Literal["pairs", "positions", "counts", "classes", "chain"]
"""What F is, and so what a prediction depends on and how large a coefficient can be."""

Draw = Callable[[np.random.Generator, int], Array]
LARGEST = 1e15
"""What a cost or a weight of a user's own may be, about."""

Wide = np.longdouble
"""Its exponents reach far beyond those of float64."""

SLOPES: dict[Kind, float] = {
    "pairs": 2.0,
    "positions": 1.0,
    "counts": 1.0,
    "classes": 1.0,
    "chain": float(MOST_LABELLED),
}
"""How far two configurations can differ in the coefficient of an item, at most."""


@dataclass(frozen=True)
class Subject:
    """A task under test.

    Attributes:
        make: the task; of a chain the factor of its costs.
        draw: (generator, n) -> targets (n,), or () for classes.
        formula: of one list without ties, the metric in longdouble, NaN where it is undefined:
            from the targets in the order of the scores, and the number of items above 0 for counts.
        losses: least and largest Delta.
        metrics: least and largest metric.
        exact: whether a step times what the task puts on it is no denormal number, as a rule.
    """

    name: str
    make: Callable[[], Any]
    kind: Kind
    draw: Draw
    formula: Callable[[Array, int], Wide] | None = None
    losses: tuple[float, float] = (0.0, 1.0)
    metrics: tuple[float, float] = (0.0, 1.0)
    exact: bool = True

    @property
    def slope(self) -> float:
        return SLOPES[self.kind]


# --- targets --------------------------------------------------------------------------------------


def _binary(rng: np.random.Generator, n: int) -> Array:
    share = rng.choice([0.0, 0.1, 0.5, 0.9, 1.0], p=[0.02, 0.3, 0.36, 0.3, 0.02])
    labels = (rng.random(n) < share).astype(np.float64)
    if n > 1 and rng.random() < 0.9:  # both classes
        first, second = rng.choice(n, 2, replace=False)
        labels[first], labels[second] = 0.0, 1.0
    return labels


def _graded(values: list[float]) -> Draw:
    def draw(rng: np.random.Generator, n: int) -> Array:
        few = rng.choice(values, rng.integers(1, 5))
        return rng.choice(np.append(few, 0.0), n)

    return draw


def _class(rng: np.random.Generator, n: int) -> Array:
    return np.array(rng.integers(max(n, 1)))


_MILD = [1.0, 2.0, 3.0, 0.5]
_TINY = [5e-324, 1e-308, 1e-300, 1e-20, 1e-16, 1e-10]
_EXPONENTS = [*_MILD, *_TINY, 30.0, 60.0, 500.0, 1023.0, 1023.999]
_AMOUNTS = [*_MILD, *_TINY, 1e20, 1e200, 1e308, np.finfo(np.float64).max]

# --- metrics by formula ---------------------------------------------------------------------------


def _average_precision(ranked: Array, _: int, k: int = 1 << 40, relevant: bool = False) -> Wide:
    positives = int(ranked.sum())
    if positives in (0, ranked.size):
        return Wide(np.nan)
    places = np.flatnonzero(ranked) + 1
    found = (np.arange(1, positives + 1, dtype=Wide) / places)[places <= k]
    return Wide(found.sum() / (positives if relevant else min(positives, k)))


def _reciprocal_rank(ranked: Array, _: int) -> Wide:
    if int(ranked.sum()) in (0, ranked.size):
        return Wide(np.nan)
    return Wide(1) / Wide(1 + int(ranked.argmax()))


def _roc_area(ranked: Array, _: int, max_fpr: float = 1.0) -> Wide:
    positives = int(ranked.sum())
    if positives in (0, ranked.size):
        return Wide(np.nan)
    above = np.cumsum(1 - ranked, dtype=Wide)[ranked == 1]
    reach = Wide(max_fpr) * (ranked.size - positives)
    return Wide(np.maximum(0, 1 - above / reach).mean())


def _ndcg(ranked: Array, _: int, k: int = 1 << 40, exponential: bool = True) -> Wide:
    gains = np.expm1(ranked.astype(Wide) * np.log(Wide(2))) if exponential else ranked.astype(Wide)
    place = np.arange(1, ranked.size + 1, dtype=Wide)
    worth = np.where(place <= k, 1 / np.log2(place + 1), Wide(0))
    ideal = (np.sort(gains)[::-1] * worth).sum()
    return Wide((gains * worth).sum() / ideal) if ideal > 0 else Wide(np.nan)


def _precision(ranked: Array, _: int, k: int = 0, recall: bool = False) -> Wide:
    positives = int(ranked.sum())
    if positives == 0:
        return Wide(np.nan)
    places = k or positives
    return Wide(ranked[:places].sum()) / (positives if recall else places)


def _bedroc(ranked: Array, _: int, alpha: float = 20.0) -> Wide:
    n, positives = ranked.size, int(ranked.sum())
    if positives in (0, n):
        return Wide(np.nan)
    rate = Wide(alpha) / n
    worst = np.arange(n - positives + 1, n + 1, dtype=Wide)

    def above_the_worst(places: Array) -> Wide:
        # Of exp(-rate p) over exp(-rate), without the difference of two that are close.
        return Wide((np.exp(-rate * (places - 1)) * -np.expm1(-rate * (worst - places))).sum())

    found = np.flatnonzero(ranked).astype(Wide) + 1
    best = np.arange(1, positives + 1, dtype=Wide)
    return above_the_worst(found) / above_the_worst(best)


def _counted(of: Callable[[Wide, Wide, Wide, Wide], Wide]) -> Callable[[Array, int], Wide]:
    def formula(ranked: Array, predicted: int) -> Wide:
        tp = Wide(ranked[:predicted].sum())
        fp, positives = predicted - tp, Wide(ranked.sum())
        return Wide(of(tp, fp, positives - tp, ranked.size - positives - fp))

    return formula


def _error_rate(tp: Wide, fp: Wide, fn: Wide, tn: Wide) -> Wide:
    return (tp + tn) / (tp + fp + fn + tn)


def _tversky(tp: Wide, fp: Wide, fn: Wide, tn: Wide, alpha: Wide, beta: Wide) -> Wide:
    if tp + fn == 0:
        return Wide(fp == 0)
    return tp / (tp + alpha * fp + beta * fn) if tp else Wide(0)


def _f_beta(tp: Wide, fp: Wide, fn: Wide, tn: Wide, beta: float) -> Wide:
    square = Wide(beta) ** 2
    return _tversky(tp, fp, fn, tn, 1 / (1 + square), square / (1 + square))


def _balanced(tp: Wide, fp: Wide, fn: Wide, tn: Wide) -> Wide:
    one_class = 0 in (tp + fn, fp + tn)
    return Wide(np.nan) if one_class else (tp / (tp + fn) + tn / (fp + tn)) / 2


def _geometric(tp: Wide, fp: Wide, fn: Wide, tn: Wide) -> Wide:
    one_class = 0 in (tp + fn, fp + tn)
    return Wide(np.nan) if one_class else np.sqrt(tp / (tp + fn) * tn / (fp + tn))


def _matthews(tp: Wide, fp: Wide, fn: Wide, tn: Wide) -> Wide:
    if 0 in (tp + fn, fp + tn):
        return Wide(np.nan)
    norm = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return (tp * tn - fp * fn) / norm if norm else Wide(0)


# --- the list -------------------------------------------------------------------------------------

_BUMPS = np.resize([0.0, 0.6, -0.3, 0.0, 0.9, 0.0], 400)


def _bumpy() -> dl.RankingTask:
    return dl.RankingTask(lambda i, P, N: 1.0 / i, _BUMPS)


def _steep() -> dl.RankingTask:
    """Not convex by negatives, with unequal rank weights."""
    return dl.RankingTask(
        lambda i, P, N: i / (P * (P + 1.0) / 2.0),
        lambda n, P, N: np.sqrt(np.maximum(0.0, 1.0 - n / N)),
        by="negatives",
    )


def _price(tp: Array, fp: Array, fn: Array, tn: Array) -> Array:
    """Neither monotone nor convex in either count."""
    return (3 * fn + fp + 2 * np.sin(tp) ** 2) / (3 * (tp + fp + fn + tn))


def _high_price(tp: Array, fp: Array, fn: Array, tn: Array) -> Array:
    return LARGEST * (fn / np.maximum(tp + fn, 1))


def _distances(costs: float) -> Callable[[], dl.Task]:
    apart = np.abs(np.subtract.outer(np.arange(4), np.arange(4))) / 3.0
    return lambda: dl.CostMatrix(apart * costs)


def _zero_one_argmax(scores: Array, targets: Array, weight: float) -> Array:
    if weight == -np.inf:
        return targets / targets.size
    gain = scores + weight * np.where(targets == 1, -1.0, 1.0)
    return ((gain > 0) | ((gain == 0) & (targets == 0))) / targets.size


def _zero_one_loss(y: Array, targets: Array) -> float:
    return float(np.mean((y > 0) != targets))


def _tversky_subject(alpha: float, beta: float) -> Subject:
    formula = _counted(partial(_tversky, alpha=Wide(alpha), beta=Wide(beta)))
    make = partial(dl.Tversky, alpha, beta)
    exact = all(price == 0.0 or price > 1e-100 for price in (alpha, beta))
    return Subject(f"Tversky({alpha:g}, {beta:g})", make, "counts", _binary, formula, exact=exact)


def _f_beta_subject(beta: float) -> Subject:
    formula = _counted(partial(_f_beta, beta=beta))
    make = partial(dl.FBeta, beta)
    exact = 1e-50 < beta < 1e100  # its square
    return Subject(f"FBeta({beta:g})", make, "counts", _binary, formula, exact=exact)


def _bedroc_subject(alpha: float) -> Subject:
    formula = partial(_bedroc, alpha=alpha)
    return Subject(f"BEDROC({alpha:g})", partial(dl.BEDROC, alpha), "positions", _binary, formula)


SUBJECTS: tuple[Subject, ...] = (
    Subject("AveragePrecision", dl.AveragePrecision, "pairs", _binary, _average_precision),
    Subject(
        "AveragePrecision(3)", partial(dl.AveragePrecision, 3), "pairs", _binary,
        partial(_average_precision, k=3),
    ),
    Subject(
        "AveragePrecision(2, relevant)",
        partial(dl.AveragePrecision, 2, normalize="relevant"), "pairs", _binary,
        partial(_average_precision, k=2, relevant=True),
    ),
    Subject("ReciprocalRank", dl.ReciprocalRank, "pairs", _binary, _reciprocal_rank),
    Subject("ROCAUC", dl.ROCAUC, "pairs", _binary, _roc_area),
    Subject(
        "PartialAUC(0.4)", partial(dl.PartialAUC, 0.4), "pairs", _binary,
        partial(_roc_area, max_fpr=0.4),
    ),
    Subject(
        "PartialAUC(1e-300)", partial(dl.PartialAUC, 1e-300), "pairs", _binary,
        partial(_roc_area, max_fpr=1e-300),
    ),
    Subject(
        "RankingTask(bumpy)", _bumpy, "pairs", _binary,
        losses=(-20.0, 20.0), metrics=(-20.0, 20.0),
    ),
    Subject("RankingTask(steep)", _steep, "pairs", _binary),
    Subject("NDCG", dl.NDCG, "positions", _graded(_EXPONENTS), _ndcg),
    Subject("NDCG(2)", partial(dl.NDCG, 2), "positions", _graded(_EXPONENTS), partial(_ndcg, k=2)),
    Subject(
        "NDCG(linear)", partial(dl.NDCG, gain="linear"), "positions", _graded(_AMOUNTS),
        partial(_ndcg, exponential=False),
    ),
    Subject(
        "PrecisionAtK(3)", partial(dl.PrecisionAtK, 3), "positions", _binary,
        partial(_precision, k=3),
    ),
    Subject(
        "RecallAtK(2)", partial(dl.RecallAtK, 2), "positions", _binary,
        partial(_precision, k=2, recall=True),
    ),
    Subject("RPrecision", dl.RPrecision, "positions", _binary, _precision),
    *(_bedroc_subject(alpha) for alpha in (20.0, 1e-12, 1e-300, 1e4, 1e300)),
    Subject("ZeroOne", dl.ZeroOne, "counts", _binary, _counted(_error_rate)),
    Subject("BalancedError", dl.BalancedError, "counts", _binary, _counted(_balanced)),
    Subject(
        "Jaccard", dl.Jaccard, "counts", _binary,
        _counted(partial(_tversky, alpha=Wide(1), beta=Wide(1))),
    ),
    Subject("Dice", dl.Dice, "counts", _binary, _counted(partial(_f_beta, beta=1.0))),
    *(_f_beta_subject(beta) for beta in (2.0, 1e-200, 1e-9, 1e9, 1e150)),
    *(
        _tversky_subject(alpha, beta)
        for alpha, beta in (
            (0.5, 3.0), (0.0, 0.0), (LARGEST, LARGEST), (1e-308, LARGEST), (5e-324, 0.0),
        )
    ),
    Subject("GMean", dl.GMean, "counts", _binary, _counted(_geometric)),
    Subject(
        "MatthewsCorrelation", dl.MatthewsCorrelation, "counts", _binary, _counted(_matthews),
        metrics=(-1.0, 1.0),
    ),
    Subject("CountingTask", partial(dl.CountingTask, _price), "counts", _binary),
    Subject(
        "CountingTask(1e15)", partial(dl.CountingTask, _high_price), "counts", _binary,
        losses=(0.0, LARGEST), metrics=(0.0, LARGEST),
    ),
    Subject("MulticlassZeroOne", dl.MulticlassZeroOne, "classes", _class),
    Subject("TopKError(1)", partial(dl.TopKError, 1), "classes", _class),
    Subject("TopKError(3)", partial(dl.TopKError, 3), "classes", _class),
    *(
        Subject(
            f"CostMatrix({costs:g})", _distances(costs), "classes", _class,
            losses=(0.0, costs), metrics=(0.0, costs), exact=costs >= 1.0,
        )
        for costs in (1.0, 5e-324, LARGEST)
    ),
    Subject(
        "ListTask", partial(dl.ListTask, _zero_one_argmax, _zero_one_loss), "counts", _binary
    ),
    *(
        Subject(
            f"LinearChain({costs:g})", partial(float, costs), "chain", _class, losses=(0.0, costs)
        )
        for costs in (1.0, LARGEST)
    ),
)  # fmt: skip
