"""Exact inference for multiclass metrics of one class: 0-1 error and any matrix of costs.

Each sample has scores phi_1 .. phi_C, one for each class, and a target class t. A configuration is
one class c, y its one-hot vector,

    F(c) = phi_c,        Delta(c) = cost[t, c]        (0-1 error: [c != t]),

so that the augmented problem is the argmax of phi_c + weight * cost[t, c]: O(C). A weight is a
shift of a score for each unit of cost.
"""

from __future__ import annotations

import math

import numpy as np

from directloss.inference._kernel import Array, inner, kernel

__all__ = ["metric_classes", "solve_classes"]


@kernel
def solve_classes(
    first: int,
    last: int,
    scores: Array,
    targets: Array,
    classes: int,
    costs: Array,
    share_ties: bool,
    weights: Array,
    coefficients: Array,
    combination: Array,
    task_losses: Array,
    values: Array,
    defined: Array,
) -> None:
    """Solve argmax_c phi_c + weight * cost[t, c] for samples `first` to `last`.

    A weight of -inf asks for the ground truth: the least cost, among those the largest score.

    Args:
        first, last: Range of samples to solve; others are not touched.
        scores: float32 or float64 `[n * C]`, row by row, no NaN. Infinite scores rank first or
            last, equal to each other; they count as 0 in F.
        targets: Integers `[n]` in 0 .. C - 1.
        classes: C.
        costs: float64 `[C, C]`, finite, >= 0, `costs[t, c]` the cost of predicting c for t; or of
            shape `[0, 0]` for the 0-1 error, which then needs no table.
        share_ties: Whether, in `combination`, tied classes of the same score and cost (at weight 0,
            of the same score) share the one of y, so that nothing depends on their numbering. Else
            each y is one class.
        weights, coefficients: float64 `[T]`, the terms of the combination.
        combination: Output like `scores`: sum_t coefficients[t] * y(weights[t]).
        task_losses: Output `[n, T]`, Delta; at weight 0 the largest cost among the tied.
        values: Output `[n, T]`, F.
        defined: Output `[n]`: False only without classes.
    """
    total = np.empty(classes)
    for sample in range(first, last):
        row = scores[sample * classes : (sample + 1) * classes]
        target = targets[sample]
        task_losses[sample] = 0.0
        values[sample] = 0.0
        defined[sample] = classes > 0
        if not defined[sample]:
            continue
        total[:] = 0.0
        for term in range(weights.size):
            weight = weights[term]
            best = _best_class(row, target, costs, weight)
            cost = _cost(costs, target, best)
            task_losses[sample, term] = cost
            values[sample, term] = row[best] if math.isfinite(row[best]) else 0.0
            tied = 0
            for c in range(classes):
                tied += _is_tied(row, target, costs, weight, best, c)
            if tied == 1 or not share_ties:
                total[best] += coefficients[term]
                continue
            share = coefficients[term] / tied
            for c in range(classes):
                if _is_tied(row, target, costs, weight, best, c):
                    total[c] += share
        for c in range(classes):
            combination[sample * classes + c] = total[c]


@kernel
def metric_classes(
    first: int,
    last: int,
    scores: Array,
    targets: Array,
    classes: int,
    costs: Array,
    metrics: Array,
    defined: Array,
) -> None:
    """Mean cost over the classes of the largest score, for samples `first` to `last`.

    For the 0-1 error, 1 minus this is the accuracy when ties are broken at random. Arguments as in
    `solve_classes`; `metrics` is an output `[n]`.
    """
    for sample in range(first, last):
        row = scores[sample * classes : (sample + 1) * classes]
        metrics[sample] = 0.0
        defined[sample] = classes > 0
        if not defined[sample]:
            continue
        best = row.max()
        tied = 0
        for c in range(classes):
            if row[c] == best:
                tied += 1
                metrics[sample] += _cost(costs, targets[sample], c)
        metrics[sample] /= tied


@inner
def _cost(costs: Array, target: int, c: int) -> float:
    if costs.size == 0:
        return 0.0 if c == target else 1.0
    return costs[target, c]


@inner
def _best_class(row: Array, target: int, costs: Array, weight: float) -> int:
    """Return the argmax; between equal objectives, the class that the weight's sign asks for.

    That keeps the class right where a weight is too small to move a large score in floating
    point, orders infinite scores among themselves, and is the largest cost at weight 0.
    """
    best, best_objective, best_second = 0, -np.inf, -np.inf
    for c in range(row.size):
        cost = _cost(costs, target, c)
        if weight == -np.inf:
            objective, second = -cost, float(row[c])
        elif weight == 0.0:
            objective, second = float(row[c]), cost
        else:
            objective, second = row[c] + weight * cost, weight * cost
        if (
            c == 0
            or objective > best_objective
            or (objective == best_objective and second > best_second)
        ):
            best, best_objective, best_second = c, objective, second
    return best


@inner
def _is_tied(row: Array, target: int, costs: Array, weight: float, best: int, c: int) -> bool:
    if row[c] != row[best]:
        return False
    return weight == 0.0 or _cost(costs, target, c) == _cost(costs, target, best)
