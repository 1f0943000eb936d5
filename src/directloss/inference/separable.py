"""Loss-augmented inference for rankings where the objective splits over the negatives.

Write w(i, j) = 2 (phi_i - phi_j) / (P N) - weight * K(i, j) for the gain of placing positive i
above negative j, where K(i, j) = G(i, j-1) - G(i, j) is what negative j costs positive i in the
metric. With c_j positives above negative j the objective is, up to a constant, the sum over j of
w(1, j) + ... + w(c_j, j). Where weight * K(i, j) never grows with j, w(i, j) never falls with j, so
the smallest best c_j of each negative, chosen alone, never falls with j: the choices form a
ranking without being forced to.

So one walk along the two classes solves nearly all of it. Let J_i be the first negative with
w(i, j) > 0. Where J_i never falls with i, positive i is above just the negatives from J_i on. Where
it does fall, the negatives between J_i and the largest J before are a run to be solved: by divide
and conquer, in which the best count of the middle negative bounds those on both sides.

Cost: P + N steps, and in each run as many steps a level as it has items, log2 of its negatives
levels; no table.
"""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, inlined, inner, kernel
from directloss.inference.ranked import Ranked, one_ranking

__all__ = ["all_convex", "convex_up_to", "separable", "solve", "turn"]

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


@inlined
def separable(
    positives: Array,
    negatives: Array,
    fences: Array,
    rank_weights: Array,
    discounts: Array,
    by_position: int,
    weight: float,
    negatives_above: Array,
    positives_above: Array,
) -> None:
    """The optimal ranking that has the smallest numbers of positives above each negative.

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
        negatives_above, positives_above: out, int32 (P,) and (N,): the ranking, said by each class.
    """
    scale = 2.0 / (positives.size * negatives.size)
    stride = np.uint64(by_position)
    one = np.uint64(1)  # unsigned numbers as indices spare a test for negative ones
    solved_runs = 0
    for fence in range(fences.shape[0]):
        first, last = np.uint64(fences[fence, 0]), np.uint64(fences[fence, 1])
        fewest, most = np.uint64(fences[fence, 2]), np.uint64(fences[fence, 3])
        runs, count = np.empty((16, 3), np.uint64), 0  # first, last (exclusive), most of the counts
        j = first
        for i in range(fewest, most):
            score, reward = positives[i], weight * rank_weights[i]
            begin, at = j, stride * (i + one) + j
            while j < last and (
                scale * (score - negatives[j]) <= reward * (discounts[at] - discounts[at + one])
            ):
                positives_above[j] = i
                j += one
                at += one
            negatives_above[i] = j
            if (
                j > begin
                or j == first
                or scale * (score - negatives[j - one])
                <= reward * (discounts[at - one] - discounts[at])
            ):
                continue
            start = _first_gain(
                score, negatives, reward, discounts, stride * (i + one), scale, first, j - one
            )
            while count > 0 and runs[count - 1, 1] > start:
                count -= 1
                start = min(start, runs[count, 0])
            if count == runs.shape[0]:
                longer = np.empty((2 * count, 3), np.uint64)  # np.concatenate compiles to far more
                for run in range(count):
                    for k in range(3):
                        longer[run, k] = runs[run, k]
                runs = longer
            runs[count, 0], runs[count, 1], runs[count, 2] = start, j, i + one
            count += 1
        positives_above[j:last] = most
        for run in range(count):
            _divide_and_conquer(
                positives,
                negatives,
                rank_weights,
                discounts,
                stride,
                scale,
                weight,
                runs[run],
                positives_above,
            )
        solved_runs += count
    if solved_runs > 0:
        turn(positives_above, negatives_above)


@inner
def turn(counts: Array, turned: Array) -> None:
    """A ranking said by one class, said by the other.

    Args:
        counts: int32, for each item of one class, how many of the other class are above it;
            ascending.
        turned: out, int32, the same for the items of the other class.
    """
    # Those at most i are as many as come before the last of them: write it there, carry it on.
    # A loop that advances in one class or the other would be a branch that cannot be guessed.
    for i in range(turned.size):
        turned[i] = 0
    k = 0
    while k < counts.size and counts[k] < turned.size:
        turned[counts[k]] = k + 1
        k += 1
    most = np.int32(0)
    for i in range(turned.size):
        most = max(most, turned[i])
        turned[i] = most


@inner
def _first_gain(
    score: float,
    negatives: Array,
    reward: float,
    discounts: Array,
    row: np.uint64,
    scale: float,
    first: np.uint64,
    found: np.uint64,
) -> np.uint64:
    """First negative of first .. found that a positive gains by standing above; `found` is one."""
    one = np.uint64(1)
    step = one
    low, high = first, found  # none before `low` is a gain; `high` is one
    while low < high:
        # Back in growing strides, as most are near, then by halves.
        middle = high - step if step < high - low else low + (high - low) // np.uint64(2)
        at = row + middle
        if scale * (score - negatives[middle]) > reward * (discounts[at] - discounts[at + one]):
            high = middle
            step += step
        else:
            low = middle + one
            step = found - first + one
    return high


@inner
def _divide_and_conquer(
    positives: Array,
    negatives: Array,
    rank_weights: Array,
    discounts: Array,
    stride: np.uint64,
    scale: float,
    weight: float,
    run: Array,
    positives_above: Array,
) -> None:
    """Smallest best counts of a run of negatives.

    Args:
        run: uint64 (3,): first and last (exclusive) negative, and the most that a count may be.
        positives_above: in and out: a lower bound of each count, then the count. Others as in
            `separable` and `_best_count`.
    """
    stack = np.empty((64, 4), np.int64)
    stack[0, 0], stack[0, 1] = run[0], run[1]
    stack[0, 2], stack[0, 3] = positives_above[run[0]], run[2]
    depth = 1
    while depth > 0:
        depth -= 1
        begin, end = stack[depth, 0], stack[depth, 1]
        fewest, largest = stack[depth, 2], stack[depth, 3]
        while begin < end:
            if fewest == largest:
                for j in range(np.uint64(begin), np.uint64(end)):
                    positives_above[j] = fewest
                break
            # One place that asks for a best count, so that it is compiled once: for each negative
            # where there are few pairs, for the one in the middle otherwise.
            few = (end - begin) * (largest - fewest) <= _FEW
            middle = (begin + end) // 2
            some = (begin, end) if few else (middle, middle + 1)
            best = np.uint64(0)
            for j in range(np.uint64(some[0]), np.uint64(some[1])):
                best = _best_count(
                    positives,
                    negatives[j],
                    rank_weights,
                    discounts,
                    np.uint64(j),
                    stride,
                    scale,
                    weight,
                    np.uint64(min(max(fewest, positives_above[j]), largest)),
                    np.uint64(largest),
                )
                positives_above[j] = best
            if few:
                break
            stack[depth, 0] = middle + 1
            stack[depth, 1] = end
            stack[depth, 2] = best
            stack[depth, 3] = largest
            depth += 1
            end, largest = middle, np.int64(best)


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
    one = np.uint64(1)
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


def solve(ranked: Ranked, weight: float, above: Array) -> None:
    """See `directloss.inference.ranked.Solver`."""
    _solve(*ranked, weight, above)


@kernel
def _solve(
    first: int,
    last: int,
    offsets: Array,
    positives: Array,
    discounts: Array,
    discount_offsets: Array,
    by_position: int,
    fences: Array,
    scores: Array,
    weights: Array,
    weight: float,
    above: Array,
) -> None:
    for number in range(first, last):
        one = one_ranking(
            number,
            first,
            offsets,
            positives,
            discounts,
            discount_offsets,
            by_position,
            fences,
            scores,
            weights,
            above,
        )
        if one.positives.size > 0 and one.negatives.size > 0:
            separable(
                one.positives,
                one.negatives,
                one.fences,
                one.rank_weights,
                one.discounts,
                by_position,
                weight,
                one.negatives_above,
                one.positives_above,
            )
