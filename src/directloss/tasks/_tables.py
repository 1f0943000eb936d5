"""The two short arrays that say a ranking metric, for every list of a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

import numpy as np

from directloss._arguments import check_function, is_number, number
from directloss._range import LARGEST_VALUE
from directloss.errors import ArgumentError
from directloss.inference._kernel import Array
from directloss.inference.pooled import all_equal
from directloss.inference.separable import all_convex, convex_up_to
from directloss.lists import ClassSizes

__all__ = ["Counted", "FixedTable", "ListTable", "Read", "Table", "as_table", "flat_offsets"]

Elementwise = Callable[[Array, Array, Array], Array]
"""(index, number of positives, number of negatives) -> values, elementwise on arrays."""


_BLOCK = 1 << 14
"""Entries of a table that are made at once."""


Counted = Literal["positives", "negatives", "items"]
"""What the entries of a table count: of a list with m of these it has entries 0 .. m."""


Read = tuple[Array, Array]
"""Values and offsets: entry k of list l's table is values[offsets[l] + k]."""


class Table(ABC):
    """Values by index, which may depend on the class sizes of the list.

    Attributes:
        scales: numbers of positives (L,) -> the factor of each list's entries, float64 (L,).
    """

    scales: Callable[[Array], Array]

    @abstractmethod
    def read(self, sizes: ClassSizes, counted: Counted) -> Read:
        """The entries of every list; none for a list without both classes."""

    def equal(self, read: Read, sizes: ClassSizes, counted: Counted, first: int) -> bool:
        """Whether the entries from `first` on are equal, in every list with both classes.

        Args:
            read: what `read` gave for these sizes.
        """
        return all_equal(*read, first, _lasts(sizes, counted))

    def convex(
        self, read: Read, sizes: ClassSizes, counted: Counted, first: int, sign: float
    ) -> bool:
        """Whether sign * values is convex from entry `first` on, in every list with both classes.

        Args:
            read: what `read` gave for these sizes.
            sign: 1 or -1.
        """
        return all_convex(*read, first, _lasts(sizes, counted), sign)


class FixedTable(Table):
    """The same values in every list, but for a factor: made once, and lengthened on demand.

    Args:
        values: index array -> values.
        scale: numbers of positives -> factors of the lists, finite for a list without positives,
            too, where nobody reads them; None: 1.
        name: the argument that errors name.
    """

    def __init__(
        self,
        values: Callable[[Array], Array],
        scale: Callable[[Array], Array] | None = None,
        *,
        name: str,
    ) -> None:
        self._function = values
        self.scales = scale or _one_each
        self._name = name
        self._made = np.empty(0)
        self._convex: dict[tuple[int, float], tuple[int, int]] = {}

    def read(self, sizes: ClassSizes, counted: Counted) -> Read:
        last, made = sizes.most[counted], self._made
        return made if made.size > last else self.up_to(last), sizes.zeros

    def up_to(self, last: int) -> Array:
        """The entries 0 .. last, or more."""
        made = self._made
        if made.size > last:
            return made
        made = np.empty(max(last + 1, 2 * made.size, 2))
        for begin in range(0, made.size, _BLOCK):  # no temporary as long as the table
            index = np.arange(begin, min(begin + _BLOCK, made.size))
            made[index] = _checked(self._function(index), self._name)
        # Rebound as a whole, so that other threads read either the old or the new one.
        self._made = made
        return made

    def convex(
        self, read: Read, sizes: ClassSizes, counted: Counted, first: int, sign: float
    ) -> bool:
        # One table for all lists: looked through once, not with every batch.
        looked_at, reach = self._convex.get((first, sign), (0, 0))
        last = sizes.most[counted]
        if looked_at <= last:
            values, _ = read
            looked_at = values.size
            reach = convex_up_to(values, first, looked_at - 1, sign)
            self._convex[first, sign] = looked_at, reach
        # The longest list may be one of a single class, which does not count.
        return last <= reach or int(_lasts(sizes, counted).max(initial=0)) <= reach

    def __repr__(self) -> str:
        return _shown(self._function)

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_made": np.empty(0), "_convex": {}}


class ListTable(Table):
    """Values that depend on P and N in any way: made for every list of every batch.

    Args:
        values: as `Elementwise`.
        first: the index of the first entry as the function counts.
        name: the argument that errors name.
    """

    def __init__(self, values: Elementwise, *, first: int, name: str) -> None:
        self._function = values
        self.scales = _one_each
        self._first = first
        self._name = name

    def __repr__(self) -> str:
        return _shown(self._function)

    def read(self, sizes: ClassSizes, counted: Counted) -> Read:
        positives, negatives = sizes.positives, sizes.negatives
        both = (positives > 0) & (negatives > 0)
        offsets = flat_offsets(np.where(both, _lasts(sizes, counted) + 1, 0))
        values = np.zeros(offsets[-1])
        if positives.size == 1:
            # Without a look-up of each entry's list, which takes most of the time of a long one.
            index = np.arange(self._first, offsets[-1])
            counts = [np.broadcast_to(count, index.size) for count in (positives, negatives)]
            values[self._first :] = self._of(index, *counts)
        else:
            owner = np.repeat(np.arange(positives.size), np.diff(offsets))
            index = np.arange(offsets[-1]) - offsets[owner]
            real = index >= self._first
            entries = owner[real]
            values[real] = self._of(index[real], positives[entries], negatives[entries])
        return values, offsets[:-1]

    def _of(self, index: Array, positives: Array, negatives: Array) -> Array:
        values = np.asarray(self._function(index, positives, negatives))
        if values.shape not in ((), index.shape):
            wanted = f"one value an index, of shape {index.shape}"
            raise ArgumentError(self._name, f"values of shape {values.shape}", wanted)
        return _checked(values, self._name)


class _FromArray:
    """An array as a function of the index, the first entry at `first`; 0 before it and past it."""

    def __init__(self, values: Array, first: int) -> None:
        self._values, self._first = values, first

    def __call__(self, index: Array) -> Array:
        at = index - self._first
        inside = (at >= 0) & (at < self._values.size)
        found: Array = np.where(inside, self._values[np.where(inside, at, 0)], 0.0)
        return found

    def __repr__(self) -> str:
        head = ", ".join(f"{value:.3g}" for value in self._values[:_SHOWN])
        more = f", ... {self._values.size} in all" if self._values.size > _SHOWN else ""
        return f"[{head}{more}]"


class _Constant:
    """One number, whatever the index."""

    def __init__(self, value: float) -> None:
        self._value = value

    def __call__(self, index: Array) -> Array:
        return np.full(index.size, self._value)

    def __repr__(self) -> str:
        return f"{self._value:g}"


_SHOWN = 3
"""Entries of an array that its `repr` names."""


def _shown(function: object) -> str:
    """A name without the address in memory, which would differ from run to run."""
    has_repr = type(function).__repr__ is not object.__repr__
    name = getattr(function, "__name__", type(function).__name__)
    return repr(function) if has_repr and not hasattr(function, "__name__") else name


def as_table(given: object, *, first: int, index: str, name: str) -> Table:
    """A user's argument as a table: one itself, a function (index, P, N), an array or a number.

    Args:
        first: the index of the first entry.
        index: its letter, for errors.
        name: the argument that errors name.
    """
    wanted = f"a function of ({index}, P, N), numbers of shape (m,), or a number"
    if isinstance(given, Table):
        return given
    if callable(given):
        check_function(name, given, index, "P", "N")
        return ListTable(given, first=first, name=name)
    if is_number(given):
        value = number(name, given, np.isfinite, wanted)
        _checked(np.array([value]), name)
        return FixedTable(_Constant(value), name=name)
    try:
        array = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise ArgumentError(name, repr(given), wanted) from error
    if array.ndim != 1 or array.size == 0:
        raise ArgumentError(name, f"an array of shape {array.shape}", wanted)
    return FixedTable(_FromArray(_checked(array, name), first), name=name)


def flat_offsets(sizes: Array) -> Array:
    """Where tables of these sizes begin when they follow each other; one entry more at the end."""
    offsets = np.zeros(sizes.size + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets


def _one_each(positives: Array) -> Array:
    return np.ones(positives.size)


def _lasts(sizes: ClassSizes, counted: Counted) -> Array:
    """The last entry of each list's table, int64 (L,); 0 for a list without both classes."""
    positives, negatives = sizes.positives, sizes.negatives
    numbers = {"positives": positives, "negatives": negatives, "items": positives + negatives}
    return numbers[counted] * (np.minimum(positives, negatives) > 0)


def _checked(values: Array, name: str) -> Array:
    values = np.asarray(values, np.float64)
    if not (np.abs(values) <= LARGEST_VALUE).all():
        wrong = values[~(np.abs(values) <= LARGEST_VALUE)][0]
        raise ArgumentError(name, wrong, f"finite values, of size {LARGEST_VALUE:.3g} at most")
    if name == "rank_weights" and (values < 0.0).any():
        raise ArgumentError(name, values.min(), "values >= 0")
    return values
