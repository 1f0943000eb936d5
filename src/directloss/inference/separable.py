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

from directloss.inference._kernel import Array, kernel

__all__ = ["is_separable", "separable"]


@kernel
def is_separable(discounts: Array, first: int, last: int, weight: float) -> bool:
    """Whether weight * D is convex: weight * (D(q) - D(q+1)) never grows with q.

    A growth within the rounding of the table does not count: a linear D, as of ROC AUC, is convex,
    and in float64 it is so only up to that. Each drop is held against the least one so far, so that
    no bend hides in steps too small to see.

    Args:
        discounts: D, float64; entries first .. last occur in the list.
        weight: of either sign.
    """
    sign = 1.0 if weight > 0 else -1.0
    largest = 0.0
    for q in range(first, last + 1):
        largest = max(largest, abs(discounts[q]))
    rounding = 4e-16 * largest
    least = np.inf
    for q in range(first, last):
        drop = sign * (discounts[q] - discounts[q + 1])
        if drop > least + rounding:
            return False
        least = min(least, drop)
    return True


@kernel
def separable(
    positives: Array,
    negatives: Array,
    blocks: Array,
    rank_weights: Array,
    discounts: Array,
    step: int,
    weight: float,
    above: Array,
) -> None:
    """Smallest optimal number of positives above each negative.

    Args:
        positives, negatives: float64 (P,) and (N,), descending, finite (infinite ones replaced by
            0 and fenced in by `blocks`).
        blocks: int64 (b, 4), rows (first negative, last, fewest positives, most): negatives
            first .. last - 1 may have fewest .. most positives above them.
        rank_weights: r_i, float64 (P,), non-negative.
        discounts: D, float64, with K(i, j) = r_i (D(q) - D(q + 1)) at q = step * i + j - 1 (i and j
            from 1): step 1 for a discount by position, 0 for one by the negatives above.
        weight: of Delta in the objective; weight * D must be convex (`is_separable`).
        above: out, int32 (N,).
    """
    scale = 2.0 / (positives.size * negatives.size)
    stack = np.empty((64 + blocks.shape[0], 4), np.int64)
    depth = blocks.shape[0]
    stack[:depth] = blocks
    while depth > 0:
        depth -= 1
        first, last, fewest, most = stack[depth]
        while first < last:
            if fewest == most:
                above[first:last] = fewest
                break
            middle = (first + last) // 2
            score = negatives[middle]
            total, best_total, best = 0.0, 0.0, fewest
            at = step * (fewest + 1) + middle
            for i in range(fewest, most):
                drop = discounts[at] - discounts[at + 1]
                total += scale * (positives[i] - score) - weight * rank_weights[i] * drop
                at += step
                if total > best_total:
                    best_total = total
                    best = i + 1
            above[middle] = best
            stack[depth, 0] = middle + 1
            stack[depth, 1] = last
            stack[depth, 2] = best
            stack[depth, 3] = most
            depth += 1
            last, most = middle, best
