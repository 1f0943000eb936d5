"""Bring the entries of each group together: a counting sort by the number of the group.

In any order, groups cost a random access for each entry, four times over: these are shared out to
the threads that solve the lists, too.
"""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, kernel
from directloss.inference.memory import lent
from directloss.inference.threads import even_parts, over_lists

__all__ = [
    "ascending_starts",
    "gather",
    "group_entries",
    "grouped",
    "kept_entries",
    "scatter",
    "scatter_both",
]

_MOST_EMPTY = 4
"""Numbers between the lowest and the highest, for each entry, up to which counting beats sorting:
they are memory as well."""

_COUNTER = 4
"""Entries for each group from which on counting is shared out: each thread has its own counters."""

_APART = 16
"""Words between the counters of two threads: no cache line, nor the one that the processor fetches
with it, is written by both."""

_BLOCK = 1 << 10
"""Entries that are looked at before what was found counts."""


def ascending_starts(groups: Array) -> Array | None:
    """Where groups begin, int64 (G,), if the entries come by ascending group already; else None.

    Queries of a ranking table do as a rule, and then nothing has to be moved.
    """
    if groups.size == 0:
        return np.empty(0, np.int64)
    rises = _rises(groups)
    if rises < 0:
        return None
    starts = np.zeros(rises + 1, np.int64)
    _write_starts(groups, starts)
    return starts


@kernel
def _rises(groups: Array) -> int:
    """How often an entry is above the one before it; -1 where one is below."""
    rises = 0
    for begin in range(1, groups.size, _BLOCK):  # several at once, and an early end
        end = min(begin + _BLOCK, groups.size)
        here, before = groups[begin:end], groups[begin - 1 : end - 1]
        falls = 0
        for k in range(here.size):
            falls += here[k] < before[k]
            rises += here[k] > before[k]
        if falls > 0:
            return -1
    return rises


@kernel
def _write_starts(groups: Array, starts: Array) -> None:
    """The places of the rises, after the first entry, which is there already."""
    group = 0
    for k in range(1, groups.size):
        if groups[k] != groups[k - 1]:
            group += 1
            starts[group] = k


def grouped(groups: Array) -> tuple[Array, Array | None]:
    """Where entries brought together by ascending group begin, and go; those of one as they came.

    Args:
        groups: integers (n,), any.

    Returns:
        starts: int64 (G,), the first place of each group.
        position: int64 (n,), the place of each entry; None where it stands there already. Values go
            there by `scatter` and come back by `gather`, both in the order in which entries came:
            so each group is written, or read, from its front to its back, and no two threads share
            its cache lines but at an edge.
    """
    starts = ascending_starts(groups)
    return (starts, None) if starts is not None else group_entries(groups)


def group_entries(groups: Array) -> tuple[Array, Array]:
    """As `grouped`, of groups in any order."""
    n = groups.size
    if n == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    if groups.dtype == np.uint64:  # not all of them are int64
        _, groups = np.unique(groups, return_inverse=True)
    groups = groups.astype(np.int64, copy=False)
    lowest, highest = _range(groups)
    if highest - lowest >= _MOST_EMPTY * n:
        _, groups = np.unique(groups, return_inverse=True)
        lowest, highest = 0, int(groups.max())
    numbers = highest - lowest + 1
    # Each thread counts and places a part of the entries; counters for each are memory as well.
    bounds = even_parts(n) if numbers <= n // _COUNTER else np.array([0, n])
    counters = np.zeros((bounds.size - 1, numbers + _APART), np.int64)
    counts = counters[:, :numbers]
    over_lists(_count, bounds, groups, bounds, lowest, counters)
    # A part's entries of a group go behind those of the parts before it.
    ends = np.zeros(counts.size + 1, np.int64)
    np.cumsum(counts.T, out=ends[1:])
    counts[:] = ends[:-1].reshape(numbers, -1).T  # from here on where the next entry goes
    position = lent(n, "positions")
    over_lists(_place, bounds, groups, bounds, lowest, counters, position)
    starts = ends[: -1 : bounds.size - 1]
    return starts[np.diff(np.append(starts, n)) > 0], position


@kernel
def _range(groups: Array) -> tuple[int, int]:
    lowest = highest = groups[0]
    for k in range(groups.size):
        lowest, highest = min(lowest, groups[k]), max(highest, groups[k])
    return lowest, highest


@kernel
def _count(
    first: int, last: int, groups: Array, bounds: Array, lowest: int, counters: Array
) -> None:
    for part in range(first, last):
        for k in range(bounds[part], bounds[part + 1]):
            counters[part, groups[k] - lowest] += 1


@kernel
def _place(
    first: int,
    last: int,
    groups: Array,
    bounds: Array,
    lowest: int,
    counters: Array,
    position: Array,
) -> None:
    """Entry by entry to the end of what its group has so far."""
    for part in range(first, last):
        for k in range(bounds[part], bounds[part + 1]):
            group = groups[k] - lowest
            position[k] = counters[part, group]
            counters[part, group] += 1


def kept_entries(
    keep: Array, rows: int, bounds: Array, order: Array | None, *, per_row: bool
) -> tuple[Array, Array]:
    """Where the entries stand that a mask keeps, and where the lists begin that they form.

    Args:
        keep: bool, flat: of the entries of rows (rows, n), or one a row.
        bounds: int64 (G + 1,): list g of a row is ``order[bounds[g]:bounds[g + 1]]``; the last one
            is n.
        order: int64 (n,), places within a row; None: 0 to n - 1.
        per_row: whether `keep` has one entry a row.

    Returns:
        int64 (kept,), places among the flattened rows, list by list; and offsets int64 (L + 1,).
    """
    offsets = np.zeros(rows * (bounds.size - 1) + 1, np.int64)
    shares = np.arange(rows + 1) * bounds[-1]
    places = np.empty(0, np.int64) if order is None else order
    over_lists(_count_kept, shares, keep, bounds, places, per_row, offsets[1:])
    np.cumsum(offsets, out=offsets)
    index = np.empty(offsets[-1], np.int64)
    over_lists(_place_kept, shares, keep, bounds, places, per_row, offsets, index)
    return index, offsets


@kernel
def _count_kept(
    first: int, last: int, keep: Array, bounds: Array, order: Array, per_row: bool, sizes: Array
) -> None:
    groups, n = bounds.size - 1, bounds[-1]
    for row in range(first, last):
        for group in range(groups):
            count = 0
            if per_row:
                count = (bounds[group + 1] - bounds[group]) * keep[row]
            elif order.size == 0:
                for kept in keep[row * n + bounds[group] : row * n + bounds[group + 1]]:
                    count += kept
            else:
                for place in order[bounds[group] : bounds[group + 1]]:
                    count += keep[row * n + place]
            sizes[row * groups + group] = count


@kernel
def _place_kept(
    first: int,
    last: int,
    keep: Array,
    bounds: Array,
    order: Array,
    per_row: bool,
    offsets: Array,
    index: Array,
) -> None:
    groups, n = bounds.size - 1, bounds[-1]
    for row in range(first, last):
        for group in range(groups):
            # Which entries are kept no processor can guess: each is written, and stays if it is.
            at, end = offsets[row * groups + group], offsets[row * groups + group + 1]
            k = bounds[group]
            while at < end:
                place = row * n + (k if order.size == 0 else order[k])
                index[at] = place
                at += 1 if per_row else np.int64(keep[place])
                k += 1


def gather(values: Array, places: Array) -> Array:
    """values[places], flat, by several threads."""
    result = np.empty(places.size, values.dtype)
    bounds = even_parts(places.size)
    over_lists(_gather, bounds, values, places, bounds, result)
    return result


@kernel
def _gather(
    first: int, last: int, values: Array, places: Array, bounds: Array, result: Array
) -> None:
    for k in range(np.uint64(bounds[first]), np.uint64(bounds[last])):
        result[k] = values[np.uint64(places[k])]


def scatter(values: Array, places: Array, size: int) -> Array:
    """An array (size,) with values[k] at places[k], which differ, and 0 elsewhere."""
    # Where nothing is left out all is written.
    result = np.empty(size, values.dtype) if places.size == size else np.zeros(size, values.dtype)
    bounds = even_parts(places.size)
    over_lists(_scatter, bounds, values, places, bounds, result)
    return result


@kernel
def _scatter(
    first: int, last: int, values: Array, places: Array, bounds: Array, result: Array
) -> None:
    for k in range(np.uint64(bounds[first]), np.uint64(bounds[last])):
        result[np.uint64(places[k])] = values[k]


def scatter_both(one: Array, other: Array, position: Array) -> tuple[Array, Array]:
    """Two arrays (n,) with entry k at place position[k] of n, in one pass."""
    results = np.empty(position.size, one.dtype), np.empty(position.size, other.dtype)
    bounds = even_parts(position.size)
    over_lists(_scatter_both, bounds, one, other, position, bounds, *results)
    return results


@kernel
def _scatter_both(
    first: int,
    last: int,
    one: Array,
    other: Array,
    position: Array,
    bounds: Array,
    one_result: Array,
    other_result: Array,
) -> None:
    for k in range(np.uint64(bounds[first]), np.uint64(bounds[last])):
        place = np.uint64(position[k])
        one_result[place] = one[k]
        other_result[place] = other[k]
