"""Exact inference with weights of items for metrics in which each item is decided by itself.

With weights w_i >= 0 of sum W, P and N the weights of the positives and the negatives,

    error rate       F = 1/W sum_i w_i y_i phi_i        Delta = 1/W sum of w_i over wrong items
    balanced error   the same F                         Delta = (fn / P + fp / N) / 2, of weights

so F + weight * Delta is a sum over the items, in which the weight of an item is a factor of all
that depends on it: y_i is what it is without weights, at the threshold of its class. An item of
weight 2 counts as two items of weight 1.
"""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array

__all__ = ["class_weights", "solve"]


def class_weights(labels: Array, item_weights: Array, offsets: Array) -> tuple[Array, Array]:
    """P and N: the weights of the positives and of the negatives of each list, float64 (L,)."""
    owner = _owner(offsets)
    lists = offsets.size - 1
    positive = labels == 1
    return (
        np.bincount(owner, item_weights * positive, lists),
        np.bincount(owner, item_weights * ~positive, lists),
    )


def solve(
    scores: Array,
    labels: Array,
    item_weights: Array,
    offsets: Array,
    weights: Array,
    coefficients: Array,
    combination: Array,
    task_losses: Array,
    values: Array,
    defined: Array,
    *,
    balanced: bool,
) -> None:
    """Solve every term on every list.

    Args:
        scores: float32 or float64 (n,), without NaN; list l is scores[offsets[l]:offsets[l + 1]].
        labels: uint8 0/1, as scores.
        item_weights: float64, as scores.
        offsets: int64 (L + 1,).
        weights, coefficients: float64 (T,); weights finite or -inf.
        combination: out, as scores: sum_t coefficients[t] * dF/dscores at y(weights[t]).
        task_losses, values: out, float64 (L, T): Delta and F, infinite scores as 0.
        defined: out, bool (L,); where the metric is not, the rest is 0.
        balanced: whether it is the balanced error, else the error rate.
    """
    owner, lists = _owner(offsets), offsets.size - 1
    positive = labels == 1
    P, N = class_weights(labels, item_weights, offsets)
    total = P + N
    defined[:] = (P > 0.0) & (N > 0.0) if balanced else total > 0.0
    share = item_weights * np.where(defined, 1.0 / np.where(defined, total, 1.0), 0.0)[owner]
    # What a wrong item of each class costs, for one of average weight.
    price = (0.5 * total / np.where(positives > 0.0, positives, 1.0) for positives in (P, N))
    of_positives, of_negatives = price if balanced else (np.ones(lists), np.ones(lists))
    cost = np.where(positive, of_positives[owner], of_negatives[owner])
    finite = np.where(np.isfinite(scores), scores, 0.0).astype(np.float64)
    sum_of = np.zeros(scores.size)
    for term, (weight, coefficient) in enumerate(zip(weights, coefficients, strict=True)):
        above = scores > np.where(positive, weight, -weight) * cost
        y = positive if weight == -np.inf else above
        task_losses[:, term] = np.bincount(owner, share * cost * (y != positive), lists)
        values[:, term] = np.bincount(owner, share * finite * y, lists)
        sum_of += coefficient * y
    combination[:] = share * sum_of


def _owner(offsets: Array) -> Array:
    """The list of each item."""
    return np.repeat(np.arange(offsets.size - 1), np.diff(offsets))
