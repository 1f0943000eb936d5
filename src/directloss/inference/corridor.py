"""Loss-augmented inference for rankings where the order of the negatives binds.

In the negative direction of average precision, and for any discount that is not convex, the best
places of the negatives chosen one by one do not form a ranking. In terms of the positives,
with n_i negatives above positive i and v_i(n) the gain of row i,

    f_i(n) = v_i(n) + max over m <= n of f_{i-1}(m).

The table has P (N + 1) cells. Only those between two staircases can matter: with w(i, j) the gain
of placing positive i above negative j,

    lo_i = (first j with w(i, j) > 0) - 1, then the minimum over the rows from i on,
    hi_i = last j with w(i, j) <= 0,       then the maximum over the rows up to i.

Lifting a ranking to lo adds only cells with w <= 0 to the negatives' side, lowering it to hi
returns only cells with w > 0 to the positives' side, so some optimum lies between. The programme
runs there, one bit a cell for the way back.
"""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import ZERO, Array, inlined, inner
from directloss.inference.ranked import Ranking

__all__ = ["bounds", "corridor", "end_of_run", "running_sums"]

_STRIP = 32
"""Rows bounded together first."""

_ROUNDS = 3
"""Steps of a single row towards its crossing; each is valid, further ones gain little."""


@inner
def _crossing(
    negatives: Array, start: int, stop: int, guess: int, threshold: float, strict: bool
) -> int:
    """First index j in start .. stop with -negatives[j] > (or >=) threshold (`stop` if none).

    Looks near `guess` first: neighbouring rows cross at neighbouring places.
    """
    stride = 1
    while start < stop:
        at = min(max(guess, start), stop - 1)
        if -negatives[at] > threshold or (not strict and -negatives[at] == threshold):
            stop = at
            guess = at - stride
        else:
            start = at + 1
            guess = at + stride
        stride *= 4
        if stride > stop - start:
            guess = (start + stop) // 2
    return start


@inner
def bounds(one: Ranking, weight: float, low: Array, high: Array) -> None:
    """Single-crossing bounds low[i] <= n_i <= high[i] between which an optimum lies.

    The gain is w(i, j) = a(j) + r_i b(q) with a(j) = 2 (phi_i - phi_j) / (P N), which never falls
    with j, and b(q) = -weight (D(q) - D(q + 1)), q = by_position * i + j - 1. The first j at which
    a(j) exceeds -r_i B, B the largest b from there on, is never right of the first crossing; taking
    the B of the new place walks on towards it, and likewise from the right with the least b up to
    there. Every stop on the way is a valid bound. From the place on at which D stands still, as it
    does past the edge of a metric at k, b is 0: there the walk from the right starts at the
    crossing of a(j) itself.

    Pairs with w = 0, about which the objective does not care, go to the negatives' side for a
    positive weight and to the positives' side for a negative one: an update moves away from the one
    configuration and towards the other, and should not unlearn what nobody asked for.

    Args:
        one: the list; of its fences positives first .. last - 1 may have fewest .. most negatives
            above them.
        weight: any number but infinity.
        low, high: out, int32 (P,), neither ever falling.
    """
    positives, negatives, rank_weights = one.positives, one.negatives, one.rank_weights
    discounts, by_position, fences = one.discounts, one.by_position, one.fences
    size = positives.size
    scale = 2.0 / (size * negatives.size)
    strict = weight > 0.0
    end = negatives.size + (size if by_position else 0)
    # A position before the list's first does not exist: `by_position` is the first q.
    falls, before = True, np.inf
    for q in range(by_position, end):
        drop = _drop(discounts, weight, q)
        falls &= drop <= before
        before = drop
    # Where b falls it is its own bound, and no array of the list's length is made.
    largest, least = np.empty(0 if falls else end), np.empty(0 if falls else end)
    if not falls:
        bound = -np.inf
        for q in range(end - 1, by_position - 1, -1):
            bound = max(bound, _drop(discounts, weight, q))
            largest[q] = bound
        bound = np.inf
        for q in range(by_position, end):
            bound = min(bound, _drop(discounts, weight, q))
            least[q] = bound
    quiet = end  # from here on D stands still
    while quiet > by_position and discounts[quiet - 1] == discounts[quiet]:
        quiet -= 1
    for fence in fences:
        fewest, most, first, last = fence
        left_guess, right_guess = fewest, fewest
        for top in range(first, last, _STRIP):
            bottom = min(top + _STRIP, last)
            r_least, r_most = np.inf, 0.0
            for i in range(top, bottom):
                r_least = min(r_least, rank_weights[i])
                r_most = max(r_most, rank_weights[i])
            # Bounds of a strip of rows, from the ends of all that varies in it, ...
            strip_start, strip_stop = fewest, most
            row = by_position * (top + 1)
            while strip_start < strip_stop:
                b = _bound(largest, discounts, weight, row + strip_start) / scale
                at = -positives[top] - max(r_least * b, r_most * b)
                left_guess = _crossing(negatives, strip_start, strip_stop, left_guess, at, strict)
                if left_guess == strip_start:
                    break
                strip_start = left_guess
            settled = max(strip_start, quiet - by_position * (top + 1))
            if settled < strip_stop:
                strip_stop = right_guess = _crossing(
                    negatives, settled, strip_stop, right_guess, -positives[bottom - 1], strict
                )
            row = by_position * bottom
            while strip_stop > strip_start:
                b = _bound(least, discounts, weight, row + strip_stop - 1) / scale
                at = -positives[bottom - 1] - min(r_least * b, r_most * b)
                right_guess = _crossing(negatives, strip_start, strip_stop, right_guess, at, strict)
                if right_guess == strip_stop:
                    break
                strip_stop = right_guess
            # ... from which each row has a few steps to go.
            row_left, row_right = strip_start, strip_start
            for i in range(top, bottom):
                row = by_position * (i + 1)
                start, stop = strip_start, strip_stop
                for _ in range(_ROUNDS):
                    if start == stop:
                        break
                    b = _bound(largest, discounts, weight, row + start)
                    at = -rank_weights[i] * b / scale - positives[i]
                    row_left = _crossing(negatives, start, stop, row_left, at, strict)
                    if row_left == start or row_left == stop:
                        start = row_left
                        break
                    start = row_left
                settled = max(start, quiet - row)
                if settled < stop:
                    stop = row_right = _crossing(
                        negatives, settled, stop, row_right, -positives[i], strict
                    )
                for _ in range(_ROUNDS):
                    if stop == start:
                        break
                    b = _bound(least, discounts, weight, row + stop - 1)
                    at = -rank_weights[i] * b / scale - positives[i]
                    row_right = _crossing(negatives, start, stop, row_right, at, strict)
                    if row_right == stop:
                        break
                    stop = row_right
                low[i], high[i] = start, stop
    for i in range(size - 2, -1, -1):
        low[i] = min(low[i], low[i + 1])
    for i in range(1, size):
        high[i] = max(high[i], high[i - 1])


@inlined
def _drop(discounts: Array, weight: float, q: int) -> float:
    """b(q) of `bounds`."""
    return -weight * (discounts[q] - discounts[q + 1])


@inlined
def _bound(bounds: Array, discounts: Array, weight: float, q: int) -> float:
    """Entry q of the bounds of b; b itself where there are none."""
    return bounds[q] if bounds.size > 0 else _drop(discounts, weight, q)


@inner
def running_sums(values: Array, center: float) -> Array:
    """Sums of the first 0, 1, ... values, measured from `center`, the middle positive's score.

    F does not see a shift of all scores; sums measured from one of them round less.
    """
    sums = np.empty(values.size + 1, np.float64)
    sums[0] = 0.0
    for k in range(values.size):
        sums[k + 1] = sums[k] + (values[k] - center)
    return sums


@inner
def corridor(one: Ranking, weight: float, low: Array, high: Array) -> None:
    """The programme inside the corridor: the optimal number of negatives above each positive.

    Rows i and i + 1 with high[i] <= low[i + 1] are independent. So the programme runs between two
    such places at a time, in memory for the largest of these runs.

    Args:
        one: the list, whose negatives_above are written.
        weight: any number but infinity.
        low, high: int32 (P,), neither ever falling, low <= high; `high` may be what is written.
    """
    negatives_above = one.negatives_above
    columns, cells = _largest_run(low, high)
    bits = np.empty((cells + 63) >> 6, np.uint64)
    sums, best = np.empty(columns + 1, np.float64), np.empty(columns + 1, np.float64)
    scale = 2.0 / (one.positives.size * one.negatives.size)
    first = 0
    while first < low.size:
        last = end_of_run(low, high, first)
        if last == first + 1 and low[first] == high[first]:
            negatives_above[first] = low[first]
        else:
            _solve_run(one, weight, scale, first, last, low, high, bits, sums, best)
        first = last


@inner
def end_of_run(low: Array, high: Array, first: int) -> int:
    """The first row after `first` that is independent of the one before it."""
    last = first + 1
    while last < low.size and low[last] < high[last - 1]:
        last += 1
    return last


@inner
def _largest_run(low: Array, high: Array) -> tuple[int, int]:
    """The most columns that a run spans, and the most cells that it has."""
    columns, most, first = ZERO, ZERO, 0
    while first < low.size:
        last, cells = end_of_run(low, high, first), ZERO
        for i in range(first, last):
            cells += np.int64(high[i]) - low[i] + 1
        most = max(most, cells)
        columns = max(columns, np.int64(high[last - 1]) - low[first])
        first = last
    return columns, most


@inlined
def _solve_run(
    one: Ranking,
    weight: float,
    scale: float,
    first: int,
    last: int,
    low: Array,
    high: Array,
    bits: Array,
    sums: Array,
    best: Array,
) -> None:
    """`corridor` for rows first .. last - 1.

    Args:
        scale: 2 / (P N).
        bits, sums, best: scratch, of the sizes that `corridor` gives them.
    """
    positives, negatives, rank_weights = one.positives, one.negatives, one.rank_weights
    discounts, by_position, above = one.discounts, one.by_position, one.negatives_above
    left, right = low[first], high[last - 1]
    # F does not see a shift of all scores; sums measured from one of them round less.
    center = positives[(first + last) // 2]
    sums[0] = 0.0
    for k in range(right - left):
        sums[k + 1] = sums[k] + (negatives[left + k] - center)
    # best[n - left] = the largest f of the rows so far over counts <= n, for n in their corridor.
    best[0] = 0.0
    last_high, cell, word = left, ZERO, np.uint64(0)
    for i in range(first, last):
        lo, hi = low[i], high[i]
        slope = scale * (positives[i] - center)
        reward = weight * rank_weights[i]
        row = by_position * (i + 1)
        running = -np.inf
        # Right of the last row's corridor its running maximum stands still; the row below
        # overwrites the array, so that value is taken out first.
        beyond = best[last_high - left]
        # A bit is set where the running maximum rises: in the first cell whatever came, so that the
        # way back ends in the row.
        word |= np.uint64(1) << np.uint64(cell & 63)
        for n in range(lo, hi + 1):
            # minus the sum over left < j <= n of w(i, j), up to a constant of the row
            value = scale * sums[n - left] - slope * (n - left) - reward * discounts[row + n]
            value += best[n - left] if n <= last_high else beyond
            place = np.uint64(cell & 63)
            if value > running:
                running = value
                word |= np.uint64(1) << place
            best[n - left] = running
            if place == np.uint64(63):
                bits[cell >> 6] = word
                word = np.uint64(0)
            cell += 1
        last_high = hi
    if cell & 63:
        bits[cell >> 6] = word
    n, start = right, cell
    for i in range(last - 1, first - 1, -1):
        start -= np.int64(high[i]) - low[i] + 1
        cell = start + min(n, high[i]) - low[i]
        at = cell >> 6
        word = bits[at] << np.uint64(63 - (cell & 63))
        while word == np.uint64(0):
            at -= 1
            cell = (at << 6) + 63
            word = bits[at]
        # `word` ends at the cell: its highest set bit is the argmax of the row.
        while not word >> np.uint64(63):
            word <<= np.uint64(1)
            cell -= 1
        n = low[i] + cell - start
        above[i] = n
