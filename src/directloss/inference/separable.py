"""Loss-augmented inference for rankings where the objective splits over the negatives.

Write w(i, j) = 2 (phi_i - phi_j) / (P N) - weight * K(i, j) for the gain of placing positive i
above negative j, where K(i, j) = G(i, j-1) - G(i, j) is what negative j costs positive i in the
metric. With c_j positives above negative j the objective is, up to a constant, the sum over j of
w(1, j) + ... + w(c_j, j). Where weight * K(i, j) never grows with j, w(i, j) never falls with j, so
the smallest best c_j of each negative, chosen alone, never falls with j: the choices form a
ranking without being forced to. Divide and conquer uses the same fact: the best count of the
middle negative bounds those on both sides.

Cost: at most P + N steps a level, log2 N levels, no table.
"""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, inlined, kernel

__all__ = ["all_convex", "convex_up_to", "separable"]

_FEW = 64
"""Pairs of a negative and a positive up to which all are looked at."""


@kernel
def convex_up_to(discounts: Array, first: int, last: int, sign: float) -> int:
    """The last q <= last such that sign * D is convex on first .. q.

    Convex: sign * (D(q) - D(q + 1)) never grows with q. A growth within the rounding of the table
    does not count: a linear D, as of ROC AUC, is convex, and in float64 it is so only up to that.
    Each drop is held against the least one so far, so that no bend hides in steps too small to see.

    Args:
        discounts: D, float64.
        first, last: entries of the table.
        sign: 1 or -1, that of the weight.
    """
    largest = abs(discounts[first])
    least = np.inf
    for q in range(first, last):
        largest = max(largest, abs(discounts[q + 1]))
        drop = sign * (discounts[q] - discounts[q + 1])
        if drop > least + 4e-16 * largest:
            return q
        least = min(least, drop)
    return last


@kernel
def all_convex(discounts: Array, offsets: Array, first: int, lasts: Array, sign: float) -> bool:
    """Whether sign * D is convex on entries first .. lasts[l] of each list l's own table.

    Args:
        discounts, offsets: D of list l begins at discounts[offsets[l]].
        first: entry of the shortest place, 0 or 1.
        lasts: int64 (L,).
        sign: as in `convex_up_to`.
    """
    for number in range(offsets.size):
        start = offsets[number] + first
        last = offsets[number] + lasts[number]
        if start < last and convex_up_to(discounts, start, last, sign) < last:
            return False
    return True


@kernel
def separable(
    positives: Array,
    negatives: Array,
    fences: Array,
    rank_weights: Array,
    discounts: Array,
    by_position: int,
    weight: float,
    positives_above: Array,
) -> None:
    """Smallest optimal number of positives above each negative.

    Args:
        positives, negatives: float64 (P,) and (N,), descending, finite (infinite ones replaced by
            0 and fenced in by `fences`).
        fences: int64 (b, 4), rows (first negative, last, fewest positives, most): negatives
            first .. last - 1 may have fewest .. most positives above them.
        rank_weights: r_i, float64 (P,), non-negative.
        discounts: D, float64, with K(i, j) = r_i (D(q) - D(q + 1)) at
            q = by_position * i + j - 1 (i and j from 1); by_position is 1 for a discount by
            position, 0 for one by the negatives above.
        weight: of Delta in the objective; weight * D must be convex (`convex_up_to`).
        positives_above: out, int32 (N,).
    """
    scale = 2.0 / (positives.size * negatives.size)
    stride = np.uint64(by_position)
    stack = np.empty((64 + fences.shape[0], 4), np.int64)
    depth = fences.shape[0]
    for fence in range(depth):
        for column in range(4):
            stack[fence, column] = fences[fence, column]
    while depth > 0:
        depth -= 1
        first, last = stack[depth, 0], stack[depth, 1]
        fewest, most = stack[depth, 2], stack[depth, 3]
        while first < last:
            if fewest == most:
                for j in range(np.uint64(first), np.uint64(last)):
                    positives_above[j] = fewest
                break
            if (last - first) * (most - fewest) <= _FEW:
                for j in range(np.uint64(first), np.uint64(last)):
                    positives_above[j] = _best_count(
                        positives,
                        negatives[j],
                        rank_weights,
                        discounts,
                        np.uint64(j),
                        stride,
                        scale,
                        weight,
                        np.uint64(fewest),
                        np.uint64(most),
                    )
                break
            middle = np.uint64((first + last) // 2)
            best = _best_count(
                positives,
                negatives[middle],
                rank_weights,
                discounts,
                middle,
                stride,
                scale,
                weight,
                np.uint64(fewest),
                np.uint64(most),
            )
            positives_above[middle] = best
            stack[depth, 0] = middle + np.uint64(1)
            stack[depth, 1] = last
            stack[depth, 2] = best
            stack[depth, 3] = most
            depth += 1
            last, most = np.int64(middle), np.int64(best)


@inlined
def _best_count(
    positives: Array,
    score: float,
    rank_weights: Array,
    discounts: Array,
    j: np.uint64,
    stride: np.uint64,
    scale: float,
    weight: float,
    fewest: np.uint64,
    most: np.uint64,
) -> np.uint64:
    """The smallest best number of positives above negative j, of fewest .. most."""
    one = np.uint64(1)  # unsigned numbers as indices spare a test for negative ones
    best, best_total, total = fewest, 0.0, 0.0
    at = stride * (fewest + one) + j
    for i in range(fewest, most):
        drop = discounts[at] - discounts[at + one]
        total += scale * (positives[i] - score) - weight * rank_weights[i] * drop
        at += stride
        better = total > best_total
        best_total = total if better else best_total
        best = i + one if better else best
    return best
