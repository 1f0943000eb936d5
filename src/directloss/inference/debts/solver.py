"""Average precision in the negative direction: debts by strips of rows and blocks of columns.

`reference` has the recursion cell by cell. Most cells need no look. Where every column of a block
collects and no row comes with a debt, the block goes on to collect, and what it has is known in
closed form. Where no column does and every row comes with debt enough, what a row owes behind it is
known in closed form, for 64 columns or for many more. Left of the first column that has ever
collected it is known likewise. `certificates` says for how many rows each of that holds. What is
left, some blocks at the ends of the support, is passed cell by cell.
"""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, inlined, inner
from directloss.inference.debts.certificates import (
    collects_until,
    lasts_until,
    most_gained,
    untouched_until,
)
from directloss.inference.debts.columns import (
    FAN_OUT,
    LEVELS,
    Columns,
    all_columns,
    blocks_of,
    ends,
    entry,
    fall_idle,
    set_word,
    sum_up,
    wake,
    withdraw,
)
from directloss.inference.debts.rectangle import Rectangle
from directloss.inference.debts.strips import Strip, move_down, owe, owed, strips
from directloss.inference.debts.support import Log, empty_log, walk_back, with_room, write_down
from directloss.inference.debts.tile import WIDTH, pass_tile

__all__ = ["solve_by_debts"]


@inlined
def solve_by_debts(rectangle: Rectangle, high: Array, budget: int, negatives_above: Array) -> bool:
    """The smallest best number of negatives above each positive.

    Args:
        high: int32 (P,), never falling: some optimum has at most so many.
        budget: cells that may be looked at.
        negatives_above: out, int32 (P,); only positives of the rectangle are written; may be `high`
            itself.

    Returns:
        Whether the budget sufficed; if not, nothing is written.
    """
    columns, strip = all_columns(rectangle), strips(rectangle)
    log = empty_log(rectangle.last - rectangle.first, 1024)
    begin, cells = columns.words.size, 0
    while strip.bottom < rectangle.last:
        strip = move_down(rectangle, strip)
        most = min(high[strip.bottom - 1], rectangle.right) - rectangle.left
        end = (most + WIDTH - 1) // WIDTH
        begin, looked = _first_touched(rectangle, columns, strip, begin)
        cells += looked
        if begin < end:
            log, looked = _pass_strip(rectangle, columns, strip, begin, end, log)
            cells += looked
        if cells > budget:
            return False
    walk_back(rectangle, columns.words, log, negatives_above)
    return True


@inner
def _first_touched(
    rectangle: Rectangle, columns: Columns, strip: Strip, begin: int
) -> tuple[int, int]:
    """The first block in which something may have been collected when the strip is passed.

    Returns:
        That block, `begin` or one left of it; and the stretches that were looked at.
    """
    looked, block = 0, 0
    while block < begin:
        looked += 1
        level = _largest(block, begin)
        while level > 0 and columns.until[entry(columns, level, block)] < strip.bottom:
            level -= 1
        if level == 0 and columns.until[block] < strip.bottom:
            start, stop = ends(rectangle, block, 1)
            total = columns.sums_before[block] + rectangle.negatives[start] - rectangle.center
            mean = total / (block * WIDTH + 1) + rectangle.center
            until = untouched_until(rectangle, start, stop, mean, strip.top)
            if until < strip.bottom:
                for other in range(block, begin):
                    withdraw(columns, other)
                return block, looked
            columns.until[block] = until
            sum_up(columns, block)
        block += blocks_of(level)
    return begin, looked


@inner
def _largest(block: int, end: int) -> int:
    """Level of the largest stretch that begins with a block and ends before another."""
    level = 0
    while level + 1 < LEVELS and not block & (blocks_of(level + 1) - 1):
        if block + blocks_of(level + 1) > end:
            break
        level += 1
    return level


@inlined
def _pass_strip(
    rectangle: Rectangle, columns: Columns, strip: Strip, begin: int, end: int, log: Log
) -> tuple[Log, int]:
    """Pass the debts of a strip over blocks begin .. end - 1.

    Returns:
        The log, which may be a longer one; and the cells that were looked at.
    """
    start, _ = ends(rectangle, begin, 1)
    owe(rectangle, strip, rectangle.left, start, columns.sums_before[begin])
    looked, block = 0, begin
    while block < end:
        least, most = owed(strip)
        if most == 0.0:
            block = _over_idle_ones(columns, strip, block)
        elif least > 0.0:
            block, tried = _in_debt(rectangle, columns, strip, block, end)
            looked += tried
        if block < end:
            if columns.idle_since[block] >= 0:
                wake(rectangle, columns, block, strip)
            log = with_room(log, strip.debts.size)
            _cell_by_cell(rectangle, columns, strip, block, log)
            looked += strip.debts.size * WIDTH
            block += 1
    return log, looked


@inner
def _over_idle_ones(columns: Columns, strip: Strip, block: int) -> int:
    """The first block from `block` on that is not idle for all of the strip."""
    while block < columns.words.size:
        passed = 0
        for level in range(LEVELS):
            size, at = blocks_of(level), entry(columns, level, block)
            if block & (size - 1) or columns.idle[at] < size or columns.until[at] < strip.bottom:
                break
            passed = size
        if passed == 0:
            break
        block += passed
    return block


@inner
def _in_debt(
    rectangle: Rectangle, columns: Columns, strip: Strip, block: int, end: int
) -> tuple[int, int]:
    """Pass all rows over stretches on which none collects, as long as they owe enough.

    Returns:
        The block at whose left border they have arrived, and the cells that were looked at.
    """
    looked = 0
    least, _ = owed(strip)
    while block < end and least > 0.0 and columns.words[block] == np.uint64(0):
        passed = 0
        for level in range(LEVELS - 1, -1, -1):
            size, at = blocks_of(level), entry(columns, level, block)
            if block & (size - 1) or columns.supported[at] > 0:
                continue
            held = columns.until[at] >= strip.bottom and least >= columns.needs[at]
            if held or _certified(rectangle, columns, strip, level, block, least):
                start, stop = ends(rectangle, block, size)
                last = min(block + size, columns.words.size)
                total = columns.sums_before[last] - columns.sums_before[block]
                owe(rectangle, strip, start, stop, total)
                passed = size
                break
            looked += WIDTH if level == 0 else FAN_OUT
        looked += strip.debts.size
        if passed == 0:
            break
        block += passed
        least, _ = owed(strip)
    return block, looked


@inlined
def _certified(
    rectangle: Rectangle, columns: Columns, strip: Strip, level: int, block: int, least: float
) -> bool:
    """Find out what is debt enough on a stretch without support; whether `least` is, in this strip.

    Args:
        level, block: of the stretch.
        least: what every row owes at least.
    """
    start, stop = ends(rectangle, block, blocks_of(level))
    if level == 0:
        gain = most_gained(rectangle, start, stop, strip.top)
    else:
        gain = _most_gained_by_parts(rectangle, columns, strip, level, block)
    # Half of the slack for what later rows gain more, half for what they owe less.
    room = 0.5 * (least - gain)
    if not room > 0.0:
        return False
    at = entry(columns, level, block)
    columns.until[at] = lasts_until(rectangle, start, stop, strip.top, room)
    columns.needs[at] = gain + room
    return columns.until[at] >= strip.bottom


@inner
def _most_gained_by_parts(
    rectangle: Rectangle, columns: Columns, strip: Strip, level: int, block: int
) -> float:
    """What the strip's first row gains at most from a stretch's start on; inf if not known.

    Args:
        level, block: of the stretch.
    """
    start, _ = ends(rectangle, block, 1)
    i, score = strip.ranks[0], strip.scores[0] - rectangle.center
    share = rectangle.reward * i / (i + start)
    size = blocks_of(level - 1)
    most = -np.inf
    for part in range(block, min(block + FAN_OUT * size, columns.words.size), size):
        at = entry(columns, level - 1, part)
        if columns.until[at] < strip.bottom:
            return np.inf
        count = (part - block) * WIDTH
        gain = columns.sums_before[part] - columns.sums_before[block] - count * score
        gain -= share * count / (i + start + count)
        most = max(most, gain + columns.needs[at])
    return most


@inlined
def _cell_by_cell(
    rectangle: Rectangle, columns: Columns, strip: Strip, block: int, log: Log
) -> None:
    start, stop = ends(rectangle, block, 1)
    first = block * WIDTH
    pass_tile(
        columns.collected[first : first + stop - start],
        rectangle.negatives[start:stop],
        rectangle.reward,
        strip.top + start + 2,
        strip.scores,
        strip.ranks,
        strip.debts,
        strip.rises,
        strip.backward,
    )
    write_down(log, strip.top - rectangle.first, block, columns.words[block], strip.rises)
    word = strip.rises[strip.rises.size - 1]
    set_word(columns, block, word)
    full = word == ~np.uint64(0) >> np.uint64(WIDTH - (stop - start))
    if full and strip.bottom < rectangle.last:
        until = collects_until(rectangle, start, stop, strip.bottom, strip.height)
        if until > strip.bottom:
            fall_idle(columns, block, strip.number + 1, until)
