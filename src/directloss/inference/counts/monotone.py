"""Best counts where the best fp moves one way as tp grows, whether or not anything is concave.

This holds where the mixed difference of weight * Delta,

    D(tp, fp) - D(tp - 1, fp) - D(tp, fp - 1) + D(tp - 1, fp - 1),   D = weight * Delta,

has the same sign everywhere: its sign is that of the movement. The best fp of the middle row then
bounds those of the rows on either side: O(N log P + P) in all. Proof: docs/tasks/counting.md.
"""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, inner
from directloss.inference.counts.classes import ClassScores
from directloss.inference.counts.walk import objective


@inner
def divide_and_conquer(
    positives: ClassScores,
    negatives: ClassScores,
    kind: int,
    parameters: Array,
    weight: float,
    rising: bool,
) -> tuple[int, int]:
    """Best (tp, fp) where the mixed difference of weight * Delta is >= 0 (`rising`) or <= 0."""
    rows = positives.most - positives.fewest + 1
    columns = np.empty(rows, np.int64)
    step = 1
    while step < rows:
        step *= 2
    best, best_tp, best_fp = -np.inf, positives.fewest, negatives.fewest
    while step > 0:
        for row in range(step - 1, rows, 2 * step):
            tp = positives.fewest + row if rising else positives.most - row
            first = columns[row - step] if row >= step else negatives.fewest
            last = columns[row + step] if row + step < rows else negatives.most
            row_best, row_fp = -np.inf, first
            for fp in range(first, last + 1):
                value = objective(positives, negatives, kind, parameters, weight, tp, fp)
                if value > row_best:
                    row_best, row_fp = value, fp
            columns[row] = row_fp
            if row_best > best:
                best, best_tp, best_fp = row_best, tp, row_fp
        step //= 2
    return best_tp, best_fp
