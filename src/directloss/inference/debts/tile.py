"""Several rows on a block of columns, cell by cell."""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, inner

__all__ = ["WIDTH", "pass_tile"]

WIDTH = 64
"""Columns of a block: the bits of a word."""


@inner
def pass_tile(
    collected: Array,
    negatives: Array,
    reward: float,
    place: int,
    scores: Array,
    ranks: Array,
    debts: Array,
    rises: Array,
    backward: Array,
) -> None:
    """`reference.pass_row` for several rows on some columns.

    A cell waits for what its row owes from the left, and for what its column has collected from
    above. Cells of an antidiagonal, on which i + n is the same, do not wait for each other: the
    processor does several at once.

    Args:
        collected: in and out, float64 (w,), g of the columns; w <= WIDTH.
        negatives: float64 (w,), their scores.
        place: i + n of the first cell.
        scores, ranks: float64 (R,), a_i and i.
        debts: in and out, float64 (R,).
        rises: out, uint64 (R,): bit k, whether g_i > 0 in column k.
        backward: scratch, float64 (2, WIDTH).
    """
    # Unsigned numbers as indices spare a test for negative ones, and with it let the loop be
    # vectorised; columns stand from right to left, so that both indices ascend along a diagonal.
    one, highest = np.uint64(1), np.uint64(1) << np.uint64(WIDTH - 1)
    width, rows = np.uint64(collected.size), np.uint64(scores.size)
    g, b = backward[0], backward[1]
    for k in range(width):
        g[k], b[k] = collected[width - one - k], negatives[width - one - k]
    for k in range(rows):
        rises[k] = np.uint64(0)
    for diagonal in range(width + rows - one):
        q = np.float64(place + diagonal)
        toll = reward / ((q - 1.0) * q)
        reached = max(diagonal + one, width)
        row, column = reached - width, reached - diagonal - one
        for k in range(min(rows, diagonal + one) - row):
            step = b[column + k] - (scores[row + k] + toll * ranks[row + k])
            balance = g[column + k] + step - debts[row + k]
            rest = balance if balance > 0.0 else 0.0
            g[column + k], debts[row + k] = rest, rest - balance
            bit = highest if balance > 0.0 else np.uint64(0)
            rises[row + k] = (rises[row + k] >> one) | bit
    for k in range(width):
        collected[k] = g[width - one - k]
    for k in range(rows):
        rises[k] >>= np.uint64(WIDTH) - width
