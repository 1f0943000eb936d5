"""What each column has collected, and what is known of blocks of columns, and until when."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from directloss.inference._kernel import Array, inlined, inner
from directloss.inference.debts.rectangle import Rectangle
from directloss.inference.debts.strips import Strip
from directloss.inference.debts.tile import WIDTH

__all__ = [
    "FAN_OUT",
    "LEVELS",
    "Columns",
    "all_columns",
    "blocks_of",
    "ends",
    "entry",
    "fall_idle",
    "set_word",
    "sum_up",
    "wake",
    "withdraw",
]

_SHIFT = 4
FAN_OUT = 1 << _SHIFT
"""Stretches of one level that make one of the next; a power of two, as divisions take long."""

LEVELS = 4
"""Stretches of 64 columns, which are the blocks, of 1,024, of 16,384 and of 262,144."""

_HARMONIC_FROM = 32
"""Where four terms of the series of the harmonic numbers leave less than 4e-15."""


class Columns(NamedTuple):
    """The columns of a rectangle in blocks of `WIDTH`, and these in stretches of several levels.

    A stretch has one certificate at a time. Left of all columns that ever collected: nothing is
    collected there. If all of its blocks are idle: they only collect. If it has no support: a row
    that brings enough debt collects nothing there.

    Attributes:
        collected: float64, g of each column; of an idle block that before strip `idle_since`.
        words: uint64, of each block the bits of `tile.pass_tile`.
        sums_before: float64 (blocks + 1,), of b - center over all columns left of each block.
        idle_since: int32, of each block the strip since which it only collects; -1: not idle.
        places: int64 (LEVELS,): stretch k of a level is entry places[level] + k of what follows.
        until: int32, the first row for which the certificate may not hold.
        needs: float64, what is debt enough.
        idle, supported: int32, how many of its blocks are idle, and collect somewhere.
    """

    collected: Array
    words: Array
    sums_before: Array
    idle_since: Array
    places: Array
    until: Array
    needs: Array
    idle: Array
    supported: Array


@inner
def all_columns(rectangle: Rectangle) -> Columns:
    """Before the first row."""
    size = rectangle.right - rectangle.left
    blocks = (size + WIDTH - 1) // WIDTH
    sums_before = np.zeros(blocks + 1)
    for block in range(blocks):
        start, stop = ends(rectangle, block, 1)
        total = 0.0
        for n in range(start, stop):
            total += rectangle.negatives[n] - rectangle.center
        sums_before[block + 1] = sums_before[block] + total
    idle_since = np.zeros(blocks, np.int32)
    for block in range(blocks):
        idle_since[block] = -1
    places, stretches, entries = np.zeros(LEVELS, np.int64), blocks, 0
    for level in range(LEVELS):
        places[level] = entries
        entries += stretches
        stretches = (stretches + FAN_OUT - 1) // FAN_OUT
    return Columns(
        np.zeros(size),
        np.zeros(blocks, np.uint64),
        sums_before,
        idle_since,
        places,
        np.zeros(entries, np.int32),
        np.zeros(entries),
        np.zeros(entries, np.int32),
        np.zeros(entries, np.int32),
    )


@inlined
def blocks_of(level: int) -> int:
    """How many blocks a stretch has."""
    return 1 << (level * _SHIFT)


@inlined
def entry(columns: Columns, level: int, block: int) -> int:
    """The entry of the stretch of a level that holds a block."""
    return columns.places[level] + (block >> (level * _SHIFT))


@inner
def ends(rectangle: Rectangle, block: int, count: int) -> tuple[int, int]:
    """Columns left of a range of blocks, and up to its end."""
    start = rectangle.left + block * WIDTH
    return start, min(start + count * WIDTH, rectangle.right)


@inner
def set_word(columns: Columns, block: int, word: np.uint64) -> None:
    """Note which columns of a block collect."""
    change = np.int32(word != np.uint64(0)) - np.int32(columns.words[block] != np.uint64(0))
    columns.words[block] = word
    if change != 0:
        _count(columns, columns.supported, block, change)


@inner
def _count(columns: Columns, counts: Array, block: int, change: int | np.int32) -> None:
    """Add to the counts of all stretches of a block."""
    for level in range(LEVELS):
        counts[entry(columns, level, block)] += change


@inner
def sum_up(columns: Columns, block: int) -> None:
    """Let the certificates of all larger stretches of a block hold as long as those they are of."""
    for level in range(1, LEVELS):
        at = entry(columns, level, block)
        begin = columns.places[level - 1] + (at - columns.places[level]) * FAN_OUT
        until = columns.until[begin]
        for part in range(begin, min(begin + FAN_OUT, columns.places[level])):
            until = min(until, columns.until[part])
        columns.until[at] = until


@inner
def withdraw(columns: Columns, block: int) -> None:
    """Let no certificate of a block and its larger stretches hold any more."""
    for level in range(LEVELS):
        columns.until[entry(columns, level, block)] = 0


@inner
def fall_idle(columns: Columns, block: int, strip: int, until: int) -> None:
    """From strip `strip` to before row `until` a block only collects, unless a debt arrives."""
    columns.idle_since[block], columns.until[block] = strip, until
    _count(columns, columns.idle, block, 1)
    if columns.idle[entry(columns, 1, block)] == FAN_OUT:
        sum_up(columns, block)


@inner
def wake(rectangle: Rectangle, columns: Columns, block: int, strip: Strip) -> None:
    """Bring what an idle block has collected up to the first row of a strip.

    What rows t < k <= T gain on column n is, with A and H sums of a and of 1 / k,

        (T - t) b_n - (A_T - A_t)
            - r [H_(T + n) - H_(t + n) - (n - 1) (T - t) / ((T + n) (t + n))],

    as k / ((k + n - 1) (k + n)) = n / (k + n) - (n - 1) / (k + n - 1).
    """
    since = columns.idle_since[block]
    columns.idle_since[block] = -1
    _count(columns, columns.idle, block, -1)
    withdraw(columns, block)
    rows_before = rectangle.first + since * strip.height
    rows = strip.top - rows_before
    scores = strip.sums_before[strip.number] - strip.sums_before[since]
    start, stop = ends(rectangle, block, 1)
    reciprocals = _harmonic(strip.top + start) - _harmonic(rows_before + start)
    for n in range(start + 1, stop + 1):
        now, then = np.float64(strip.top + n), np.float64(rows_before + n)
        reciprocals += 1.0 / now - 1.0 / then
        gain = rows * (rectangle.negatives[n - 1] - rectangle.center) - scores
        cost = reciprocals - (n - 1.0) * rows / (now * then)
        columns.collected[n - 1 - rectangle.left] += gain - rectangle.reward * cost


@inner
def _harmonic(count: int) -> float:
    """1 + 1/2 + ... + 1/count."""
    total = 0.0
    for k in range(min(count, _HARMONIC_FROM)):
        total += 1.0 / (k + 1.0)
    if count <= _HARMONIC_FROM:
        return total
    x = np.float64(count)
    square = x * x
    tail = 0.5 / x - (1.0 - (0.1 - 1.0 / (21.0 * square)) / square) / (12.0 * square)
    return np.log(x) + np.euler_gamma + tail
