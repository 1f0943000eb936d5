"""Loss-augmented inference for rankings of any r and D: bounds, blocks, the programme.

The corridor between the bounds (`directloss.inference.corridor`) is narrowed from coarse blocks to
fine ones (`directloss.inference.coarse_to_fine`), and the programme runs in what is left.
"""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, kernel
from directloss.inference.coarse_to_fine import narrow
from directloss.inference.corridor import bounds, corridor, running_sums
from directloss.inference.ranked import Ranked, one_ranking
from directloss.inference.separable import turn

__all__ = ["solve"]


def solve(ranked: Ranked, weight: float, above: Array) -> None:
    """See `directloss.inference.ranked.Solver`."""
    _solve(*ranked, weight, above)


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
) -> None:
    for number in range(first, last):
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
        size = one.positives.size
        if size == 0 or one.negatives.size == 0:
            continue
        low, high = np.empty(size, np.int32), np.empty(size, np.int32)
        bounds(one, weight, low, high)
        center = one.positives[size // 2]
        sums = running_sums(one.positives, center), running_sums(one.negatives, center)
        for fence in range(one.fences.shape[0]):
            narrow(one, sums, one.fences[fence], weight, low, high)
        corridor(one, weight, low, high)
        turn(one.negatives_above, one.positives_above)
