"""Relevances as grades: the few distinct values there are, and which of them each item has.

Ranking tables come with two grades or five, hardly ever with more than a handful. A grade fits a
byte where a gain takes eight, and items of equal grade keep their order under any shift by gain.
"""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, inner, kernel

__all__ = ["MOST_GRADES", "MOST_ITEMS", "find_grades", "find_values"]

MOST_GRADES = 16
"""Distinct values up to which counting and merging beat sorting: four merges cost one sort."""

MOST_ITEMS = 1 << 28
"""Items of a list up to which a key of 32 bits beside its score has room for any grade."""

_BLOCK = 4096
"""Items that are looked at once for each value while they are in the nearest cache."""


@kernel
def find_values(relevances: Array) -> Array:
    """The distinct values in ascending order, float64; none where they are more than `MOST_GRADES`.

    Args:
        relevances: flat, of any type of number; no NaN.
    """
    values = np.empty(MOST_GRADES)
    found = 0
    for begin in range(0, relevances.size, _BLOCK):
        block = relevances[begin : begin + _BLOCK]
        # Compared in the type of the relevances, many at once. All values differ, so that no item
        # is counted twice.
        known = 0
        for k in range(found):
            value = _as_type(values[k], block)
            for relevance in block:
                known += relevance == value
        if known == block.size:
            continue
        for relevance in block:
            value, place = np.float64(relevance), 0
            while place < found and values[place] < value:
                place += 1
            if place < found and values[place] == value:
                continue
            if found == MOST_GRADES:
                return values[:0]
            for above in range(found, place, -1):
                values[above] = values[above - 1]
            values[place] = value
            found += 1
    return values[:found]


@kernel
def find_grades(relevances: Array, values: Array, grades: Array) -> None:
    """The place of each relevance among the values.

    Args:
        relevances: as for `find_values`.
        values: what that found.
        grades: out, uint8, as long as `relevances`.
    """
    for begin in range(0, relevances.size, _BLOCK):
        block, places = relevances[begin : begin + _BLOCK], grades[begin : begin + _BLOCK]
        places[:] = 0
        for value in values[: max(values.size - 1, 0)]:
            bound = _as_type(value, block)
            for k in range(block.size):
                places[k] += block[k] > bound


@inner
def _as_type(value: float, like: Array) -> float:
    """A value in the type of an array."""
    one = np.empty(1, like.dtype)
    one[0] = value
    return one[0]
