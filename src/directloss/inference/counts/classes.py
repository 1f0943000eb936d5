"""The two sorted score lists that a counting metric sees, and the way back to single items.

For given counts the largest F takes the highest scores of each class, so a configuration is one
threshold a class: items above it are in, items below are out. Items at the threshold share the
places that are left: the mean of the equally good configurations, whatever the order of storage.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from directloss.inference._kernel import ZERO, Array, inlined, inner


class ClassScores(NamedTuple):
    """The scores of one class in one list.

    A score of +inf (-inf) is a finite one beyond every other: with a finite weight of Delta its
    item is always (never) predicted, which bounds the count from below (above).
    """

    scores: Array
    """float64, descending, shape (size,)."""
    sums: Array
    """float64, shape (size + 1,): sums[c] adds the c highest scores, infinite ones as 0."""
    fewest: int
    """Number of scores +inf."""
    most: int
    """Size less the number of scores -inf."""


@inner
def running_sums(
    descending: Array, begin: int, end: int, sums: Array, start: int
) -> tuple[int, int]:
    """Sum a class at begin .. end - 1, to `sums` from `start` on; returns `fewest` and `most`."""
    fewest, most, total = 0, end - begin, 0.0
    sums[start] = 0.0
    for i in range(begin, end):
        score = descending[i]
        if score == np.inf:
            fewest += 1
            score = 0.0
        elif score == -np.inf:
            most -= 1
            score = 0.0
        total += score
        sums[start + 1 + i - begin] = total
    return fewest, most


@inlined
def of_list(
    row: int, begin: int, end: int, scores: Array, sums: Array, sizes: Array
) -> tuple[ClassScores, ClassScores]:
    """The positives and the negatives of list `row` of a range, with items begin .. end - 1.

    Args:
        scores, sums, sizes: `Workspace.classes`.
    """
    middle, start = begin + sizes[row, 0], begin + 2 * row
    first = start + sizes[row, 0] + 1
    return (
        ClassScores(scores[begin:middle], sums[start:first], sizes[row, 1], sizes[row, 2]),
        ClassScores(
            scores[middle:end], sums[first : end + 2 * row + 2], sizes[row, 3], sizes[row, 4]
        ),
    )


@inner
def above_zero(items: ClassScores) -> int:
    """How many scores are above 0."""
    count = 0
    while count < items.scores.size and items.scores[count] > 0.0:
        count += 1
    return count


@inner
def threshold(items: ClassScores, count: int) -> tuple[float, float]:
    """The score of the last of the `count` highest items, and the share of its equals."""
    if count == 0:
        return np.inf, 0.0
    score = items.scores[count - 1]
    first, last = count - 1, count
    while first > 0 and items.scores[first - 1] == score:
        first -= 1
    while last < items.scores.size and items.scores[last] == score:
        last += 1
    return score, (count - first) / (last - first)


@inner
def count_positives(labels: Array, begin: int, end: int) -> int:
    count = 0
    for label in labels[begin:end]:
        count += label
    return count


@inner
def count_above(
    scores: Array, labels: Array, begin: int, end: int, positive: float, negative: float
) -> tuple[int, int]:
    """tp and fp where positives above `positive` and negatives above `negative` are predicted."""
    tp, fp = ZERO, ZERO
    # Indices that cannot be negative: then several items are looked at at once.
    list_scores, list_labels = scores[begin:end], labels[begin:end]
    for i in range(list_scores.size):
        above = int(list_scores[i] > (positive if list_labels[i] else negative))
        tp += above * list_labels[i]
        fp += above
    return tp, fp - tp
