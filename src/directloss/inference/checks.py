"""Checks of a whole array in one pass, without temporaries."""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, kernel

__all__ = ["binary_labels", "count_nan", "count_positives", "silence_infinite"]


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
    right = True
    for k in range(targets.size):
        target = targets[k]
        one = target == 1
        labels[k] = np.uint8(one)
        right &= one | (target == 0)
    if right:
        return -1
    for k in range(targets.size):
        if targets[k] != 0 and targets[k] != 1:
            return k
    return -1


@kernel
def count_positives(labels: Array, offsets: Array, counts: Array) -> None:
    """Number of labels 1 in each list.

    Args:
        labels: flat, uint8 0/1.
        offsets: int64 (L + 1,).
        counts: out, int64 (L,).
    """
    for number in range(counts.size):
        count = 0
        for label in labels[offsets[number] : offsets[number + 1]]:
            count += label
        counts[number] = count


@kernel
def silence_infinite(scores: Array, combination: Array) -> None:
    """Set `combination` to 0 where a score is infinite: no step can move it.

    Args:
        scores: flat, float.
        combination: in and out, as `scores`.
    """
    count = 0
    for k in range(scores.size):
        count += abs(scores[k]) == np.inf
    if count:
        for k in range(scores.size):
            if abs(scores[k]) == np.inf:
                combination[k] = 0.0
