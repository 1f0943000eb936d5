"""Checks of a whole array in one pass, without temporaries."""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, inlined, kernel

__all__ = [
    "any_extreme",
    "binary_labels",
    "count_classes",
    "count_odd",
    "count_odd_of_both",
    "silence_infinite",
]


@inlined
def _odd(scores: Array) -> tuple[int, int]:
    missing = infinite = 0
    for k in range(scores.size):
        missing += scores[k] != scores[k]
        infinite += abs(scores[k]) == np.inf
    return missing, infinite


@kernel
def count_odd(scores: Array) -> tuple[int, int]:
    """The numbers of NaN and of infinities in a flat float array."""
    return _odd(scores)


@kernel
def count_odd_of_both(scores: Array, targets: Array) -> tuple[int, int, int]:
    """`count_odd` of the scores, and the number of NaN in the targets, both flat float arrays."""
    missing = 0
    for k in range(targets.size):
        missing += targets[k] != targets[k]
    wrong, infinite = _odd(scores)
    return wrong, infinite, missing


@kernel
def any_extreme(values: Array, least: float, largest: float) -> bool:
    """Whether the size of a value is below `least`, but not 0, or above `largest`, but finite."""
    count = 0
    for k in range(values.size):
        size = abs(values[k])
        count += ((size > largest) & (size < np.inf)) | ((size < least) & (size > 0.0))
    return count > 0


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
def count_classes(
    labels: Array, offsets: Array, positives: Array, negatives: Array
) -> tuple[int, int, int]:
    """Numbers of labels 1 and 0 in each list.

    Args:
        labels: flat, uint8 0/1.
        offsets: int64 (L + 1,).
        positives, negatives: out, int64 (L,).

    Returns:
        The most positives, negatives and items of a list.
    """
    most_positives = most_negatives = most_items = 0
    for number in range(positives.size):
        count = 0
        for label in labels[offsets[number] : offsets[number + 1]]:
            count += label
        items = offsets[number + 1] - offsets[number]
        positives[number], negatives[number] = count, items - count
        most_positives = max(most_positives, count)
        most_negatives = max(most_negatives, items - count)
        most_items = max(most_items, items)
    return most_positives, most_negatives, most_items


@kernel
def silence_infinite(scores: Array, combination: Array) -> None:
    """Set `combination` to 0 where a score is infinite: no step can move it.

    Args:
        scores: flat, float.
        combination: in and out, as `scores`.
    """
    for k in range(scores.size):
        if abs(scores[k]) == np.inf:
            combination[k] = 0.0
