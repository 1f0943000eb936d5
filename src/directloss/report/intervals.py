"""The percentile interval of a bootstrap (Efron, 1979)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LEVEL = 0.95


def percentile_interval(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The middle `LEVEL` of resampled values `(n,)`: its lower and its upper end."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
