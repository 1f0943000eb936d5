"""Checks of a whole array in one pass, without temporaries."""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, kernel

__all__ = ["binary_labels", "count_nan"]


@kernel
def count_nan(scores: Array) -> int:
    """The number of NaN in a flat float array."""
    count = 0
    for k in range(scores.size):
        count += scores[k] != scores[k]
    return count


@kernel
def binary_labels(targets: Array, labels: Array) -> int:
    """Copy targets to uint8 0/1; returns the index of the first that is neither, else -1.

    Args:
        targets: flat, bool, integer or float.
        labels: out, uint8, as long as `targets`.
    """
    wrong = 0
    for k in range(targets.size):
        target = targets[k]
        labels[k] = np.uint8(target == 1)
        wrong += (target != 0) & (target != 1)
    if wrong == 0:
        return -1
    for k in range(targets.size):
        if targets[k] != 0 and targets[k] != 1:
            return k
    return -1
