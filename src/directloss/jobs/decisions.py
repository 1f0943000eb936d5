"""Thresholds that a user wants, and what decisions by a threshold are worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, confusion_matrix_at_thresholds

from directloss.errors import ArgumentError
from directloss.report.evaluation import Decision, Share
from directloss.training.bootstrap import interval

_Array = NDArray[np.float64]
_Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Wanted:
    """What a user wants of decisions.

    Attributes:
        precision, recall: at least so much, in (0, 1].
        cost: of a false positive and of a false negative, 0 or more and not both 0.

    Raises:
        ArgumentError: a number is none of these.
    """

    precision: float | None = None
    recall: float | None = None
    cost: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("precision", "recall"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise ArgumentError(name, value, "above 0 and at most 1")
        if self.cost is not None:
            finite = all(0 <= each < float("inf") for each in self.cost)
            if not finite or not any(self.cost):
                wanted = "two finite numbers of 0 or more, not both 0"
                raise ArgumentError("cost", " ".join(f"{each:g}" for each in self.cost), wanted)

    def __bool__(self) -> bool:
        return any(each is not None for each in (self.precision, self.recall, self.cost))


def wanted_thresholds(wanted: Wanted, scores: _Array, positive: _Bools) -> dict[str, float]:
    """The threshold of each wish, by its words, chosen on these rows; a decision is score > t.

    Of a wanted precision the threshold with the highest recall, of a wanted recall and of a cost
    the one that calls the fewest rows positive.

    Args:
        wanted: the wishes.
        scores: `(n,)`.
        positive: `(n,)`, with both classes.

    Raises:
        ArgumentError: no threshold has the precision.
    """
    _, fp, fn, tp, distinct = confusion_matrix_at_thresholds(positive, scores)
    fp, tp, fn = np.append(0.0, fp), np.append(0.0, tp), np.append(positive.sum(), fn)
    # Halfway between two scores; nothing is above the first threshold, everything the last.
    ends = np.concatenate(([distinct[0] + 2.0], distinct, [distinct[-1] - 2.0]))
    thresholds = ends[:-1] / 2.0 + ends[1:] / 2.0
    found = {}
    if wanted.precision is not None:
        precision = tp[1:] / (tp[1:] + fp[1:])
        if precision.max() < wanted.precision:
            most = f"{precision.max():.4g} at most, the best of the validation part"
            raise ArgumentError("precision", wanted.precision, most)
        reached = np.append(-1.0, np.where(precision >= wanted.precision, tp[1:], -1.0))
        found[f"precision of {100 * wanted.precision:g} %"] = thresholds[reached.argmax()]
    if wanted.recall is not None:
        first = int(np.argmax(tp >= wanted.recall * tp[-1]))
        found[f"recall of {100 * wanted.recall:g} %"] = thresholds[first]
    if wanted.cost is not None:
        least = int(np.argmin(wanted.cost[0] * fp + wanted.cost[1] * fn))
        found["least cost"] = thresholds[least]
    return {words: float(threshold) for words, threshold in found.items()}


def decision(
    words: str,
    threshold: float,
    scores: _Array,
    positive: _Bools,
    *,
    cost: tuple[float, float] | None,
    resamples: int,
    seed: int,
) -> Decision:
    """Confusion matrix, precision, recall and cost of the decisions score > threshold.

    Args:
        words: how the threshold was chosen.
        threshold: of the decisions.
        scores: `(n,)`.
        positive: `(n,)`.
        cost: of a false positive and of a false negative.
        resamples: of the bootstrap over rows: counts of resampled rows are multinomial.
        seed: of the draws.
    """
    counts = confusion_matrix(positive, scores > threshold, labels=[False, True]).ravel()
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(len(scores), counts / len(scores), resamples).T

    def share(of: Callable[[NDArray[np.int64]], _Array]) -> Share:
        value = of(counts[:, None])[0]
        values = of(drawn)
        defined = values[~np.isnan(values)]
        low, high = interval(defined) if defined.size else (None, None)
        return Share(value=None if np.isnan(value) else float(value), low=low, high=high)

    tn, fp, fn, tp = map(int, counts)
    return Decision(
        words=words,
        threshold=threshold,
        tn=tn,
        fp=fp,
        fn=fn,
        tp=tp,
        precision=share(lambda n: _ratio(n[3], n[3] + n[1])),
        recall=share(lambda n: _ratio(n[3], n[3] + n[2])),
        cost=None if cost is None else share(lambda n: cost[0] * n[1] + cost[1] * n[2]),
    )


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> _Array:
    """NaN where nothing was counted."""
    ratio: _Array = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return ratio
