"""The percentile bootstrap (Efron, 1979): the middle of what resamples give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

LEVEL = 0.95
"""The share of the resamples that an interval holds."""

_ENDS = (0.025, 0.975)

RESAMPLES = 10_000


def interval(resampled: ArrayLike) -> tuple[float, float]:
    """The interval that leaves out `(1 - LEVEL) / 2` of the resamples' values at each end."""
    low, high = np.quantile(np.asarray(resampled), _ENDS)
    return float(low), float(high)


def interval_of_mean(values: Sequence[float]) -> tuple[float, float]:
    """That of the mean of paired differences, say; always the same draws."""
    drawn = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    return interval(np.asarray(values)[drawn].mean(1))
