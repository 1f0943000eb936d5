"""Loss-augmented inference for rankings where the objective splits over the positives.

Where every positive counts the same and D is taken at the negatives above it, G(i, n) = r D(n), a
positive with n negatives above it adds, up to a constant,

    sum over j <= n of (tau_j - s_i),   s_i = 2 phi_i / (P N),
                                        tau_j = 2 phi_j / (P N) + weight * r * (D(j - 1) - D(j)).

Its best n is where the least concave majorant of the sums of tau, which is the same for all
positives, has slope s_i. Slopes of the majorant are tau with neighbours pooled to their mean until
none is above the one before it; a lower positive has a lower s_i, so the n chosen one by one never
fall. Cost: P + N steps, whatever D is.

Source: the pooling is that of isotonic regression (Ayer, Brunk, Ewing, Reid and Silverman 1955).
"""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, inner, kernel
from directloss.inference.ranked import Ranked, Ranking, one_ranking
from directloss.inference.separable import turn

__all__ = ["all_equal", "pooled", "solve"]


@kernel
def all_equal(values: Array, offsets: Array, first: int, lasts: Array) -> bool:
    """Whether entries first .. lasts[l] of each list l's table are all equal.

    Args:
        values, offsets: of list l begin at values[offsets[l]].
        lasts: int64 (L,).
    """
    for number in range(offsets.size):
        for other in values[offsets[number] + first : offsets[number] + lasts[number] + 1]:
            if other != values[offsets[number] + first]:
                return False
    return True


@inner
def pooled(one: Ranking, weight: float) -> None:
    """The optimal number of negatives above each positive, where all r_i are equal.

    Pairs about which the objective does not care stand as `directloss.inference.corridor.bounds`
    says: negatives above for a positive weight, positives for a negative one.

    Args:
        one: the list, whose negatives_above are written.
        weight: any number but infinity.
    """
    positives, negatives, discounts = one.positives, one.negatives, one.discounts
    fences, negatives_above = one.fences, one.negatives_above
    reward = weight * one.rank_weights[0]
    scale = 2.0 / (positives.size * negatives.size)
    center = positives[positives.size // 2]  # F does not see a shift of all scores
    sums, sizes = np.empty(negatives.size, np.float64), np.empty(negatives.size, np.int64)
    for fence in fences:
        fewest, most, first, last = fence
        blocks = 0
        for j in range(fewest, most):
            total = scale * (negatives[j] - center) + reward * (discounts[j] - discounts[j + 1])
            size = 1
            while blocks > 0 and sums[blocks - 1] * size <= total * sizes[blocks - 1]:
                blocks -= 1
                total += sums[blocks]
                size += sizes[blocks]
            sums[blocks], sizes[blocks] = total, size
            blocks += 1
        block, above = 0, fewest
        for i in range(first, last):
            score = scale * (positives[i] - center)
            while block < blocks and (
                sums[block] > score * sizes[block]
                or (weight > 0.0 and sums[block] == score * sizes[block])
            ):
                above += sizes[block]
                block += 1
            negatives_above[i] = above


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
            pooled(one, weight)
            turn(one.negatives_above, one.positives_above)
