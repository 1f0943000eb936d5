"""The terms of an update: configurations, each with a weight and a coefficient."""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, inner

__all__ = ["used_first"]


@inner
def used_first(coefficients: Array) -> Array:
    """The terms, int64 (T,): those with a coefficient, then the others, each in order.

    numpy's argsort would do; it is a second of compiling.
    """
    order, filled = np.empty(coefficients.size, np.int64), 0
    for unused in range(2):
        for t in range(coefficients.size):
            if (coefficients[t] == 0.0) == (unused == 1):
                order[filled] = t
                filled += 1
    return order
