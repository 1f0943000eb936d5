"""Call a kernel with its thread's scratch memory, and with keys that are sorted already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from directloss.inference import memory, threads
from directloss.inference._kernel import Array

__all__ = ["ToSort", "with_scratch"]


class ToSort(NamedTuple):
    """What `sorted_keys` sorts for a kernel.

    Attributes:
        scores, labels, offsets: of a ragged batch.
        index_bits: of a key, that the index may have.
        words_before: words an item of scratch memory that the kernel may write while it reads the
            keys, which for a single list lie behind those.
    """

    scores: Array
    labels: Array
    offsets: Array
    index_bits: int
    words_before: int


def with_scratch(
    kernel: Callable[..., None],
    first: int,
    last: int,
    arguments: tuple[Any, ...],
    words: int,
    to_sort: ToSort,
) -> None:
    """Call `kernel(first, last, *arguments, keys, unsorted, scratch)`.

    Args:
        words: of 8 bytes, that the kernel needs for each item of its longest list.
        to_sort: of which the kernel gets the `sorted_keys`.
    """
    offsets, single = to_sort.offsets, last - first == 1
    items = int(offsets[last] - offsets[first])
    longest = items if single else int(np.diff(offsets[first : last + 1]).max(initial=0))
    words *= longest + 8
    given = memory.take(words if single else words + items)
    at = to_sort.words_before * (items + 8) if single else words
    flat = to_sort.scores, to_sort.labels, offsets, to_sort.index_bits
    keys = threads.sorted_keys(first, last, *flat, given[at : at + items])
    kernel(first, last, *arguments, *keys, given)
    memory.give_back(given)  # after an error it is simply let go
