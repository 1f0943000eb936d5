"""Loss-augmented inference for rankings of any r and D: bounds, blocks, the programme.

The corridor between the bounds (`directloss.inference.corridor`) is narrowed from coarse blocks to
fine ones (`directloss.inference.coarse_to_fine`), and the programme runs in what is left.
"""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, inlined, kernel
from directloss.inference.coarse_to_fine import narrow
from directloss.inference.corridor import bounds, corridor, running_sums
from directloss.inference.ranked import Ranked, one_ranking
from directloss.inference.separable import turn

__all__ = ["solve"]


@inlined
def _in_corridor(
    positives: Array,
    negatives: Array,
    fences: Array,
    rank_weights: Array,
    discounts: Array,
    by_position: int,
    weight: float,
    negatives_above: Array,
) -> None:
    """argmax F + weight * Delta for any D, as the number of negatives above each positive."""
    low = np.empty(positives.size, np.int32)
    high = np.empty(positives.size, np.int32)
    bounds(positives, negatives, fences, rank_weights, discounts, by_position, weight, low, high)
    center = positives[positives.size // 2]
    positive_sums, negative_sums = running_sums(positives, center), running_sums(negatives, center)
    for fence in range(fences.shape[0]):
        narrow(
            positives,
            negatives,
            positive_sums,
            negative_sums,
            fences[fence],
            rank_weights,
            discounts,
            by_position,
            weight,
            low,
            high,
        )
    corridor(
        positives,
        negatives,
        rank_weights,
        discounts,
        by_position,
        weight,
        low,
        high,
        negatives_above,
    )


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
        if one.positives.size > 0 and one.negatives.size > 0:
            _in_corridor(
                one.positives,
                one.negatives,
                one.fences,
                one.rank_weights,
                one.discounts,
                by_position,
                weight,
                one.negatives_above,
            )
            turn(one.negatives_above, one.positives_above)
