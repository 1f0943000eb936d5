"""Metrics of one list with weights of its items, as scikit-learn defines them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from directloss.inference._kernel import Array
from directloss.lists import Lists

__all__ = ["average_precision", "decisions", "over_lists", "roc_area"]

Metric = Callable[[Array, Array, Array], float]
"""(scores, 0/1 targets, weights) of a list with positives and negatives of weight -> metric."""


def over_lists(metric: Metric, lists: Lists) -> tuple[Array, Array]:
    """A metric of every list, and where it is defined: where both classes have a weight."""
    values, defined = np.zeros(len(lists)), np.zeros(len(lists), np.bool_)
    assert lists.item_weights is not None
    for number, (begin, end) in enumerate(pairwise(lists.offsets.tolist())):
        targets, weights = lists.targets[begin:end] == 1, lists.item_weights[begin:end]
        defined[number] = weights[targets].sum() > 0.0 and weights[~targets].sum() > 0.0
        if defined[number]:
            values[number] = metric(lists.scores[begin:end], targets, weights)
    return values, defined


def average_precision(scores: Array, targets: Array, weights: Array) -> float:
    """Sum over the thresholds of the precision times what recall gains; ties share a threshold."""
    tp, fp = _above_thresholds(scores, targets, weights)
    found = tp + fp > 0.0
    precision = np.divide(tp, tp + fp, out=np.zeros(tp.size), where=found)
    return float(np.diff(tp, prepend=0.0) @ precision / tp[-1])


def roc_area(scores: Array, targets: Array, weights: Array, *, max_fpr: float = 1.0) -> float:
    """Area under the ROC curve up to a false positive rate, over that rate."""
    tp, fp = (
        np.append(0.0, counts) / counts[-1]
        for counts in _above_thresholds(scores, targets, weights)
    )
    inside = int(np.searchsorted(fp, max_fpr, side="right"))
    rates, found = fp[:inside], tp[:inside]
    if inside < fp.size:
        rates, found = np.append(rates, max_fpr), np.append(found, np.interp(max_fpr, fp, tp))
    return float(np.trapezoid(found, rates)) / max_fpr


def decisions(lists: Lists) -> tuple[Array, Array, Array, Array]:
    """Weights of the true and false positives of score > 0, and of both classes, (L,) each."""
    owner = np.repeat(np.arange(len(lists)), np.diff(lists.offsets))
    assert lists.item_weights is not None
    positive, predicted = lists.targets == 1, lists.scores > 0.0

    def sums(chosen: Array) -> Array:
        return np.bincount(owner, lists.item_weights * chosen, len(lists))

    return (
        sums(predicted & positive), sums(predicted & ~positive), sums(positive), sums(~positive),
    )  # fmt: skip


def _above_thresholds(scores: Array, targets: Array, weights: Array) -> tuple[Array, Array]:
    """Weights of the positives and negatives from each distinct score upwards, descending."""
    values, place = np.unique(-scores, return_inverse=True)
    tp, fp = (
        np.cumsum(np.bincount(place, weights * chosen, values.size))
        for chosen in (targets, ~targets)
    )
    return tp, fp
