"""Whether probabilities are shares: the Brier score, and shares by classes of probability."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss

from directloss.report.evaluation import Bin, Reliability, Share
from directloss.training.bootstrap import interval
from directloss.training.calibration import Calibration

BINS = 10

_Array = NDArray[np.float64]
_Bools = NDArray[np.bool_]


def reliability(
    calibration: Calibration,
    scores: _Array,
    positive: _Bools,
    *,
    resamples: int,
    seed: int,
) -> Reliability:
    """The Brier score with its interval, and the reliability curve in classes of equal size.

    Args:
        calibration: of the model.
        scores: `(n,)`.
        positive: `(n,)`.
        resamples: of the bootstrap over rows.
        seed: of the draws.
    """
    probabilities = calibration.apply(scores)
    generator = np.random.default_rng(seed)
    errors, size = (probabilities - positive) ** 2, len(scores)
    means = [errors[generator.integers(0, size, size)].mean() for _ in range(resamples)]
    low, high = interval(means) if means else (None, None)
    value = float(brier_score_loss(positive, probabilities, pos_label=True))
    share = float(positive.mean())
    return Reliability(
        kind=calibration.kind,
        brier=Share(value=value, low=low, high=high),
        brier_of_share=share * (1.0 - share),
        bins=_bins(probabilities, positive, resamples, generator),
    )


def _bins(
    probabilities: _Array, positive: _Bools, resamples: int, generator: np.random.Generator
) -> list[Bin]:
    edges = np.quantile(probabilities, np.linspace(0.0, 1.0, BINS + 1))
    of_row = np.searchsorted(edges[1:-1], probabilities)
    rows, hits, sums = (
        np.bincount(of_row, weights=weights, minlength=BINS)
        for weights in (None, positive, probabilities)
    )
    # Resampled rows fall into the cells (class, target) by a multinomial law.
    cells = np.stack([hits, rows - hits])
    size = len(probabilities)
    drawn = generator.multinomial(size, (cells / size).ravel(), resamples).reshape(-1, 2, BINS)
    found = []
    for each in np.flatnonzero(rows):
        counted = drawn[:, :, each].sum(1)
        shares = drawn[counted > 0, 0, each] / counted[counted > 0]
        low, high = interval(shares) if shares.size else (None, None)
        observed = Share(value=float(hits[each] / rows[each]), low=low, high=high)
        predicted = float(sums[each] / rows[each])
        found.append(Bin(rows=int(rows[each]), predicted=predicted, observed=observed))
    return found
