"""Exact inference for metrics that discount gains by position: NDCG, precision@k, BEDROC, ...

One list has items i = 1..n with scores phi_i and gains g_i >= 0 (relevance: 0/1, or graded). A
configuration is a ranking of the items; D is a discount by position that never grows. With a
divisor Z > 0 and, for metrics whose worst value is not 0, a base B,

    Delta(y) = 1 - (sum_i g_i D(position of i) - B) / Z
    F(y)     = sum_i phi_i D(position of i) / S,          S = Z / max_i g_i.

By this choice of S,

    F + weight * Delta = sum_i D(position of i) * (phi_i - weight * g_i / max g) / S + constant,

so that, since D never grows, every argmax is a sort by the shifted score (rearrangement
inequality), for either sign of the weight, and |weight| is the largest shift of a score.

Items of equal gain are shifted alike and so never change order among themselves. A list is
therefore sorted once, into one run of descending scores for each distinct gain; each weight only
merges these runs: O(n log G) after the sort for G distinct gains, O(n) for 0/1. Where gains are
too many for that to pay, each weight sorts anew.

| metric        | discount        | cutoff             | decay | divisor |
|---------------|-----------------|--------------------|-------|---------|
| NDCG, NDCG@k  | 1 / log2(p + 1) | `NO_CUTOFF` or k   | 0     | IDEAL   |
| precision@k   | [1]             | k                  | 0     | CUTOFF  |
| recall@k      | [1]             | k                  | 0     | TOTAL   |
| R-precision   | [1]             | `CUTOFF_RELEVANT`  | 0     | CUTOFF  |
| BEDROC(alpha) | [1]             | `NO_CUTOFF`        | alpha | RANGE   |
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from directloss.inference._kernel import Array, kernel
from directloss.inference.sorting import INDEX, ranked

__all__ = ["CUTOFF_RELEVANT", "NO_CUTOFF", "Divisor", "metric_positions", "solve_positions"]

NO_CUTOFF = 2**62
"""Cutoff of a metric that looks at the whole list."""

CUTOFF_RELEVANT = -1
"""Cutoff after as many positions as the list has items of gain > 0 (R-precision)."""

_MOST_GRADES = 16
"""Distinct gains up to which counting and merging beat sorting: four merges cost one sort."""


class Divisor(IntEnum):
    """What the discounted gain is divided by; Z and B of the module's docstring."""

    IDEAL = 0
    """Z = the largest discounted gain that a ranking of the list can have."""
    CUTOFF = 1
    """Z = the number of positions before the cutoff, whether or not the list is as long."""
    TOTAL = 2
    """Z = the sum of the gains (0/1: the number of positives)."""
    RANGE = 3
    """B = the smallest and B + Z = the largest discounted gain that a ranking can have."""


class _SortedList(NamedTuple):
    """One list by ascending gain and, within a gain, by descending score."""

    items: Array
    """The place in the list of each entry of `scores` and `gains`."""
    scores: Array
    gains: Array
    runs: Array
    """Entries `runs[r]` to `runs[r + 1]` have the r-th smallest gain."""


@kernel
def solve_positions(
    first: int,
    last: int,
    scores: Array,
    gains: Array,
    offsets: Array,
    discount: Array,
    cutoff: int,
    decay: float,
    divisor: int,
    weights: Array,
    coefficients: Array,
    combination: Array,
    task_losses: Array,
    values: Array,
    defined: Array,
) -> None:
    """Solve argmax_y F(y) + weight * Delta(y) for lists `first` to `last` of a ragged batch.

    The discount at position p of a list of n items is
    `discount[p] * exp(-decay * p / n)` for p <= cutoff and 0 beyond; positions count from 1, and
    the table is continued by its last entry, so that `[1.0]` is a step at the cutoff.

    A weight of -inf asks for the ground truth: the least Delta, among those the largest F.
    A list is undefined where Z is 0: all gains are 0, or, for `Divisor.RANGE`, all rankings are
    worth the same (all gains are equal). All its outputs are then 0.

    Args:
        first, last: Range of lists to solve; others are not touched.
        scores: float32 or float64 `[offsets[-1]]`, no NaN. Infinite scores rank first or last,
            equal to each other; they count as 0 in F.
        gains: `[offsets[-1]]`, finite, >= 0.
        offsets: `[L + 1]`; list l is `scores[offsets[l]:offsets[l + 1]]`.
        discount: Table by position, not empty, never growing.
        cutoff: Number of positions that count, `NO_CUTOFF` or `CUTOFF_RELEVANT`.
        decay: Rate of exponential decay over the whole list, >= 0.
        divisor: A `Divisor`.
        weights, coefficients: `[T]`, the terms of the combination.
        combination: Output like `scores`: sum_t coefficients[t] * y(weights[t]), where
            y_i = dF/dphi_i = D(position of i) / S. Items that may be exchanged without a change of
            F + weight * Delta or of Delta share the mean of their positions, so that nothing
            depends on the order of storage; at weight 0 all items of equal score do.
        task_losses: Output `[L, T]`, Delta. At weight 0 items of lower gain come first in a tie.
        values: Output `[L, T]`, F.
        defined: Output `[L]`.
    """
    for index in range(first, last):
        start, stop = offsets[index], offsets[index + 1]
        combination[start:stop] = 0.0
        task_losses[index] = 0.0
        values[index] = 0.0
        ordered = _sort_list(scores[start:stop], gains[start:stop])
        discounts = _discounts(ordered.gains, discount, cutoff, decay)
        base, scale = _normalisation(ordered.gains, discounts, cutoff, divisor)
        defined[index] = scale > 0.0
        if not defined[index]:
            continue
        largest_gain = ordered.gains[-1]
        total = np.zeros(stop - start)
        for term in range(weights.size):
            weight = weights[term]
            ranking = _rank(ordered, weight / largest_gain)
            gain, value = 0.0, 0.0
            for place, entry in enumerate(ranking):
                gain += ordered.gains[entry] * discounts[place]
                if math.isfinite(ordered.scores[entry]):
                    value += ordered.scores[entry] * discounts[place]
            task_losses[index, term] = max(0.0, 1.0 - (gain - base) / scale)
            values[index, term] = value * largest_gain / scale
            factor = coefficients[term] * largest_gain / scale
            _add_shared_discounts(ordered, ranking, discounts, weight == 0.0, factor, total)
        for entry in range(stop - start):
            combination[start + ordered.items[entry]] = total[entry]


@kernel
def metric_positions(
    first: int,
    last: int,
    scores: Array,
    gains: Array,
    offsets: Array,
    discount: Array,
    cutoff: int,
    decay: float,
    divisor: int,
    metrics: Array,
    defined: Array,
) -> None:
    """Evaluate 1 - Delta with the mean over all orders of tied items, for lists `first` to `last`.

    This is the convention of scikit-learn's `ndcg_score(ignore_ties=False)`: every item of a tie
    gets the mean discount of the tie's positions. Arguments as in `solve_positions`; `metrics`
    and `defined` are outputs `[L]`, and the metric of an undefined list is written as 0.
    """
    for index in range(first, last):
        start, stop = offsets[index], offsets[index + 1]
        metrics[index] = 0.0
        ordered = _sort_list(scores[start:stop], gains[start:stop])
        discounts = _discounts(ordered.gains, discount, cutoff, decay)
        base, scale = _normalisation(ordered.gains, discounts, cutoff, divisor)
        defined[index] = scale > 0.0
        if not defined[index]:
            continue
        shared = np.zeros(stop - start)
        ranking = _rank(ordered, 0.0)
        _add_shared_discounts(ordered, ranking, discounts, True, 1.0, shared)
        gain = 0.0
        for entry in ranking:
            gain += ordered.gains[entry] * shared[entry]
        metrics[index] = (gain - base) / scale


@kernel
def _sort_list(scores: Array, gains: Array) -> _SortedList:
    n = scores.size
    sorted_scores, by_score = _descending(scores)
    grades = _distinct(gains)
    if grades.size == 0 and n > 0:
        descending_gains, by_gain = _descending(-gains[by_score])
        ordered_gains = -descending_gains
        starts = np.flatnonzero(ordered_gains[1:] != ordered_gains[:-1]) + 1
        runs = np.zeros(starts.size + 2, np.int64)
        runs[1:-1] = starts
        runs[-1] = n
        return _SortedList(by_score[by_gain], sorted_scores[by_gain], ordered_gains, runs)
    grade_of = np.empty(n, np.uint8)
    runs = np.zeros(grades.size + 1, np.int64)
    for item in range(n):
        grade = _search(grades, grades.size, gains[item])
        grade_of[item] = grade
        runs[grade + 1] += 1
    runs = np.cumsum(runs)
    ends = runs[:-1].copy()
    items = np.empty(n, np.uint32)
    ordered_scores = np.empty(n)
    ordered_gains = np.empty(n)
    for rank in range(n):
        grade = grade_of[by_score[rank]]
        entry = ends[grade]
        ends[grade] += 1
        items[entry] = by_score[rank]
        ordered_scores[entry] = sorted_scores[rank]
        ordered_gains[entry] = grades[grade]
    return _SortedList(items, ordered_scores, ordered_gains, runs)


@kernel
def _descending(keys: Array) -> tuple[Array, Array]:
    """Return the keys in descending order, as float64, and their indices; stable."""
    n = keys.size
    sorted_keys = np.empty(n)
    order = np.empty(n, np.uint32)
    ranked(keys, np.zeros(n, np.uint8), sorted_keys, order)
    for rank in range(n):
        order[rank] &= INDEX
    return sorted_keys, order


@kernel
def _distinct(gains: Array) -> Array:
    """Return the distinct gains in ascending order, or nothing where they are too many."""
    grades = np.empty(_MOST_GRADES)
    found = 0
    for gain in gains:
        place = _search(grades, found, gain)
        if place < found and grades[place] == gain:
            continue
        if found == _MOST_GRADES:
            return grades[:0]
        for above in range(found, place, -1):
            grades[above] = grades[above - 1]
        grades[place] = gain
        found += 1
    return grades[:found]


@kernel
def _search(ascending: Array, size: int, wanted: float) -> int:
    """Return the first place among the first `size` entries that does not lie below `wanted`."""
    if size == 0:
        return 0
    low = 0
    while size > 1:
        half = size // 2
        low += half * (ascending[low + half - 1] < wanted)  # random gains: no branch to mispredict
        size -= half
    return low + (ascending[low] < wanted)


@kernel
def _discounts(gains: Array, discount: Array, cutoff: int, decay: float) -> Array:
    n = gains.size
    discounts = np.zeros(n)
    for place in range(min(n, _positions(gains, cutoff))):
        discounts[place] = discount[min(place, discount.size - 1)]
        if decay > 0.0:
            discounts[place] *= math.exp(-decay * (place + 1) / n)
    return discounts


@kernel
def _positions(gains: Array, cutoff: int) -> int:
    if cutoff == CUTOFF_RELEVANT:
        return int(np.count_nonzero(gains))
    return cutoff


@kernel
def _normalisation(
    gains: Array, discounts: Array, cutoff: int, divisor: int
) -> tuple[float, float]:
    """Return B and Z of a list with ascending gains; Z = 0 where the metric is undefined."""
    n = gains.size
    if n == 0 or gains[-1] == 0.0:
        return 0.0, 0.0
    if divisor == Divisor.CUTOFF:
        return 0.0, float(_positions(gains, cutoff))
    if divisor == Divisor.TOTAL:
        return 0.0, gains.sum()
    best, worst = 0.0, 0.0
    for place in range(n):
        best += gains[n - 1 - place] * discounts[place]
        worst += gains[place] * discounts[place]
    if divisor == Divisor.IDEAL:
        return 0.0, best
    return worst, best - worst


@kernel
def _rank(ordered: _SortedList, shift: float) -> Array:
    """Return the entries of a sorted list by descending score - shift * gain, best first.

    Equal shifted scores go by gain in the direction that the shift asks for, the lower first at
    shift 0. That keeps the order right where a shift is too small to move a large score in
    floating point, and it orders infinite scores among themselves.
    """
    n = ordered.items.size
    runs = ordered.runs
    if shift == -np.inf:
        ranking = np.empty(n, np.uint32)
        place = 0
        for run in range(runs.size - 2, -1, -1):
            for entry in range(runs[run], runs[run + 1]):
                ranking[place] = entry
                place += 1
        return ranking
    shifted = ordered.scores - shift * ordered.gains
    if runs.size - 1 <= _MOST_GRADES:
        return _merge(shifted, runs, shift >= 0.0)
    if shift >= 0.0:
        return _descending(shifted)[1]
    return np.uint32(n - 1) - _descending(shifted[::-1].copy())[1]


@kernel
def _merge(keys: Array, runs: Array, lower_first: bool) -> Array:
    """Return the order of the keys, descending, from runs that descend already.

    Equal keys go by run, in ascending order if `lower_first`.
    """
    n_runs = runs.size - 1
    merged = np.empty(keys.size, np.uint32)
    spare = np.empty(keys.size, np.uint32)
    for entry in range(keys.size):
        merged[entry] = entry
    width = 1
    while width < n_runs:
        for run in range(0, n_runs, 2 * width):
            left = place = runs[run]
            right = middle = runs[min(run + width, n_runs)]
            stop = runs[min(run + 2 * width, n_runs)]
            while left < middle and right < stop:
                lower, higher = keys[merged[left]], keys[merged[right]]
                take_left = (lower > higher) | ((lower == higher) & lower_first)
                spare[place] = merged[left] if take_left else merged[right]
                left += take_left
                right += not take_left
                place += 1
            spare[place : place + middle - left] = merged[left:middle]
            spare[place + middle - left : stop] = merged[right:stop]
        merged, spare = spare, merged
        width *= 2
    return merged


@kernel
def _add_shared_discounts(
    ordered: _SortedList,
    ranking: Array,
    discounts: Array,
    across_gains: bool,
    factor: float,
    total: Array,
) -> None:
    """Add factor * (mean discount of its tie) to the total of each entry.

    A tie is a stretch of the ranking with equal scores and, unless `across_gains`, equal gains.
    """
    n = ranking.size
    place = 0
    while place < n:
        head = ranking[place]
        stop, tie = place, 0.0
        while (
            stop < n
            and ordered.scores[ranking[stop]] == ordered.scores[head]
            and (across_gains or ordered.gains[ranking[stop]] == ordered.gains[head])
        ):
            tie += discounts[stop]
            stop += 1
        mean = factor * (tie / (stop - place))
        for tied in range(place, stop):
            total[ranking[tied]] += mean
        place = stop
