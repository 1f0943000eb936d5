"""Memory that a thread keeps from one call to the next.

The system hands out fresh memory page by page, as each is first touched; the C library gives large
blocks back to it as soon as they are free. Of a step on a million items that can be a third, and a
second thread makes it no faster.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import local
from typing import Generic, Protocol, TypeVar
from weakref import ref

import numpy as np

from directloss.inference._kernel import Array

__all__ = ["Kept", "Workspace", "give_back", "lent", "take"]

_MOST_KEPT = 1 << 25
"""Words of either kind that a thread holds on to between calls (256 MiB)."""


_NOTHING = np.empty(0, np.uint64)


class _Memory(local):
    """What one thread keeps.

    Attributes:
        scratch: uint64.
        to_lend: the bytes of an int64 array.
        borrower: the last array that looked into those; every view of it keeps it alive.
    """

    def __init__(self) -> None:
        self.scratch = _NOTHING
        self.to_lend = np.empty(0, np.int64).data
        self.borrower: ref[Array] | None = None


_kept = _Memory()


def take(words: int) -> Array:
    """Words, uint64 and at least so many, that are the caller's until `give_back`.

    They leave the thread's slot: a call that begins before they are back, as that of a signal
    handler may, gets others.
    """
    array, _kept.scratch = _kept.scratch, _NOTHING
    return array if array.size >= words else np.empty(words, np.uint64)


def give_back(array: Array) -> bool:
    """Keep words of `take` for the next call of this thread; returns whether they are kept."""
    kept = _kept.scratch.size < array.size <= _MOST_KEPT
    if kept:
        _kept.scratch = array
    return kept


class Workspace(Protocol):
    """Words of `take`, taken apart as arrays of several types.

    Attributes:
        words: the words.
        shape: by which they were taken apart.
    """

    words: Array
    shape: tuple[int, ...]


_W = TypeVar("_W", bound=Workspace)


class Kept(local, Generic[_W]):
    """The workspace that each thread had last: most steps ask for the same.

    Args:
        make: of words and a shape.
    """

    def __init__(self, make: Callable[[Array, tuple[int, ...]], _W]) -> None:
        self._make = make
        self._last: _W | None = None

    def take(self, words: int, shape: tuple[int, ...]) -> _W:
        """A workspace that is the caller's until `give_back`."""
        array = take(words)
        last, self._last = self._last, None
        if last is not None and last.words is array and last.shape == shape:
            return last
        return self._make(array, shape)

    def give_back(self, used: _W) -> None:
        """Keep it for the next call of this thread; after an error it is simply let go."""
        if give_back(used.words):
            self._last = used


def lent(words: int) -> Array:
    """An int64 array (words,) that is its holder's alone, as long as it or a view of it lives."""
    if not 0 < words <= _MOST_KEPT:
        return np.empty(words, np.int64)
    in_use = _kept.borrower is not None and _kept.borrower() is not None
    if in_use or _kept.to_lend.nbytes < 8 * words:
        _kept.to_lend = np.empty(words, np.int64).data  # who uses the old one keeps it
    # A view refers to the array that owns its memory. This array looks into a buffer, which is no
    # array: it counts as the owner, and is gone when the last of its views is.
    array = np.frombuffer(_kept.to_lend, np.int64, words)
    loan = ref(array)
    # No call stands between the next two lines, so that no signal handler runs there.
    before = _kept.borrower
    _kept.borrower = loan
    if before is not None and before() is not None:  # lent meanwhile, by a signal handler
        _kept.to_lend = np.empty(0, np.int64).data
        return np.empty(words, np.int64)
    return array
