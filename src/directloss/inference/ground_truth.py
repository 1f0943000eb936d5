"""The ground truth of a ranking task: least Delta first, then largest F."""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, inner, kernel
from directloss.inference.ranked import Ranked, Ranking, one_ranking
from directloss.inference.separable import turn

__all__ = ["MOST_CELLS", "grows", "least_loss", "solve"]

MOST_CELLS = 200_000_000
"""P (N + 1) above which a list is too long for the ground truth of a D that grows: it takes as many
bytes, and some seconds."""


@inner
def least_loss(one: Ranking) -> None:
    """Negatives above each positive in the ranking of least Delta and, among those, of largest F.

    Where D never grows, each positive alone earns most with as few negatives above it as may be,
    and loses nothing up to the end of the plateau of D there. F falls on both sides of the
    predicted place (among ties, above the negatives), so that place, moved down to the least end of
    the plateaus after it, is best. Any other D takes the programme over the whole table, whose
    entries are pairs (metric, F); callers refuse lists of more than `MOST_CELLS`.

    Args:
        one: the list. Of its negatives_above, in: the negatives of a higher score than each
            positive; out: the ranking.
    """
    discounts, by_position, rank_weights = one.discounts, one.by_position, one.rank_weights
    fences, above = one.fences, one.negatives_above
    size, other = one.positives.size, one.negatives.size
    end = other + (size if by_position else 0)
    plateau = np.empty(end + 1, np.int64)
    plateau[end] = end
    for q in range(end - 1, by_position - 1, -1):
        if discounts[q + 1] > discounts[q]:
            _programme(one)
            return
        plateau[q] = plateau[q + 1] if discounts[q + 1] == discounts[q] else q
    limit = other
    for fence in fences[::-1]:
        fewest, most, first, last = fence
        for i in range(last - 1, first - 1, -1):
            row = by_position * (i + 1)
            most_here = most if rank_weights[i] == 0.0 else plateau[row + fewest] - row
            limit = min(limit, most_here)
            above[i] = max(fewest, min(above[i], limit))


@kernel
def grows(discounts: Array, first: int, last: int) -> bool:
    """Whether D(q + 1) > D(q) for a q in first .. last - 1."""
    for q in range(first, last):
        if discounts[q + 1] > discounts[q]:
            return True
    return False


@inner
def _programme(one: Ranking) -> None:
    """O(P N) steps and bytes; metrics within 1e-12 of each other count as equal."""
    positives, negatives, rank_weights = one.positives, one.negatives, one.rank_weights
    discounts, by_position = one.discounts, one.by_position
    fences, above = one.fences, one.negatives_above
    size, other = positives.size, negatives.size
    metric = np.zeros(other + 1, np.float64)
    value = np.zeros(other + 1, np.float64)
    chosen = np.zeros((size, other + 1), np.bool_)
    last_most = other
    for fence in fences:
        fewest, most, first, last = fence
        for i in range(first, last):
            best_metric, best_value = -np.inf, -np.inf
            metric_beyond, value_beyond = metric[last_most], value[last_most]
            total = 0.0
            chosen[i, fewest] = True  # so that the way back ends in the row, whatever came
            for n in range(fewest, most + 1):
                if n > fewest:
                    total += negatives[n - 1] - positives[i]
                inside = n <= last_most
                here = rank_weights[i] * discounts[by_position * (i + 1) + n]
                here += metric[n] if inside else metric_beyond
                score = total + (value[n] if inside else value_beyond)
                if here > best_metric + 1e-12 or (
                    here > best_metric - 1e-12 and score > best_value
                ):
                    best_metric, best_value = here, score
                    chosen[i, n] = True
                metric[n], value[n] = best_metric, best_value
            last_most = most
    n = other
    for fence in fences[::-1]:
        fewest, most, first, last = fence
        for i in range(last - 1, first - 1, -1):
            n = min(n, most)
            while not chosen[i, n]:
                n -= 1
            above[i] = n


@inner
def _certainly_above(one: Ranking) -> None:
    """Negatives of a higher score than each positive; both descending inside each fence."""
    positives, negatives = one.positives, one.negatives
    fences, above = one.fences, one.negatives_above
    for fence in range(fences.shape[0]):
        j, stop = fences[fence, 0], fences[fence, 1]
        for i in range(fences[fence, 2], fences[fence, 3]):
            while j < stop and negatives[j] > positives[i]:
                j += 1
            above[i] = j


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
            _certainly_above(one)
            least_loss(one)
            turn(one.negatives_above, one.positives_above)
