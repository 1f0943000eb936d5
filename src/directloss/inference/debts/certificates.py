"""What is known of many rows at once: three certificates, each with its proof.

D_i(s, x) = (v_i(x) - v_i(s)) / (x - s) is the mean of row i's own gains on the columns s < n <= x,

    D_i(s, x) = mean of b - a_i - r i / ((i + s) (i + x)).

Rows and columns as in `Rectangle`. Proofs: docs/theory.md, section 8.
"""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import inner
from directloss.inference.debts.rectangle import Rectangle

__all__ = ["collects_until", "lasts_until", "most_gained", "untouched_until"]

_CAUTION = 1.0 + 1e-9
"""Factor by which a bound is held to be larger than it was computed."""


@inner
def lasts_until(rectangle: Rectangle, start: int, stop: int, row: int, room: float) -> int:
    """A row before which no v(x) - v(start), start < x <= stop, is over that of `row` by `room`.

    From row i to row k, D(start, x) rises by a_i - a_k, which grows with k, and by r (f_i - f_k)
    with f_k(x) = k / ((k + start) (k + x)). As k grows, f_k rises and then falls: f_i - f_k is
    largest at an end, where it is 0 or of the last row. As x grows, that one falls and then rises:
    again the ends decide.

    Returns:
        The latest such row among those 1, 2, 4, 8 ... rows on, and the last.
    """
    i, s = row + 1.0, float(start)
    now, steepest = i / (i + s), room / (stop - s)
    until, ahead = row + 1, 2
    while until < rectangle.last:
        further = min(row + ahead, rectangle.last)
        k = np.float64(further)  # the last of the rows before `further`, counted from 1
        then = k / (k + s)
        near, far = now / (i + s) - then / (k + s), now / (i + stop) - then / (k + stop)
        slope = rectangle.positives[row] - rectangle.positives[further - 1]
        if not slope + rectangle.reward * max(0.0, near, far) <= steepest:
            break
        until, ahead = further, 2 * ahead
    return until


@inner
def collects_until(rectangle: Rectangle, begin: int, end: int, row: int, fewest: int) -> int:
    """A row before which no d_i(n), begin < n <= end, from `row` on is negative.

    d_i(n) = b_n - a_i - r i / ((i + n - 1) (i + n)) has its least b at the last column, its largest
    a at the first row, and its largest last term at the first column and the row nearest to
    sqrt(n (n - 1)).

    Args:
        fewest: rows for which it must hold to be of use.

    Returns:
        The last row, or half of the way there, or a quarter ...; `row` where fewer than `fewest`.
    """
    gain = rectangle.negatives[end - 1] - rectangle.positives[row]
    n = begin + 1.0
    peak, until = np.sqrt(n * begin), rectangle.last
    while until - row >= fewest:
        i = min(max(peak, row + 1.0), float(until))
        if gain >= rectangle.reward * _CAUTION * i / ((i + n) * (i + n - 1.0)):
            return until
        until = row + (until - row) // 2
    return row


@inner
def untouched_until(rectangle: Rectangle, begin: int, end: int, mean: float, row: int) -> int:
    """A row before which no row from `row` on has D(left, x) > 0 for any begin < x <= end.

    While that holds for all x up to there, nothing is collected: M_i(x) = M_i(left). The mean of b
    is largest for the first x; k / ((k + left) (k + x)) is least for the last x and, as k goes from
    the first row to the last, at one of these.

    Args:
        mean: of b over left < n <= begin + 1.

    Returns:
        The last row for which that shows it; `row` if none.
    """
    left, i = rectangle.left, row + 1.0
    first = i / ((i + left) * (i + end))
    until, beyond = row, rectangle.last + 1
    while until + 1 < beyond:
        middle = (until + beyond) // 2
        k = np.float64(middle)  # the last of the rows before `middle`, counted from 1
        least = min(first, k / ((k + left) * (k + end)))
        if rectangle.positives[middle - 1] + rectangle.reward * least > mean:
            until = middle
        else:
            beyond = middle
    return until


@inner
def most_gained(rectangle: Rectangle, begin: int, end: int, row: int) -> float:
    """The largest v_i(x) - v_i(begin), begin < x <= end, of one row."""
    i, score = row + 1.0, rectangle.positives[row]
    share = rectangle.reward * i / (i + begin)
    most, total = -np.inf, 0.0
    for x in range(begin + 1, end + 1):
        total += rectangle.negatives[x - 1] - score
        most = max(most, total - share * (x - begin) / (i + x))
    return most
