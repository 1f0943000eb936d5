"""A list as runs of equal gain, from which its order under any shift by gain is merged.

Metrics that discount gains by position need a list sorted by score - shift * gain for several
shifts. Items of equal gain are shifted alike and so never change order among themselves. The list
is therefore sorted once, into one run of descending scores for each distinct gain; each shift only
merges these runs: O(n log G) after the sort for G distinct gains, O(n) for 0/1. Where gains are
too many for that to pay, each shift sorts anew.

An *entry* is an item's place among the runs, by ascending gain and, within a gain, by descending
score. A ranking is said by the place that each entry takes in it, from 0.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from directloss.inference._kernel import ZERO, Array, inlined, inner
from directloss.inference.grades import MOST_GRADES
from directloss.inference.sorting import INDEX, ranked, score_bits

__all__ = ["Runs", "by_gain", "by_grade", "grade_sizes", "merged_places", "places_after"]


class Runs(NamedTuple):
    """One list by ascending gain and, within a gain, by descending score."""

    items: Array
    """uint32 (n,): the place in the list of each entry."""
    scores: Array
    """float64 (n,), by entry."""
    gains: Array
    """float64 (R,): the gain of each run, ascending, up to a factor of the list."""
    bounds: Array
    """int64 (R + 1,): run r is the entries bounds[r] to bounds[r + 1], at least one."""


@inner
def grade_sizes(grades: Array, sizes: Array) -> None:
    """Number of items of each grade.

    Args:
        grades: uint8 (n,).
        sizes: out, int64 (G,).
    """
    # A pass for each grade, many items at once: cheaper than one that waits for its own counters.
    rest = grades.size
    for grade in range(1, sizes.size):
        count = 0
        for other in grades:
            count += other == grade
        sizes[grade] = count
        rest -= count
    if sizes.size > 0:  # there is no grade where there are no items at all
        sizes[0] = rest


@inlined
def by_grade(
    scores: Array,
    wide: bool | None,
    grades: Array,
    index_bits: int,
    gains: Array,
    by_grades: Array,
    keys: Array,
    discounts: Array,
    shared: Array,
    ordered: Array,
    items: Array,
    places: Array,
    by_score: Array,
    order: Array,
    narrow: Array,
) -> Runs:
    """Sort one list whose items have one of a few grades.

    Args:
        scores: float32 or float64 (n,), no NaN.
        wide: None for float32, any other for float64.
        grades: uint8 (n,).
        index_bits: of a key, that the index may have; the grade stands above them.
        gains: float64 (G,), ascending: what each grade gains.
        by_grades: int64 (4, G + 1): in row 0 the `grade_sizes`; the others are scratch, and the
            memory of the bounds.
        keys: of this list, from `sorted_keys` with the grades as labels, where scores are float32.
        discounts: float64 (n,), by place from 0.
        shared: float64 (n,), by place: in, a copy of `discounts`; out, the mean of those of equal
            score. Or none.
        ordered, items: out, float64 and uint32 (n,): the memory of what is returned.
        places: out, uint32 (>= n,): of each entry without a shift, the lower gain first in a tie.
        by_score, order, narrow: scratch, float64 and uint32 (n,), and the memory of `order` as
            float32.
    """
    n = scores.size
    if wide is not None:
        ranked(scores, grades, by_score, order)
    sizes, starts, ends = by_grades[0], by_grades[1], by_grades[2]
    start = 0
    for of in range(gains.size):
        starts[of] = ends[of] = start
        start += sizes[of]
    below = np.uint32(index_bits)
    index = np.uint32((np.uint64(1) << np.uint64(index_bits)) - np.uint64(1))
    last, head = np.nan, ZERO
    for place in range(n):
        if wide is None:
            key = keys[place]
            order[place] = score_bits(key)
            score = np.float64(narrow[place])
            item = np.uint32(key) & index
            grade = np.uint64(np.uint32(key) >> below)
        else:
            score, item = by_score[place], order[place] & INDEX
            grade = np.uint64(grades[item])
        if score != last:
            if place - head > 1:
                _settle(last, head, place, ordered, by_grades, discounts, shared, places)
            last, head = score, place
        entry = np.uint64(ends[grade])
        ends[grade] += 1
        ordered[entry], items[entry], places[entry] = score, item, place
    if n - head > 1:
        _settle(last, head, n, ordered, by_grades, discounts, shared, places)
    return _without_empty(items, ordered, gains, sizes, by_grades[3])


@inner
def _settle(
    score: float,
    head: int,
    stop: int,
    ordered: Array,
    by_grades: Array,
    discounts: Array,
    shared: Array,
    places: Array,
) -> None:
    """Order a tie at places head .. stop - 1 by grade, and share its discounts.

    Args:
        by_grades: rows 1 and 2: where the entries of each grade begin, and end so far.
    """
    place = head
    for grade in range(by_grades.shape[1] - 1):
        start, end = by_grades[1, grade], by_grades[2, grade]
        first = end
        while first > start and ordered[first - 1] == score:
            first -= 1
        for entry in range(first, end):
            places[entry] = place
            place += 1
    if shared.size > 0:
        _share(head, stop, discounts, shared)


@inner
def _share(head: int, stop: int, discounts: Array, shared: Array) -> None:
    total = 0.0
    for place in range(head, stop):
        total += discounts[place]
    for place in range(head, stop):
        shared[place] = total / (stop - head)


@inner
def _without_empty(items: Array, ordered: Array, gains: Array, sizes: Array, bounds: Array) -> Runs:
    run_gains, filled = np.empty(gains.size), 0
    bounds[0] = 0
    for grade in range(gains.size):
        if sizes[grade] > 0:
            bounds[filled + 1] = bounds[filled] + sizes[grade]
            run_gains[filled] = gains[grade]
            filled += 1
    return Runs(items, ordered, _of_size_one(run_gains[:filled]), bounds[: filled + 1])


@inner
def _of_size_one(gains: Array) -> Array:
    """Ascending gains, by a power of two so that the largest is at least 1 and below 2.

    No metric sees a factor of the gains, and their sums neither overflow nor vanish.
    """
    if gains.size > 0 and gains[-1] > 0.0:
        exponent = math.frexp(gains[-1])[1]
        for run in range(gains.size):
            gains[run] = math.ldexp(gains[run], 1 - exponent)
    return gains


@inner
def by_gain(
    scores: Array,
    wide: bool | None,
    gains: Array,
    keys: Array,
    discounts: Array,
    shared: Array,
    places: Array,
) -> Runs:
    """Sort one list of any gains; arguments and result as in `by_grade`.

    Args:
        gains: float64 (n,), >= 0.
    """
    n = scores.size
    if n == 0:
        return Runs(np.empty(0, np.uint32), np.empty(0), np.empty(0), np.zeros(1, np.int64))
    if wide is None:
        sorted_scores, by_score = np.empty(n), np.empty(n, np.uint32)
        word = np.empty(1, np.uint32)
        score32 = word.view(np.float32)
        for place in range(n):
            word[0] = score_bits(keys[place])
            sorted_scores[place] = score32[0]
            by_score[place] = np.uint32(keys[place]) & INDEX
    else:
        sorted_scores, by_score = _descending(scores)
    descending_gains, order = _descending(-gains[by_score])
    ordered_gains, ordered = -descending_gains, sorted_scores[order]
    starts = np.append(0, np.flatnonzero(ordered_gains[1:] != ordered_gains[:-1]) + 1)
    bounds = np.append(starts, n)
    ranking = _descending(ordered)[1]
    head = 0
    for place in range(n):
        places[ranking[place]] = place
        if shared.size > 0 and ordered[ranking[place]] != ordered[ranking[head]]:
            _share(head, place, discounts, shared)
            head = place
    if shared.size > 0:
        _share(head, n, discounts, shared)
    return Runs(by_score[order], ordered, _of_size_one(ordered_gains[starts]), bounds)


@inner
def _descending(keys: Array) -> tuple[Array, Array]:
    """Return the keys in descending order, as float64, and their indices; stable."""
    n = keys.size
    sorted_keys = np.empty(n)
    order = np.empty(n, np.uint32)
    # Label 0 everywhere: an order without label bits is the indices alone.
    ranked(keys, np.zeros(n, np.uint8), sorted_keys, order)
    return sorted_keys, order


@inner
def places_after(
    runs: Runs, shift: float, places: Array, shifted: Array, merged: Array, other: Array
) -> None:
    """The place of each entry by descending score - shift * gain.

    Equal shifted scores go by gain in the direction that the shift asks for, the lower first for a
    positive one. That keeps the order right where a shift is too small to move a large score in
    floating point, and it orders infinite scores among themselves.

    Args:
        shift: not 0; -inf ranks by gain, then by score.
        places: out, uint32 (n,).
        shifted, merged, other: scratch, float64 (n,), uint32 and uint32 (>= n,).
    """
    if runs.gains.size <= MOST_GRADES or shift == -np.inf:
        merged_places(runs, shift, places, shifted, merged, other)
        return
    n = runs.items.size
    _shift(runs, shift, shifted)
    if shift > 0.0:
        ranking = _descending(shifted)[1]
    else:
        ranking = np.uint32(n - 1) - _descending(shifted[::-1].copy())[1]
    for place in range(n):
        places[ranking[place]] = place


@inlined
def merged_places(
    runs: Runs, shift: float, places: Array, shifted: Array, merged: Array, other: Array
) -> None:
    """`places_after`, for few runs."""
    if shift == -np.inf:
        place, bounds = 0, runs.bounds
        for run in range(runs.gains.size - 1, -1, -1):
            for entry in range(bounds[run], bounds[run + 1]):
                places[entry] = place
                place += 1
        return
    _shift(runs, shift, shifted)
    _merge(shifted, runs.bounds, shift > 0.0, merged, other, places)


@inner
def _shift(runs: Runs, shift: float, shifted: Array) -> None:
    """Write score - shift * gain of each entry."""
    for run in range(runs.gains.size):
        moved = shift * runs.gains[run]
        for entry in range(runs.bounds[run], runs.bounds[run + 1]):
            shifted[entry] = runs.scores[entry] - moved


@inner
def _merge(
    keys: Array, bounds: Array, lower_first: bool, merged: Array, spare: Array, places: Array
) -> None:
    """The place of each key in descending order, of runs that descend already.

    Equal keys go by run, in ascending order if `lower_first`.

    Args:
        merged, spare: scratch, uint32 (n,).
        places: out, uint32 (n,).
    """
    n_runs, n = bounds.size - 1, keys.size
    for entry in range(n):
        merged[entry] = entry
    width = 1
    while 2 * width < n_runs:
        for run in range(0, n_runs, 2 * width):
            place = bounds[run]
            right = middle = bounds[min(run + width, n_runs)]
            stop = bounds[min(run + 2 * width, n_runs)]
            for left in range(bounds[run], middle):
                key = keys[merged[left]]
                # A loop that is left as often as the runs alternate. To take the next of either
                # run without a branch would wait for the comparison before at every step.
                while right < stop:
                    other = keys[merged[right]]
                    if other < key or (other == key and lower_first):
                        break
                    spare[place] = merged[right]
                    right += 1
                    place += 1
                spare[place] = merged[left]
                place += 1
            # Of a run that is through the rest stands where it goes, as place = right there.
            for rest in range(right, stop):
                spare[rest] = merged[rest]
        merged, spare = spare, merged
        width *= 2
    # The last two are merged in the same way, but to the places of their entries.
    place, right = 0, bounds[min(width, n_runs)]
    for left in range(bounds[min(width, n_runs)]):
        key = keys[merged[left]]
        while right < n:
            other = keys[merged[right]]
            if other < key or (other == key and lower_first):
                break
            places[merged[right]] = place
            right += 1
            place += 1
        places[merged[left]] = place
        place += 1
    for rest in range(right, n):
        places[merged[rest]] = rest
