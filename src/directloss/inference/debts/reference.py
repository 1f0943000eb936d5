"""One row after the other, every cell of it: what the fast solver does in blocks, in ten lines.

With M_i(n) the most that positives 1 .. i can earn with at most n negatives above them, a row keeps
the steps g_i(n) = M_i(n) - M_i(n - 1) >= 0, not the values. Its own gain for one more negative is
d_i(n) = v_i(n) - v_i(n - 1). Where that is negative, the row runs into debt; what later columns
gain pays the debt first, and the rest is collected.
"""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, inner
from directloss.inference.debts.rectangle import Rectangle

__all__ = ["pass_row", "solve_row_by_row"]


@inner
def pass_row(rectangle: Rectangle, row: int, collected: Array) -> None:
    """g_i from g_(i-1), in place: M_i(n) - f_i(n) is the debt, f_i - M_(i-1) moves by d_i.

    Args:
        collected: float64 (right - left,), g.
    """
    i, debt = row + 1.0, 0.0
    for k in range(collected.size):
        n = rectangle.left + k + 1.0
        step = rectangle.negatives[rectangle.left + k] - rectangle.positives[row]
        step -= rectangle.reward * i / ((i + n - 1.0) * (i + n))
        balance = collected[k] + step - debt
        collected[k] = max(balance, 0.0)
        debt = max(-balance, 0.0)


@inner
def solve_row_by_row(rectangle: Rectangle, negatives_above: Array) -> None:
    """The smallest best number of negatives above each positive, in as many steps as cells.

    n_i is the last n <= n_(i+1) at which M_i rises, as that is where its maximum was first
    attained.

    Args:
        negatives_above: out, int32 (P,); only positives of the rectangle are written.
    """
    columns, rows = rectangle.right - rectangle.left, rectangle.last - rectangle.first
    collected = np.zeros(columns, np.float64)
    rises = np.empty((rows, columns), np.bool_)
    for row in range(rows):
        pass_row(rectangle, rectangle.first + row, collected)
        for k in range(columns):
            rises[row, k] = collected[k] > 0.0
    n = columns
    for row in range(rows - 1, -1, -1):
        while n > 0 and not rises[row, n - 1]:
            n -= 1
        negatives_above[rectangle.first + row] = rectangle.left + n
