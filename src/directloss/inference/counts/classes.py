"""The two sorted score lists that a counting metric sees, and the way back to single items.

For given counts the largest F takes the highest scores of each class, so a configuration is one
threshold a class: items above it are in, items below are out. Items at the threshold share the
places that are left: the mean of the equally good configurations, whatever the order of storage.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from directloss.inference._kernel import Array, inlined, inner
from directloss.inference.sorting import LABEL, ranked, score_bits


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
def class_scores(descending: Array) -> ClassScores:
    """Complete the sorted scores of one class."""
    size = descending.size
    sums = np.empty(size + 1)
    sums[0] = 0.0
    fewest, most = 0, size
    for i in range(size):
        score = descending[i]
        if score == np.inf:
            fewest += 1
            score = 0.0
        elif score == -np.inf:
            most -= 1
            score = 0.0
        sums[i + 1] = sums[i] + score
    return ClassScores(descending, sums, fewest, most)


@inner
def above_zero(items: ClassScores) -> int:
    """How many scores are above 0."""
    count = 0
    while count < items.scores.size and items.scores[count] > 0.0:
        count += 1
    return count


@inlined
def sort_classes(
    scores: Array,
    labels: Array,
    wide: bool | None,
    keys: Array,
    bits: Array,
    narrow: Array,
    P: int,
) -> tuple[ClassScores, ClassScores]:
    """Sort one list; returns its P positives and its negatives.

    Args:
        scores, labels: as in `ranked`.
        wide: None for float32 scores, True for float64: what is compiled is for one of the two.
        keys: from `sorted_keys`, of this list, where its scores are float32.
        bits, narrow: scratch, one word or more, as uint32 and as float32.
    """
    n = scores.size
    positives, negatives = np.empty(P + 1), np.empty(n - P + 1)
    i, j = 0, 0
    # Labels come in an order that no processor can guess: write to both sides, advance on one.
    if wide is None:
        for key in keys:
            bits[0] = score_bits(key)
            positives[i] = negatives[j] = narrow[0]
            label = int((np.uint32(key) & LABEL) != 0)
            i += label
            j += 1 - label
    else:
        sorted_scores, order = np.empty(n), np.empty(n, np.uint32)
        ranked(scores, labels, sorted_scores, order)
        for rank in range(n):
            positives[i] = negatives[j] = sorted_scores[rank]
            label = int((order[rank] & LABEL) != 0)
            i += label
            j += 1 - label
    return class_scores(positives[:P]), class_scores(negatives[: n - P])


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
def count_positives(labels: Array) -> int:
    count = 0
    for label in labels:
        if label:
            count += 1
    return count


@inner
def count_above(scores: Array, labels: Array, positive: float, negative: float) -> tuple[int, int]:
    """tp and fp where positives above `positive` and negatives above `negative` are predicted."""
    tp, fp = 0, 0
    for score, label in zip(scores, labels):  # noqa: B905  (numba knows no `strict`)
        above = int(score > (positive if label else negative))
        tp += above * label
        fp += above
    return tp, fp - tp


@inlined
def combine(
    scores: Array,
    labels: Array,
    thresholds: Array,
    shares: Array,
    coefficients: Array,
    combination: Array,
    values: Array,
) -> None:
    """Write what the configurations of one list amount to.

    Args:
        scores, labels: shape (n,).
        thresholds, shares: float64, shape (T, 2); column 0 for negatives, column 1 for positives.
        coefficients: float64, shape (T,).
        combination: out, shape (n,): sum_t coefficients[t] * dF/dscores at configuration t.
        values: out, shape (T,): F of each configuration, infinite scores as 0.
    """
    n = scores.size
    # Loops, as an operation on a whole array takes many times as long to compile.
    for t in range(coefficients.size):
        values[t] = 0.0
    for i in range(n):
        score = np.float64(scores[i])
        finite = score if abs(score) < np.inf else 0.0
        side = int(labels[i])
        total = 0.0
        for t in range(coefficients.size):
            border = thresholds[t, side]
            member = shares[t, side] if score == border else np.float64(score > border)
            total += coefficients[t] * member
            values[t] += member * finite
        combination[i] = total / n
    for t in range(coefficients.size):
        values[t] /= n
