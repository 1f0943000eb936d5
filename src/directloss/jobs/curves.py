"""Precision-recall and ROC curves of one list, each with the band of its bootstrap resamples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from directloss.report.evaluation import Band, Curve
from directloss.training.bootstrap import interval

MOST_POINTS = 800
"""Of a curve: more cannot be told apart on a screen."""

_BAND_POINTS = 101

_Array = NDArray[np.float64]
_Bools = NDArray[np.bool_]
_Places = NDArray[np.intp]


@dataclass(frozen=True)
class Ranked:
    """Rows from the highest score down, sorted once for all curves.

    Attributes:
        order: rows, (n,).
        positive: of the row at each place, (n,).
        ends: the last place of each distinct score.
    """

    order: _Places
    positive: _Bools
    ends: _Places

    @classmethod
    def of(cls, scores: _Array, positive: _Bools) -> Self:
        """Ranks the scores `(n,)` of one list."""
        order = np.argsort(-scores, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
        return cls(order, positive[order], ends)

    def counts(self, weights: _Array | None = None) -> tuple[_Array, _Array]:
        """True and false positives when all down to each distinct score are called positive.

        Args:
            weights: of the row at each place; None: 1.
        """
        tp = np.cumsum(self.positive if weights is None else weights * self.positive)
        every = self.ends + 1.0 if weights is None else np.cumsum(weights)[self.ends]
        found = tp[self.ends].astype(np.float64)
        return found, every - found


def precision_recall(ranked: Ranked) -> Curve:
    """Recall and precision at every distinct score, ties together; thinned for the screen.

    The first point is moved to recall 0 as well: steps that go up or down first and to the right
    then, from there, have the average precision as their area. There is a positive.
    """
    tp, fp = ranked.counts()
    recall, precision = tp / tp[-1], tp / (tp + fp)
    return _thinned(np.append(0.0, recall), np.append(precision[0], precision))


def roc(ranked: Ranked) -> Curve:
    """False and true positive rate from (0, 0) to (1, 1), ties together; thinned for the screen.

    There is a positive and a negative.
    """
    tp, fp = ranked.counts()
    return _thinned(np.append(0.0, fp / fp[-1]), np.append(0.0, tp / tp[-1]))


def bands(ranked: Ranked, *, resamples: int, seed: int) -> tuple[Band | None, Band | None]:
    """Bands of the precision-recall and of the ROC curve: at each x the interval of the curve's y.

    Rows are drawn with replacement, as many as there are. Resamples of one class have no curves and
    are left out; None without any other.

    Args:
        ranked: the rows.
        resamples: how many to draw.
        seed: of the draws.
    """
    generator = np.random.default_rng(seed)
    size = len(ranked.order)
    grid = np.linspace(0.0, 1.0, _BAND_POINTS)
    found: list[tuple[_Array, _Array]] = []
    for _ in range(resamples):
        drawn = np.bincount(generator.integers(0, size, size), minlength=size)
        tp, fp = ranked.counts(drawn[ranked.order].astype(np.float64))
        if not (tp[-1] and fp[-1]):
            continue
        some = tp + fp > 0  # above the highest score that was drawn there is nothing
        tp, fp = tp[some], fp[some]
        # The strictest threshold of each recall; counts are whole, and 0.7 * 20 may be above 14.
        at = np.searchsorted(tp, grid * tp[-1] - 1e-6)
        rates = np.append(0.0, fp / fp[-1]), np.append(0.0, tp / tp[-1])
        found.append(((tp / (tp + fp))[at], np.interp(grid, *rates)))
    if not found:
        return None, None
    precisions, rates_of_true = (np.stack(each) for each in zip(*found, strict=True))
    return _band(grid, precisions), _band(grid, rates_of_true)


def _band(grid: _Array, drawn: _Array) -> Band:
    ends = [interval(column) for column in drawn.T]
    return Band(x=grid.tolist(), low=[low for low, _ in ends], high=[high for _, high in ends])


def _thinned(x: _Array, y: _Array) -> Curve:
    if len(x) > MOST_POINTS:
        # Even steps along the curve, which keep its beginning, where precision jumps.
        length = np.append(0.0, np.cumsum(np.hypot(np.diff(x), np.diff(y))))
        wanted = np.linspace(0.0, length[-1], MOST_POINTS)
        keep = np.unique(np.append(np.searchsorted(length, wanted[:-1]), len(x) - 1))
        x, y = x[keep], y[keep]
    return Curve(x=x.tolist(), y=y.tolist())
