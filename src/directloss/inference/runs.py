"""A list as runs of equal gain, from which its order under any shift by gain is merged.

Metrics that discount gains by position need a list sorted by score - shift * gain for several
shifts. Items of equal gain are shifted alike and so never change order among themselves. The list
is therefore sorted once, into one run of descending scores for each distinct gain; each shift only
merges these runs: O(n log G) after the sort for G distinct gains, O(n) for 0/1. Where gains are
too many for that to pay, each shift sorts anew.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from directloss.inference._kernel import Array, kernel
from directloss.inference.sorting import INDEX, ranked, score_bits

__all__ = ["SCRATCH_WORDS", "WORDS_BEFORE_KEYS", "SortedList", "rank", "sort_list"]

WORDS_BEFORE_KEYS = 3
"""Words of scratch memory for each item that `sort_list` writes while it reads keys."""

SCRATCH_WORDS = WORDS_BEFORE_KEYS + 2
"""Words of scratch memory for each item that `sort_list` and `rank` need together."""

_MOST_GRADES = 16
"""Distinct gains up to which counting and merging beat sorting: four merges cost one sort."""


class SortedList(NamedTuple):
    """One list by ascending gain and, within a gain, by descending score."""

    items: Array
    """The place in the list of each entry of `scores` and `gains`."""
    scores: Array
    gains: Array
    runs: Array
    """Entries `runs[r]` to `runs[r + 1]` have the r-th smallest gain."""


@kernel
def sort_list(scores: Array, gains: Array, keys: Array, scratch: Array) -> SortedList:
    """Sort one list of float32 or float64 scores without NaN and float64 gains >= 0.

    Args:
        keys: those of the list from `sorted_keys`, with labels 0; or none.
        scratch: uint64, `WORDS_BEFORE_KEYS` for each item and 8 more; what is returned lives in it.
    """
    n = scores.size
    grades = _distinct(gains)
    if grades.size == 0 and n > 0:
        return _sort_ungraded(scores, gains)
    ordered_scores, ordered_gains = (
        scratch[:n].view(np.float64),
        scratch[n : 2 * n].view(np.float64),
    )
    rest = scratch[2 * n :]
    items = rest[: n // 2 + 1].view(np.uint32)[:n]
    grade_of = rest[n // 2 + 1 : n // 2 + 2 + n // 8].view(np.uint8)
    runs = np.zeros(grades.size + 1, np.int64)
    for k in range(n):
        grade = _search(grades, grades.size, gains[k])
        grade_of[k] = grade
        runs[grade + 1] += 1
    runs = np.cumsum(runs)
    ends = runs[:-1].copy()
    if keys.size > 0:
        word = np.empty(1, np.uint32)
        score = word.view(np.float32)
        for place in range(n):
            key = keys[place]
            item = np.uint32(key) & INDEX
            word[0] = score_bits(key)
            entry = ends[grade_of[item]]
            ends[grade_of[item]] += 1
            items[entry], ordered_scores[entry] = item, score[0]
    else:
        sorted_scores, by_score = _descending(scores)
        for place in range(n):
            item = by_score[place]
            entry = ends[grade_of[item]]
            ends[grade_of[item]] += 1
            items[entry], ordered_scores[entry] = item, sorted_scores[place]
    for grade in range(grades.size):
        ordered_gains[runs[grade] : runs[grade + 1]] = grades[grade]
    return SortedList(items, ordered_scores, ordered_gains, runs)


@kernel
def _sort_ungraded(scores: Array, gains: Array) -> SortedList:
    """`sort_list` for more distinct gains than are worth counting."""
    sorted_scores, by_score = _descending(scores)
    descending_gains, by_gain = _descending(-gains[by_score])
    ordered_gains = -descending_gains
    starts = np.flatnonzero(ordered_gains[1:] != ordered_gains[:-1]) + 1
    runs = np.zeros(starts.size + 2, np.int64)
    runs[1:-1] = starts
    runs[-1] = scores.size
    return SortedList(by_score[by_gain], sorted_scores[by_gain], ordered_gains, runs)


@kernel
def _descending(keys: Array) -> tuple[Array, Array]:
    """Return the keys in descending order, as float64, and their indices; stable."""
    n = keys.size
    sorted_keys = np.empty(n)
    order = np.empty(n, np.uint32)
    # Label 0 everywhere: an order without label bits is the indices alone.
    ranked(keys, np.zeros(n, np.uint8), sorted_keys, order)
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
def rank(ordered: SortedList, shift: float, scratch: Array) -> Array:
    """Return the entries of a sorted list by descending score - shift * gain, best first.

    Equal shifted scores go by gain in the direction that the shift asks for, the lower first at
    shift 0. That keeps the order right where a shift is too small to move a large score in
    floating point, and it orders infinite scores among themselves.

    Args:
        scratch: uint64, 2 for each item of the list and 2 more; what is returned lives in it.
    """
    n = ordered.items.size
    runs = ordered.runs
    row = n // 2 + 1
    ranking = scratch[:row].view(np.uint32)[:n]
    if shift == -np.inf:
        place = 0
        for run in range(runs.size - 2, -1, -1):
            for entry in range(runs[run], runs[run + 1]):
                ranking[place] = entry
                place += 1
        return ranking
    shifted = ordered.scores
    if shift != 0.0:
        shifted = scratch[2 * row : 2 * row + n].view(np.float64)
        for entry in range(n):
            shifted[entry] = ordered.scores[entry] - shift * ordered.gains[entry]
    if runs.size - 1 <= _MOST_GRADES:
        return _merge(shifted, runs, shift >= 0.0, ranking, scratch[row : 2 * row].view(np.uint32))
    if shift >= 0.0:
        return _descending(shifted)[1]
    return np.uint32(n - 1) - _descending(shifted[::-1].copy())[1]


@kernel
def _merge(keys: Array, runs: Array, lower_first: bool, merged: Array, spare: Array) -> Array:
    """Return the order of the keys, descending, from runs that descend already.

    Equal keys go by run, in ascending order if `lower_first`.

    Args:
        merged, spare: scratch, uint32, as many as keys; one of them is returned.
    """
    n_runs, n = runs.size - 1, keys.size
    for entry in range(n):
        merged[entry] = entry
    width = 1
    while width < n_runs:
        for run in range(0, n_runs, 2 * width):
            place = runs[run]
            right = middle = runs[min(run + width, n_runs)]
            stop = runs[min(run + 2 * width, n_runs)]
            for left in range(runs[run], middle):
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
            spare[place:stop] = merged[right:stop]
        merged, spare = spare[:n], merged
        width *= 2
    return merged
