"""Best counts for any Delta, given as a table: every cell is looked at."""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, inner
from directloss.inference.counts.classes import ClassScores


@inner
def scan(
    positives: ClassScores, negatives: ClassScores, table: Array, weight: float
) -> tuple[int, int]:
    """Best (tp, fp) for a finite weight of either sign.

    Args:
        positives, negatives: the sorted classes.
        table: Delta, float64, shape ((P + 1) * (N + 1),); entry tp * (N + 1) + fp.
        weight: of Delta in the objective.
    """
    P, N = positives.scores.size, negatives.scores.size
    n = P + N
    best, best_tp, best_fp = -np.inf, positives.fewest, negatives.fewest
    for tp in range(positives.fewest, positives.most + 1):
        row = tp * (N + 1)
        for fp in range(negatives.fewest, negatives.most + 1):
            value = (positives.sums[tp] + negatives.sums[fp]) / n + weight * table[row + fp]
            if value > best:
                best, best_tp, best_fp = value, tp, fp
    return best_tp, best_fp


@inner
def _infinities(items: ClassScores, count: int) -> int:
    """Sum of the signs of the infinite scores among the `count` highest."""
    return min(count, items.fewest) - max(0, count - items.most)


@inner
def least_loss(positives: ClassScores, negatives: ClassScores, table: Array) -> tuple[int, int]:
    """The ground truth: least Delta first, then largest F, in which infinite scores come first."""
    P, N = positives.scores.size, negatives.scores.size
    best_tp, best_fp = 0, 0
    best_loss, best_infinities, best_score = np.inf, 0, 0.0
    for tp in range(P + 1):
        for fp in range(N + 1):
            loss = table[tp * (N + 1) + fp]
            if loss > best_loss:
                continue
            infinities = _infinities(positives, tp) + _infinities(negatives, fp)
            score = positives.sums[tp] + negatives.sums[fp]
            if loss == best_loss and (
                infinities < best_infinities
                or (infinities == best_infinities and score <= best_score)
            ):
                continue
            best_loss, best_infinities, best_score = loss, infinities, score
            best_tp, best_fp = tp, fp
    return best_tp, best_fp
