"""Spread the lists of a ragged batch over threads of our own.

numba's threading layers are shared by the process and the portable one aborts under concurrent
callers; kernels that hold no GIL need none of them. The pool is made on first use and made anew
in a forked child, where the parent's threads do not exist.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from threading import Lock, local
from typing import Any

import numpy as np
import torch

from directloss.inference._kernel import Array
from directloss.inference.sorting import sorted_keys  # by the thread that has the range

__all__ = ["CACHED", "even_parts", "over_lists", "sorted_keys"]

_WORTH_A_THREAD = 1 << 15
"""Items below which waking another thread costs more than it saves (about 0.1 ms of work)."""

_WORTH_A_CALL = 1 << 14
"""Items below which a range of lists is not worth a call of its own."""

CACHED = 1 << 15
"""Items of short lists that are sorted, solved and written together: their words fit the cache."""

_PARTS = 8
"""Ranges of lists for each thread."""


class _Sharing(local):
    """Whether this thread is sharing work out.

    A signal handler may run in the midst of that. It works alone: the locks of the pool are not
    for one thread to take twice.
    """

    now = False


_sharing = _Sharing()
_pool: ThreadPoolExecutor | None = None
_lock = Lock()


def over_lists(
    kernel: Callable[..., Any],
    offsets: Array,
    *arguments: Any,
    most: int | None = None,
) -> None:
    """Call `kernel(first, last, *arguments)` on ranges that cover all lists.

    Uses up to `torch.get_num_threads()` threads where several lists hold enough items.

    Args:
        kernel: compiled without the GIL; writes only what belongs to lists first .. last - 1.
        offsets: int64 (L + 1,), by which work is shared out.
        arguments: passed on as they are.
        most: about as many items as a range of several lists may have, also on one thread.
    """
    lists = offsets.size - 1
    if lists == 1:
        kernel(0, 1, *arguments)
        return
    items = int(offsets[-1])
    workers = min(torch.get_num_threads(), lists, items // _WORTH_A_THREAD)
    alone = workers <= 1 or _sharing.now
    parts = 1 if alone else min(_PARTS * workers, items // _WORTH_A_CALL)
    if most is not None:
        parts = max(parts, items // most)
    if parts <= 1:
        kernel(0, lists, *arguments)
        return
    if parts >= lists:  # few long lists, each a range of its own
        edges: Sequence[int] = range(lists + 1)
    else:
        cuts = np.searchsorted(offsets, np.linspace(0, items, parts + 1)[1:-1])
        edges = [0, *(int(cut) for cut in cuts), lists]
    # Whoever is free takes the next range: a thread of a processor that has to be woken first may
    # come when half of the work is done.
    ranges = iter([(a, b) for a, b in pairwise(edges) if a < b])

    def work() -> None:
        for first, last in ranges:
            kernel(first, last, *arguments)

    if alone:
        work()
        return
    pending: list[Future[None]] = []
    _sharing.now = True
    try:
        pending += [_threads().submit(work) for _ in range(workers - 1)]
        work()
    finally:
        _sharing.now = False
        for future in pending:
            if not future.cancel():  # one that never came is not waited for
                future.result()


def even_parts(items: int) -> Array:
    """Bounds of as many even parts of a range of items as are worth a thread each, int64.

    They are the offsets with which `over_lists` makes one call for each part.
    """
    parts = max(1, min(torch.get_num_threads(), items // _WORTH_A_THREAD))
    return np.arange(parts + 1) * items // parts


def _threads() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="directloss")
        return _pool


def _forget_threads() -> None:
    global _pool, _lock
    _pool, _lock = None, Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
