"""Exact inference for multiclass metrics: 0-1 error, any matrix of costs, top-k error.

Each sample has scores phi_1 .. phi_C, one for each class, and a target class t.

**Costs.** A configuration is one class c, y its one-hot vector,

    F(c) = phi_c,        Delta(c) = cost[t, c]        (0-1 error: [c != t]),

so that the augmented problem is the argmax of phi_c + weight * cost[t, c]: O(C).

**Top-k error.** A configuration is a set Y of k classes, y its k-hot vector,

    F(Y) = sum_{c in Y} phi_c,        Delta(Y) = [t not in Y].

    F + weight * Delta = sum_{c in Y} (phi_c - weight * [c = t]) + weight,

so that every argmax is a selection of the k largest scores after a shift of the target's, for
either sign of the weight: t is in Y if phi_t - weight exceeds the k-th largest of the others, and
the others in Y are the largest. O(C). With k >= C every class is in Y and Delta is always 0.

In both, |weight| is the size of a shift of a score (times the cost).
"""

from __future__ import annotations

import math

import numpy as np

from directloss.inference._kernel import Array, kernel

__all__ = ["metric_classes", "metric_top_k", "solve_classes", "solve_top_k"]


@kernel
def solve_classes(
    first: int,
    last: int,
    scores: Array,
    targets: Array,
    classes: int,
    costs: Array,
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
        weights, coefficients: float64 `[T]`, the terms of the combination.
        combination: Output like `scores`: sum_t coefficients[t] * y(weights[t]). Tied classes of
            the same score and cost share the one of y; at weight 0 all of the same score do.
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
            values[sample, term] = _finite(row[best])
            tied = 0
            for c in range(classes):
                tied += _is_tied(row, target, costs, weight, best, c)
            share = coefficients[term] / tied
            for c in range(classes):
                if _is_tied(row, target, costs, weight, best, c):
                    total[c] += share
        for c in range(classes):
            row_start = sample * classes
            combination[row_start + c] = total[c]


@kernel
def solve_top_k(
    first: int,
    last: int,
    scores: Array,
    targets: Array,
    classes: int,
    k: int,
    weights: Array,
    coefficients: Array,
    combination: Array,
    task_losses: Array,
    values: Array,
    defined: Array,
) -> None:
    """Solve argmax_Y F(Y) + weight * [t not in Y] over sets of k classes, `first` to `last`.

    Arguments as in `solve_classes`, with k >= 1 in place of the costs. In `combination`, classes
    tied at the edge of the set share the places that are left; the target takes part in this at
    weight 0 only, where in a tie it counts as outside in `task_losses`.
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
        others = _without(row, target)
        edge = _largest(others, k)
        for term in range(weights.size):
            weight = weights[term]
            if weight == -np.inf or k >= classes:
                inside = True
            else:
                shifted = row[target] - weight
                inside = shifted > edge or (shifted == edge and weight < 0.0)
            task_losses[sample, term] = 0.0 if inside else 1.0
            if weight == 0.0:
                values[sample, term] = _add_largest(row, -1, k, coefficients[term], total)
                continue
            places = k
            if inside:
                places = k - 1
                total[target] += coefficients[term]
                values[sample, term] = _finite(row[target])
            values[sample, term] += _add_largest(row, target, places, coefficients[term], total)
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


@kernel
def metric_top_k(
    first: int,
    last: int,
    scores: Array,
    targets: Array,
    classes: int,
    k: int,
    metrics: Array,
    defined: Array,
) -> None:
    """Chance that the target is among the k largest scores when ties are broken at random.

    Arguments as in `solve_top_k`; `metrics` is an output `[n]`.
    """
    y = np.empty(classes)
    for sample in range(first, last):
        row = scores[sample * classes : (sample + 1) * classes]
        metrics[sample] = 0.0
        defined[sample] = classes > 0
        if not defined[sample]:
            continue
        y[:] = 0.0
        _add_largest(row, -1, k, 1.0, y)
        metrics[sample] = y[targets[sample]]


@kernel
def _cost(costs: Array, target: int, c: int) -> float:
    if costs.size == 0:
        return 0.0 if c == target else 1.0
    return costs[target, c]


@kernel
def _finite(score: float) -> float:
    return score if math.isfinite(score) else 0.0


@kernel
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


@kernel
def _is_tied(row: Array, target: int, costs: Array, weight: float, best: int, c: int) -> bool:
    if row[c] != row[best]:
        return False
    return weight == 0.0 or _cost(costs, target, c) == _cost(costs, target, best)


@kernel
def _without(row: Array, target: int) -> Array:
    others = np.empty(row.size - 1, row.dtype)
    others[:target] = row[:target]
    others[target:] = row[target + 1 :]
    return others


@kernel
def _largest(scores: Array, k: int) -> float:
    """Return the k-th largest score, -inf where there are fewer."""
    if k > scores.size:
        return -np.inf
    place = scores.size - k
    return float(np.partition(scores, place)[place])


@kernel
def _add_largest(row: Array, without: int, k: int, factor: float, total: Array) -> float:
    """Add factor to the totals of the k largest scores; return the sum of these scores.

    Scores tied at the edge share the places that are left. The class `without` (-1: none) takes no
    part. Where there are fewer than k scores, all are taken.
    """
    if k == 0:
        return 0.0
    edge = _largest(row if without < 0 else _without(row, without), k)
    above, tied = 0, 0
    for c in range(row.size):
        if c != without:
            above += row[c] > edge
            tied += row[c] == edge
    share = min(1.0, (k - above) / max(1, tied))
    value = 0.0
    for c in range(row.size):
        if c != without and row[c] >= edge:
            part = 1.0 if row[c] > edge else share
            total[c] += factor * part
            value += part * _finite(row[c])
    return value
