"""Whole lists: debts where the corridor is wide, the programme in the corridor elsewhere.

With bounds low_i <= n_i <= high_i that never fall, rows i and i + 1 are independent where
high_i <= low_(i + 1). Rows between two such places are a run. A run that is solved by debts leaves
one cell of each row to the programme.

Two kernels, so that only a process that meets a wide run compiles what solves one.
"""

from __future__ import annotations

import numpy as np

from directloss.inference import general
from directloss.inference._kernel import ZERO, Array, inlined, inner, kernel
from directloss.inference.corridor import bounds, corridor, end_of_run
from directloss.inference.debts.rectangle import Rectangle
from directloss.inference.debts.solver import solve_by_debts
from directloss.inference.ranked import Ranked, Ranking, one_ranking
from directloss.inference.separable import turn

__all__ = ["BUDGET", "solve"]

_CELLS_A_ROW, _CELLS_A_COLUMN = 500, 4
"""Cells of the programme for each row and column of a run up to which it is chosen. Debts took 2 to
330 ns for a row or a column, depending on the scores, and a cell of the programme takes 2.8 ns."""

BUDGET = 1000
"""Cells for each row and column of a run that debts may look at. Of whole lists of a million scores
(`benchmarks.case`) they looked at 14 to 133. A list that needs more is left to
`directloss.inference.general`."""


def solve(ranked: Ranked, weight: float, above: Array) -> None:
    """See `directloss.inference.ranked.Solver`: average precision, and a negative weight."""
    first, last = ranked.first, ranked.last
    low = np.empty(above.size, np.int32)
    wide = np.zeros(last - first, np.bool_)
    _in_corridor(*ranked, weight, above, low, wide, False)
    if not wide.any():
        return
    number = _solve_wide_runs(*ranked, weight, above, low, wide, first, BUDGET)
    while number < last:
        begin, end = ranked.offsets[number : number + 2] - ranked.offsets[first]
        one = ranked._replace(
            first=number,
            last=number + 1,
            fences=ranked.fences[number - first :],
            scores=ranked.scores[begin:end],
            weights=ranked.weights[begin:end],
        )
        general.solve(one, weight, above[begin:end])
        wide[number - first] = False
        number = _solve_wide_runs(*ranked, weight, above, low, wide, number + 1, BUDGET)
    _in_corridor(*ranked, weight, above, low, wide, True)


@kernel
def _in_corridor(
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
    low: Array,
    wide: Array,
    narrowed: bool,
) -> None:
    """Run the programme in the corridor of each list that has no wide run.

    Args:
        above: of the positives their upper bounds, in if `narrowed`, until the counts are known.
        low: int32, as `above`: their lower bounds; in if `narrowed`, else out.
        wide: bool (last - first,): whether a list has a wide run; in if `narrowed`, else out.
        narrowed: whether debts have solved these runs: the lists that have some are solved now.
    """
    for number in range(first, last):
        if narrowed and not wide[number - first]:
            continue
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
        count = one.positives.size
        if count == 0 or one.negatives.size == 0:
            continue
        begin = offsets[number] - offsets[first]
        low_of, high_of = low[begin : begin + count], one.negatives_above
        if not narrowed:
            bounds(one, weight, low_of, high_of)
            if _wide_run(low_of, high_of, ZERO)[0] < count:
                wide[number - first] = True
                continue
        corridor(one, weight, low_of, high_of)
        turn(one.negatives_above, one.positives_above)


@kernel
def _solve_wide_runs(
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
    low: Array,
    wide: Array,
    start: int,
    budget: int,
) -> int:
    """Solve the wide runs of lists start .. last - 1, up to a list beyond the budget.

    Args:
        above, low: upper and lower bounds; in and out: of each row that is solved one cell is left.
        budget: cells for each row and column of a run that debts may look at.

    Returns:
        That list; `last` if none.
    """
    for number in range(start, last):
        if not wide[number - first]:
            continue
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
        begin = offsets[number] - offsets[first]
        middle = begin + positives[number]
        if not _by_debts(one, low[begin:middle], weight, budget):
            return number
    return last


@inlined
def _by_debts(one: Ranking, low: Array, weight: float, budget: int) -> bool:
    """Leave one cell of each row of a wide run; returns whether the budget sufficed."""
    high, count = one.negatives_above, one.positives.size
    # r_i = i r_1.
    reward = -0.5 * weight * one.rank_weights[0] * count * one.negatives.size
    first, last = _wide_run(low, high, ZERO)
    while first < count:
        left, right = int(low[first]), int(high[last - 1])
        center = one.positives[(first + last) // 2]
        run = Rectangle(one.positives, one.negatives, left, right, first, last, reward, center)
        most = budget * (last - first + right - left)
        if not solve_by_debts(run, high, most, one.negatives_above):
            return False
        for i in range(first, last):
            low[i] = high[i]
        first, last = _wide_run(low, high, last)
    return True


@inner
def _wide_run(low: Array, high: Array, first: int) -> tuple[int, int]:
    """First and last (exclusive) row of the first run from `first` on that is worth debts.

    None crosses from infinite to finite scores, as bounds of both meet there.
    """
    while first < low.size:
        last, cells = end_of_run(low, high, first), ZERO
        for i in range(first, last):
            cells += np.int64(high[i]) - low[i]
        columns = np.int64(high[last - 1]) - low[first]
        if cells > _CELLS_A_ROW * (last - first) + _CELLS_A_COLUMN * columns:
            return first, last
        first = last
    return first, first
