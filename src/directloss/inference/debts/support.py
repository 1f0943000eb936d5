"""Where each row collects: a bit a column, and a log of what each row changed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from directloss.inference._kernel import Array, inner
from directloss.inference.debts.rectangle import Rectangle
from directloss.inference.debts.tile import WIDTH

__all__ = ["Log", "empty_log", "walk_back", "with_room", "write_down"]


class Log(NamedTuple):
    """Words of bits as they were before a row changed them, in a chain for each row.

    Attributes:
        newest: int32 (rows,), the last entry of each row, or -1.
        before: int32 (E,), for each entry the one before it of the same row, or -1.
        blocks: int32 (E,), the block of columns.
        words: uint64 (E,), its bits before.
        used: int64 (1,), the number of entries.
    """

    newest: Array
    before: Array
    blocks: Array
    words: Array
    used: Array


@inner
def empty_log(rows: int, entries: int) -> Log:
    newest = np.empty(rows, np.int32)
    for row in range(rows):
        newest[row] = -1
    before, blocks = np.empty(entries, np.int32), np.empty(entries, np.int32)
    return Log(newest, before, blocks, np.empty(entries, np.uint64), np.zeros(1, np.int64))


@inner
def with_room(log: Log, more: int) -> Log:
    """The log, or a longer copy, with room for so many entries more."""
    used, entries = log.used[0], log.words.size
    if used + more <= entries:
        return log
    entries = max(2 * entries, used + more)
    before, blocks = np.empty(entries, np.int32), np.empty(entries, np.int32)
    words = np.empty(entries, np.uint64)
    for k in range(used):  # an assignment of slices compiles to far more
        before[k], blocks[k], words[k] = log.before[k], log.blocks[k], log.words[k]
    return Log(log.newest, before, blocks, words, log.used)


@inner
def write_down(log: Log, first: int, block: int, old: np.uint64, rises: Array) -> None:
    """Log the changes of a block that goes from `old` through the words of some rows.

    Args:
        first: the first of the rows, from 0 in the rectangle.
        rises: uint64 (R,), the block's bits after each row.
    """
    for k in range(rises.size):
        if rises[k] != old:
            entry, row = log.used[0], first + k
            log.before[entry], log.blocks[entry] = log.newest[row], block
            log.words[entry], log.newest[row] = old, entry
            log.used[0] = entry + 1
        old = rises[k]


@inner
def walk_back(rectangle: Rectangle, words: Array, log: Log, negatives_above: Array) -> None:
    """n_i, the last n <= n_(i+1) at which row i rises, from the last row to the first.

    Args:
        words: in and out, uint64 (blocks,): bits after the last row; what they were is restored.
        negatives_above: out, int32 (P,); only positives of the rectangle are written.
    """
    n = rectangle.right - rectangle.left
    for row in range(log.newest.size - 1, -1, -1):
        if n > 0:
            block = (n - 1) // WIDTH
            word = words[block] << np.uint64(WIDTH * (block + 1) - n)
            while word == np.uint64(0) and block > 0:
                block -= 1
                word, n = words[block], WIDTH * (block + 1)
            if word == np.uint64(0):
                n = 0
            else:
                while not word >> np.uint64(WIDTH - 1):  # its highest bit is column n
                    word <<= np.uint64(1)
                    n -= 1
        negatives_above[rectangle.first + row] = rectangle.left + n
        entry = log.newest[row]
        while entry >= 0:
            words[log.blocks[entry]] = log.words[entry]
            entry = log.before[entry]
