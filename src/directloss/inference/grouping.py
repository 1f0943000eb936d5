"""Bring the entries of each group together: a counting sort by the number of the group."""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, kernel

__all__ = ["ascending_starts", "bring_together"]

_MOST_EMPTY = 4
"""Numbers between the lowest and the highest, for each entry, up to which counting beats sorting:
they are memory as well."""


def ascending_starts(groups: Array) -> Array | None:
    """Where groups begin, int64 (G,), if the entries come by ascending group already; else None.

    Queries of a ranking table do as a rule, and then nothing has to be moved.
    """
    if groups.size and not _is_ascending(groups):
        return None
    return np.append(
        np.zeros(min(groups.size, 1), np.int64), np.flatnonzero(np.diff(groups) != 0) + 1
    )


@kernel
def _is_ascending(groups: Array) -> bool:
    for k in range(1, groups.size):
        if groups[k] < groups[k - 1]:
            return False
    return True


def bring_together(groups: Array) -> tuple[Array, Array]:
    """Order of the entries by group, those of a group as they came, and where groups begin.

    Args:
        groups: integers (n,), any.

    Returns:
        int64 (n,): the entries by ascending group. int64 (G,): the first place of each group.
    """
    n = groups.size
    if n == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    lowest, numbers = int(groups.min()), int(groups.max()) - int(groups.min()) + 1
    if numbers > _MOST_EMPTY * n:
        _, groups = np.unique(groups, return_inverse=True)
        lowest, numbers = 0, int(groups.max()) + 1
    groups = groups.astype(np.int64, copy=False)
    order, ends = np.empty(n, np.int64), np.zeros(numbers + 1, np.int64)
    _count(groups, lowest, ends[1:])
    np.cumsum(ends, out=ends)
    starts = ends[:-1][np.diff(ends) > 0]
    _distribute(groups, lowest, ends, order)
    return order, starts


@kernel
def _count(groups: Array, lowest: int, counts: Array) -> None:
    for k in range(groups.size):
        counts[groups[k] - lowest] += 1


@kernel
def _distribute(groups: Array, lowest: int, ends: Array, order: Array) -> None:
    """Entry by entry to the end of what its group has so far; ends begin as the groups' starts."""
    for k in range(groups.size):
        group = groups[k] - lowest
        order[ends[group]] = k
        ends[group] += 1
