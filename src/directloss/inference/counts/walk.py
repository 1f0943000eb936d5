"""Best counts where Delta leaves the objective concave along a family of lines.

Each solver visits every line and walks from the best point of the last line to the best point of
this one. Concavity alone makes the result exact: the walk stops after the last step that gains.
Speed comes from the best points, which turn back at most once on the way over all lines, so that
all walks together take O(P + N) steps. docs/tasks/counting.md proves both.

A gain is what one step adds to n times the objective. It is written in closed form, since the
difference of two values of Delta has lost the digits that decide.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from directloss.inference._kernel import Array, inner
from directloss.inference.counts.classes import ClassScores, above_zero
from directloss.inference.counts.metrics import TVERSKY, task_loss


@inner
def objective(
    positives: ClassScores,
    negatives: ClassScores,
    kind: int,
    parameters: Array,
    weight: float,
    tp: int,
    fp: int,
) -> float:
    """F + weight * Delta at the best configuration with these counts."""
    P, N = positives.scores.size, negatives.scores.size
    score: float = (positives.sums[tp] + negatives.sums[fp]) / (P + N)
    return score + weight * task_loss(kind, parameters, tp, fp, P, N)


@inner
def _harm(kind: int, parameters: Array, tp: int, fp: int, P: int, N: int) -> float:
    """Delta(tp, fp) - Delta(tp, fp - 1) for TVERSKY and GMEAN."""
    if tp == 0:
        return 0.0
    if kind == TVERSKY:
        alpha: float = parameters[0]
        beta: float = parameters[1]
        hits = tp + beta * (P - tp)
        return tp * alpha / ((hits + alpha * (fp - 1)) * (hits + alpha * fp))
    specificities = sqrt((N - fp + 1) / N) + sqrt((N - fp) / N)
    return sqrt(tp / P) / (N * specificities)


@inner
def _help(parameters: Array, tp: int, fp: int, P: int) -> float:
    """Delta(tp - 1, fp) - Delta(tp, fp) for TVERSKY."""
    alpha: float = parameters[0]
    beta: float = parameters[1]
    slope = 1.0 - beta
    misses = alpha * fp + beta * P
    if tp == 1:  # also right where misses = 0, since no positive then means Delta = 1
        return 1.0 / (slope + misses)
    return misses / ((slope * (tp - 1) + misses) * (slope * tp + misses))


@inner
def walk_false_positives(
    positives: ClassScores, negatives: ClassScores, kind: int, parameters: Array, weight: float
) -> tuple[int, int]:
    """Best (tp, fp), one line for each tp.

    Exact where weight * Delta is concave in fp: TVERSKY with weight > 0, GMEAN with weight < 0.
    """
    P, N = positives.scores.size, negatives.scores.size
    scale = weight * (P + N)
    fp, most = negatives.fewest, positives.most
    if kind == TVERSKY:
        # Delta falls with tp and grows with fp. With weight > 0 a positive at or below 0 gains
        # nothing, and a negative above 0 is always predicted.
        most = max(positives.fewest, above_zero(positives))
        fp = max(fp, above_zero(negatives))
    best, best_tp, best_fp = -np.inf, positives.fewest, fp
    for tp in range(positives.fewest, most + 1):
        while fp < negatives.most:
            if negatives.scores[fp] + scale * _harm(kind, parameters, tp, fp + 1, P, N) <= 0.0:
                break
            fp += 1
        while fp > negatives.fewest:
            if negatives.scores[fp - 1] + scale * _harm(kind, parameters, tp, fp, P, N) > 0.0:
                break
            fp -= 1
        value = objective(positives, negatives, kind, parameters, weight, tp, fp)
        if value > best:
            best, best_tp, best_fp = value, tp, fp
    return best_tp, best_fp


@inner
def walk_true_positives(
    positives: ClassScores, negatives: ClassScores, kind: int, parameters: Array, weight: float
) -> tuple[int, int]:
    """Best (tp, fp), one line for each fp.

    Exact where weight * Delta is concave in tp: TVERSKY with beta <= 1 and weight < 0.
    """
    P, N = positives.scores.size, negatives.scores.size
    scale = -weight * (P + N)
    # Delta falls with tp and grows with fp, so that with weight < 0 a negative at or below 0 gains
    # nothing, and a positive above 0 is always predicted.
    most = max(negatives.fewest, above_zero(negatives))
    tp = max(positives.fewest, above_zero(positives))
    best, best_tp, best_fp = -np.inf, tp, negatives.fewest
    for fp in range(negatives.fewest, most + 1):
        while tp < positives.most:
            if positives.scores[tp] + scale * _help(parameters, tp + 1, fp, P) <= 0.0:
                break
            tp += 1
        while tp > positives.fewest:
            if positives.scores[tp - 1] + scale * _help(parameters, tp, fp, P) > 0.0:
                break
            tp -= 1
        value = objective(positives, negatives, kind, parameters, weight, tp, fp)
        if value > best:
            best, best_tp, best_fp = value, tp, fp
    return best_tp, best_fp


@inner
def walk_exchanges(
    positives: ClassScores, negatives: ClassScores, kind: int, parameters: Array, weight: float
) -> tuple[int, int]:
    """Best (tp, fp) for MATTHEWS, weight of either sign: one line for each k = tp + fp.

    On such a line Delta is linear in tp, and a step takes in one positive for one negative.
    """
    P, N = positives.scores.size, negatives.scores.size
    n = P + N
    tp = positives.fewest
    best, best_tp, best_fp = -np.inf, tp, negatives.fewest
    for k in range(positives.fewest + negatives.fewest, positives.most + negatives.most + 1):
        fewest = max(positives.fewest, k - negatives.most)
        most = min(positives.most, k - negatives.fewest)
        tp = min(max(tp, fewest), most)
        cost = 0.0
        if 0 < k < n:
            cost = 0.5 * weight * n * n / sqrt(float(k * (n - k)) * float(P * N))
        while tp < most and positives.scores[tp] - negatives.scores[k - tp - 1] > cost:
            tp += 1
        while tp > fewest and positives.scores[tp - 1] - negatives.scores[k - tp] <= cost:
            tp -= 1
        value = objective(positives, negatives, kind, parameters, weight, tp, k - tp)
        if value > best:
            best, best_tp, best_fp = value, tp, k - tp
    return best_tp, best_fp
