"""Precision-recall and ROC curves of one list, each with the band of its bootstrap resamples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from directloss.report.evaluation import Band, Curve
from directloss.training.bootstrap import interval

MOST_POINTS = 800
"""Of a curve: more cannot be told apart on a screen."""

_BAND_POINTS = 101

_Array = npt.NDArray[np.float64]
_Bools = npt.NDArray[np.bool_]


def precision_recall(scores: _Array, positive: _Bools) -> Curve:
    """Recall and precision at every distinct score, ties together; thinned for the screen.

    The first point is moved to recall 0 as well: steps that go up or down first and to the right
    then, from there, have the average precision as their area.

    Args:
        scores: `(n,)`.
        positive: `(n,)`, with at least one of them.
    """
    order, ends = _order(scores)
    tp, fp = _counts(positive[order], np.ones(len(order)), ends)
    recall, precision = tp / tp[-1], tp / (tp + fp)
    return _thinned(np.append(0.0, recall), np.append(precision[0], precision))


def roc(scores: _Array, positive: _Bools) -> Curve:
    """False and true positive rate from (0, 0) to (1, 1), ties together; thinned for the screen.

    Args:
        scores: `(n,)`.
        positive: `(n,)`, with at least one positive and one negative.
    """
    order, ends = _order(scores)
    tp, fp = _counts(positive[order], np.ones(len(order)), ends)
    return _thinned(np.append(0.0, fp / fp[-1]), np.append(0.0, tp / tp[-1]))


def bands(
    scores: _Array, positive: _Bools, *, resamples: int, seed: int
) -> tuple[Band | None, Band | None]:
    """Bands of the precision-recall and of the ROC curve: at each x the interval of the curve's y.

    Rows are drawn with replacement, as many as there are. Resamples of one class have no curves and
    are left out; None without any other.

    Args:
        scores: `(n,)`.
        positive: `(n,)`.
        resamples: how many to draw.
        seed: of the draws.
    """
    generator = np.random.default_rng(seed)
    order, ends = _order(scores)
    is_positive, size = positive[order], len(order)
    grid = np.linspace(0.0, 1.0, _BAND_POINTS)
    found: list[tuple[_Array, _Array]] = []
    for _ in range(resamples):
        drawn = np.bincount(generator.integers(0, size, size), minlength=size)
        tp, fp = _counts(is_positive, drawn[order].astype(np.float64), ends)
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


def _order(scores: _Array) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows from the highest score down, and the last of each distinct score among them."""
    order = np.argsort(-scores, kind="stable")
    return order, np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)


def _counts(positive: _Bools, weights: _Array, ends: npt.NDArray[np.intp]) -> tuple[_Array, _Array]:
    """True and false positives when all down to each distinct score are called positive."""
    tp = np.cumsum(weights * positive)[ends]
    return tp, np.cumsum(weights)[ends] - tp


def _thinned(x: _Array, y: _Array) -> Curve:
    if len(x) > MOST_POINTS:
        # Even steps along the curve, which keep its beginning, where precision jumps.
        length = np.append(0.0, np.cumsum(np.hypot(np.diff(x), np.diff(y))))
        wanted = np.linspace(0.0, length[-1], MOST_POINTS)
        keep = np.unique(np.append(np.searchsorted(length, wanted[:-1]), len(x) - 1))
        x, y = x[keep], y[keep]
    return Curve(x=x.tolist(), y=y.tolist())
