"""Some rows that are passed together, and what each owes at the border that they have reached."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from directloss.inference._kernel import Array, inner
from directloss.inference.debts.rectangle import Rectangle
from directloss.inference.debts.tile import WIDTH

__all__ = ["Strip", "move_down", "owe", "owed", "strips"]

_SHORTEST, _TALLEST = 8, 64
"""Rows of a strip."""


class Strip(NamedTuple):
    """Rows top .. bottom - 1.

    Attributes:
        number, height: of the strip, from 0; rows of any but the last.
        sums_before: float64 (strips,), sums of a - center over the rows before each strip.
        scores, ranks: float64 (bottom - top,), a_i and i of each row.
        debts: float64 (bottom - top,), what each owes.
        rises, backward: scratch of `tile.pass_tile`.
    """

    number: int
    height: int
    top: int
    bottom: int
    sums_before: Array
    scores: Array
    ranks: Array
    debts: Array
    rises: Array
    backward: Array


@inner
def strips(rectangle: Rectangle) -> Strip:
    """An empty strip before the first."""
    rows = rectangle.last - rectangle.first
    # Tiles as wide as the columns that the end of the support passes in as many rows.
    height = rows * WIDTH // max(rectangle.right - rectangle.left, 1)
    height = min(max(height, _SHORTEST), _TALLEST, rows)
    sums_before = np.empty((rows + height - 1) // height)
    total = 0.0
    for k in range(rows):
        if k % height == 0:
            sums_before[k // height] = total
        total += rectangle.positives[rectangle.first + k] - rectangle.center
    return Strip(
        -1,
        height,
        rectangle.first,
        rectangle.first,
        sums_before,
        np.empty(height),
        np.empty(height),
        np.empty(height),
        np.empty(height, np.uint64),
        np.empty((2, WIDTH)),
    )


@inner
def move_down(rectangle: Rectangle, strip: Strip) -> Strip:
    """The next strip, whose rows owe nothing yet."""
    top, bottom = strip.bottom, min(strip.bottom + strip.height, rectangle.last)
    rows = bottom - top
    for k in range(rows):
        strip.scores[k] = rectangle.positives[top + k]
        strip.ranks[k] = top + k + 1.0
        strip.debts[k] = 0.0
    return Strip(
        strip.number + 1,
        strip.height,
        top,
        bottom,
        strip.sums_before,
        strip.scores[:rows],
        strip.ranks[:rows],
        strip.debts[:rows],
        strip.rises[:rows],
        strip.backward,
    )


@inner
def owe(rectangle: Rectangle, strip: Strip, start: int, stop: int, total: float) -> None:
    """Pass debts over columns start < n <= stop on which no row collects.

    Then delta(stop) = delta(start) - (v(stop) - v(start)), as both follow the same running maximum.

    Args:
        total: sum of b - center over these columns.
    """
    count = np.float64(stop - start)
    share = rectangle.reward * count
    for k in range(strip.debts.size):
        i = strip.ranks[k]
        gain = total - count * (strip.scores[k] - rectangle.center)
        gain -= share * (i / ((i + start) * (i + stop)))
        debt = strip.debts[k] - gain
        strip.debts[k] = debt if debt > 0.0 else 0.0


@inner
def owed(strip: Strip) -> tuple[float, float]:
    """The least and the most that a row owes."""
    least, most = strip.debts[0], strip.debts[0]
    for debt in strip.debts:
        least = debt if debt < least else least
        most = debt if debt > most else most
    return least, most
