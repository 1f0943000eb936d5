"""The percentile bootstrap (Efron, 1979) of a mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from directloss.training.bootstrap import interval

RESAMPLES = 10_000


def interval_of_mean(values: Sequence[float]) -> tuple[float, float]:
    """That of the mean of paired differences, say; always the same draws."""
    drawn = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    return interval(np.asarray(values)[drawn].mean(1))
