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
from directloss.inference.ranked import Ranked, Ranking, one_ranking

__all__ = ["all_convex", "convex_up_to", "solve", "turn"]

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


def solve(ranked: Ranked, weight: float, above: Array) -> None:
    """See `directloss.inference.ranked.Solver`; weight * D is convex (`convex_up_to`).

    Of all optimal rankings the one with the fewest positives above each negative.
    """
    # A run has a negative and a positive of its own.
    runs = np.empty((above.size // 2, 4), np.uint64)
    found = _walk(*ranked, weight, above, runs)
    if found > 0:  # in few lists; apart, so that most processes never compile it
        _solve_runs(*ranked, weight, above, runs[:found])


@kernel
def _walk(
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
    runs: Array,
) -> int:
    """Solve the lists, but for the runs. Arguments as in `Ranked` and `Solver`.

    Args:
        discounts: K(i, j) = r_i (D(q) - D(q + 1)) at q = by_position * i + j - 1 (i, j from 1).
        above: out; of the negatives in a run lower bounds.
        runs: out, uint64 (R, 4): the list, first and last (exclusive) of its negatives in the run,
            and the most positives above one of them.

    Returns:
        The number of runs.
    """
    stride = np.uint64(by_position)
    one = np.uint64(1)  # unsigned numbers as indices spare a test for negative ones
    count = 0
    for number in range(first, last):
        of = one_ranking(
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
        if of.positives.size == 0 or of.negatives.size == 0:
            continue
        scale, of_others = 2.0 / (of.positives.size * of.negatives.size), count
        for fence in range(of.fences.shape[0]):
            begin, end = np.uint64(of.fences[fence, 0]), np.uint64(of.fences[fence, 1])
            fewest, most = np.uint64(of.fences[fence, 2]), np.uint64(of.fences[fence, 3])
            j = begin
            for i in range(fewest, most):
                score, reward = of.positives[i], weight * of.rank_weights[i]
                row, before = stride * (i + one), j
                at = row + j
                while j < end and (
                    scale * (score - of.negatives[j])
                    <= reward * (of.discounts[at] - of.discounts[at + one])
                ):
                    of.positives_above[j] = i
                    j += one
                    at += one
                of.negatives_above[i] = j
                if (
                    j > before
                    or j == begin
                    or scale * (score - of.negatives[j - one])
                    <= reward * (of.discounts[at - one] - of.discounts[at])
                ):
                    continue
                start = _first_gain(
                    score, of.negatives, reward, of.discounts, row, scale, begin, j - one
                )
                while count > of_others and runs[count - 1, 2] > start:
                    count -= 1
                    start = runs[count, 1] if runs[count, 1] < start else start
                runs[count, 0] = number
                runs[count, 1], runs[count, 2], runs[count, 3] = start, j, i + one
                count += 1
            of.positives_above[j:end] = most
    return count


@kernel
def _solve_runs(
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
    runs: Array,
) -> None:
    """Solve the runs that `_walk` has left; arguments as there."""
    stack = np.empty((64, 4), np.int64)
    for run in range(runs.shape[0]):
        number = np.int64(runs[run, 0])
        of = one_ranking(
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
        _divide_and_conquer(of, weight, runs[run], stack)
        if run + 1 == runs.shape[0] or runs[run + 1, 0] != runs[run, 0]:  # the list's last
            turn(of.positives_above, of.negatives_above)


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


@inlined
def _divide_and_conquer(of: Ranking, weight: float, run: Array, stack: Array) -> None:
    """Smallest best counts of a run of negatives.

    Args:
        of: the list. Of its positives_above, in: a lower bound of each count; out: the count.
        run: uint64 (4,): as in `_walk`.
        stack: scratch, int64 (64, 4).
    """
    stride, scale = np.uint64(of.by_position), 2.0 / (of.positives.size * of.negatives.size)
    positives, negatives, rank_weights = of.positives, of.negatives, of.rank_weights
    discounts, positives_above = of.discounts, of.positives_above
    stack[0, 0], stack[0, 1] = run[1], run[2]
    stack[0, 2], stack[0, 3] = positives_above[run[1]], run[3]
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
