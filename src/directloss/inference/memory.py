"""Memory that a thread keeps from one call to the next.

The system hands out fresh memory page by page, as each is first touched; the C library gives large
blocks back to it as soon as they are free. Of a step on a million items that can be a third, and a
second thread makes it no faster.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import local
from typing import Any, Generic, Protocol, TypeVar
from weakref import ref

import numpy as np

from directloss.inference._kernel import Array

__all__ = ["Kept", "Workspace", "lent"]

_MOST_KEPT = 1 << 25
"""Words of either kind that a thread holds on to between calls (256 MiB)."""


_NOTHING = np.empty(0, np.uint64)


class _Loan:
    """Memory that is lent.

    Attributes:
        memory: the bytes of an int64 array.
        borrower: the last array that looked into those; every view of it keeps it alive.
    """

    __slots__ = ("borrower", "memory")

    def __init__(self) -> None:
        self.memory = np.empty(0, np.int64).data
        self.borrower: ref[Array] | None = None


class _Memory:
    """What one thread keeps.

    Attributes:
        scratch: uint64.
        workspaces: of each kind the one that was used last.
        loans: by what they are for.
    """

    __slots__ = ("loans", "scratch", "workspaces")

    def __init__(self) -> None:
        self.scratch = _NOTHING
        self.workspaces: dict[Kept[Any], Any] = {}
        self.loans: dict[str, _Loan] = {}


class _Threads(local):
    """The memory of each thread, as one object: to look into a `local` takes long."""

    def __init__(self) -> None:
        self.memory = _Memory()


_threads = _Threads()


class Workspace(Protocol):
    """Words, uint64, taken apart as arrays of several types.

    Attributes:
        words: the words.
        shape: by which they were taken apart.
    """

    words: Array
    shape: tuple[int, ...]


_W = TypeVar("_W", bound=Workspace)


class Kept(Generic[_W]):
    """The workspace that each thread had last: most steps ask for the same.

    All kinds of workspace share the words of a thread.

    Args:
        make: of words and a shape.
        words_of: a shape -> how many words.
    """

    def __init__(
        self, make: Callable[[Array, tuple[int, ...]], _W], words_of: Callable[..., int]
    ) -> None:
        self._make, self._words_of = make, words_of

    def take(self, *shape: int) -> _W:
        """A workspace that is the caller's until `give_back`.

        Its words leave the thread's slot: a call that begins before they are back, as that of a
        signal handler may, gets others.
        """
        kept = _threads.memory
        last: _W | None = kept.workspaces.pop(self, None)
        # No call stands between the look and the taking, so that no signal handler runs there.
        words, kept.scratch = kept.scratch, _NOTHING
        if last is not None and last.shape == shape and last.words is words:
            return last
        needed = self._words_of(*shape)
        return self._make(words if words.size >= needed else np.empty(needed, np.uint64), shape)

    def give_back(self, used: _W) -> None:
        """Keep it for the next call of this thread; after an error it is simply let go."""
        kept, words = _threads.memory, used.words
        if kept.scratch.size < words.size <= _MOST_KEPT:
            kept.scratch, kept.workspaces[self] = words, used


def lent(words: int, use: str) -> Array:
    """An int64 array (words,) that is its holder's alone, as long as it or a view of it lives.

    Args:
        words: how many.
        use: what it is for; each use has memory of its own, which one step needs beside the others.
    """
    if not 0 < words <= _MOST_KEPT:
        return np.empty(words, np.int64)
    loan = _threads.memory.loans.setdefault(use, _Loan())
    before = loan.borrower
    in_use = before is not None and before() is not None
    if in_use or loan.memory.nbytes < 8 * words:
        loan.memory = np.empty(words, np.int64).data  # who uses the old one keeps it
    # A view refers to the array that owns its memory. This array looks into a buffer, which is no
    # array: it counts as the owner, and is gone when the last of its views is.
    array = np.frombuffer(loan.memory, np.int64, words)
    borrower = ref(array)
    # No call stands between the next two lines, so that no signal handler runs there.
    meanwhile = loan.borrower
    loan.borrower = borrower
    if meanwhile is not before:  # lent meanwhile, by a signal handler, maybe the same memory
        loan.memory = np.empty(0, np.int64).data
        return np.empty(words, np.int64)
    return array
