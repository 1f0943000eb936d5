"""A whole list: debts where the corridor is wide, the programme in the corridor elsewhere."""

from __future__ import annotations

import numpy as np

from directloss.inference import general
from directloss.inference._kernel import Array, inlined, inner, kernel
from directloss.inference.corridor import bounds, corridor, running_sums
from directloss.inference.debts.rectangle import Rectangle
from directloss.inference.debts.solver import solve_by_debts
from directloss.inference.ranked import Ranked, one_ranking
from directloss.inference.separable import turn

__all__ = ["BUDGET", "by_debts", "solve"]

_CELLS_A_ROW, _CELLS_A_COLUMN = 500, 4
"""Cells of the programme for each row and column of a run up to which it is chosen. Debts took 2 to
330 ns for a row or a column, depending on the scores, and a cell of the programme takes 2.8 ns."""

BUDGET = 1000
"""Cells for each row and column that debts may look at: sixteen times the most that they needed on
the lists of `benchmarks` (60). A list that needs more is left to `directloss.inference.general`."""


def solve(ranked: Ranked, weight: float, above: Array) -> None:
    """See `directloss.inference.ranked.Solver`: average precision, and a negative weight."""
    number = _solve(*ranked, weight, above, ranked.first, BUDGET)
    while number < ranked.last:
        begin, end = ranked.offsets[number : number + 2] - ranked.offsets[ranked.first]
        one = ranked._replace(
            first=number,
            last=number + 1,
            fences=ranked.fences[number - ranked.first :],
            scores=ranked.scores[begin:end],
            weights=ranked.weights[begin:end],
        )
        general.solve(one, weight, above[begin:end])
        number = _solve(*ranked, weight, above, number + 1, BUDGET)


@kernel
def _solve(
    first: int,
    last: int,
    offsets: Array,
    positives: Array,
    discounts: Array,
    discount_offsets: Array,
    by_position: int,
    fences: Array,
    scores: Array,
    weights: Array,
    weight: float,
    above: Array,
    start: int,
    budget: int,
) -> int:
    """Solve lists start .. last - 1 up to one that the budget does not suffice for.

    Returns:
        That list; `last` if none.
    """
    for number in range(start, last):
        one = one_ranking(
            number,
            first,
            offsets,
            positives,
            discounts,
            discount_offsets,
            by_position,
            fences,
            scores,
            weights,
            above,
        )
        if one.positives.size > 0 and one.negatives.size > 0:
            solved = by_debts(
                one.positives,
                one.negatives,
                one.fences,
                one.rank_weights,
                one.discounts,
                weight,
                budget,
                one.negatives_above,
            )
            if not solved:
                return number
            turn(one.negatives_above, one.positives_above)
    return last


@inlined
def by_debts(
    positives: Array,
    negatives: Array,
    fences: Array,
    rank_weights: Array,
    discounts: Array,
    weight: float,
    budget: int,
    negatives_above: Array,
) -> bool:
    """argmax F + weight * Delta of average precision for a negative weight.

    With bounds low_i <= n_i <= high_i that never fall, rows i and i + 1 are independent where
    high_i <= low_(i + 1). Rows between two such places are a run. A run that is solved by debts
    leaves one cell of each row to the programme.

    Args:
        positives, negatives, fences: as in `corridor.bounds`.
        rank_weights, discounts: r_i = i r_1 and D(q) = 1 / q, by position.
        budget: cells for each row and column of a run that debts may look at.
        negatives_above: out, int32 (P,).

    Returns:
        Whether the budget sufficed.
    """
    low, high = np.empty(positives.size, np.int32), np.empty(positives.size, np.int32)
    bounds(positives, negatives, fences, rank_weights, discounts, 1, weight, low, high)
    reward = -0.5 * weight * rank_weights[0] * positives.size * negatives.size
    for fence in fences:
        first, end = fence[2], fence[3]
        while first < end:
            first, last = _wide_run(low, high, first, end)
            if first < end:
                left, right = int(low[first]), int(high[last - 1])
                center = positives[(first + last) // 2]
                run = Rectangle(positives, negatives, left, right, first, last, reward, center)
                most = budget * (last - first + right - left)
                if not solve_by_debts(run, high, most, negatives_above):
                    return False
                for i in range(first, last):
                    low[i] = high[i] = negatives_above[i]
            first = last
    sums = running_sums(negatives, positives[positives.size // 2])
    corridor(
        positives, negatives, sums, rank_weights, discounts, 1, weight, low, high, negatives_above
    )
    return True


@inner
def _wide_run(low: Array, high: Array, first: int, end: int) -> tuple[int, int]:
    """First and last (exclusive) row of the first run from `first` on that is worth debts."""
    while first < end:
        last, cells = first + 1, np.int64(high[first]) - low[first]
        while last < end and low[last] < high[last - 1]:
            cells += np.int64(high[last]) - low[last]
            last += 1
        columns = np.int64(high[last - 1]) - low[first]
        if cells > _CELLS_A_ROW * (last - first) + _CELLS_A_COLUMN * columns:
            return first, last
        first = last
    return end, end
