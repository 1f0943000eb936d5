"""Exact inference for the top-k error: is the target among the k classes of largest score?

Each sample has scores phi_1 .. phi_C, one for each class, and a target class t. A configuration is
a set Y of k classes, y its k-hot vector,

    F(Y) = sum_{c in Y} phi_c,        Delta(Y) = [t not in Y],

    F + weight * Delta = sum_{c in Y} (phi_c - weight * [c = t]) + weight,

so that every argmax is a selection of the k largest scores after a shift of the target's, for
either sign of the weight: t is in Y if phi_t - weight exceeds the k-th largest of the others, and
the others in Y are the largest. O(C) and a few moves in a buffer of k scores (at worst O(C k)).
With k >= C every class is in Y and Delta is always 0. A weight is the shift of the target's score.
"""

from __future__ import annotations

import math

import numpy as np

from directloss.inference._kernel import Array, inner, kernel

__all__ = ["metric_top_k", "solve_top_k"]


@kernel
def solve_top_k(
    first: int,
    last: int,
    scores: Array,
    targets: Array,
    classes: int,
    k: int,
    share_ties: bool,
    weights: Array,
    coefficients: Array,
    combination: Array,
    task_losses: Array,
    values: Array,
    defined: Array,
) -> None:
    """Solve argmax_Y F(Y) + weight * [t not in Y] over sets of k classes, `first` to `last`.

    Arguments as in `solve_classes`, with k >= 1 in place of the costs. With `share_ties`, classes
    tied at the edge of the set share the places that are left; the target takes part in this at
    weight 0 only. In `task_losses` it counts as outside if it is tied there.
    """
    total = np.empty(classes)
    largest = np.empty(min(k, classes))
    for sample in range(first, last):
        row = scores[sample * classes : (sample + 1) * classes]
        target = targets[sample]
        task_losses[sample] = 0.0
        values[sample] = 0.0
        defined[sample] = classes > 0
        if not defined[sample]:
            continue
        total[:] = 0.0
        edge = _largest(row, target, largest)
        for term in range(weights.size):
            weight = weights[term]
            if weight == -np.inf or k >= classes:
                inside = True
            else:
                shifted = row[target] - weight
                inside = shifted > edge or (shifted == edge and weight < 0.0)
            task_losses[sample, term] = 0.0 if inside else 1.0
            factor = coefficients[term]
            if weight == 0.0 and share_ties:
                values[sample, term] = _add_largest(row, -1, largest, True, factor, total)
                continue
            rest = largest
            if inside:
                rest = largest[1:]
                total[target] += factor
                values[sample, term] = _finite(row[target])
            values[sample, term] += _add_largest(row, target, rest, share_ties, factor, total)
        for c in range(classes):
            combination[sample * classes + c] = total[c]


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
    largest = np.empty(min(k, classes))
    for sample in range(first, last):
        row = scores[sample * classes : (sample + 1) * classes]
        metrics[sample] = 0.0
        defined[sample] = classes > 0
        if not defined[sample]:
            continue
        y[:] = 0.0
        _add_largest(row, -1, largest, True, 1.0, y)
        metrics[sample] = y[targets[sample]]


@inner
def _largest(row: Array, without: int, largest: Array) -> float:
    """Fill `largest` with the largest scores, descending, and return its last, the k-th largest.

    The class `without` (-1: none) takes no part. Where scores are too few, -inf fills the rest.
    """
    k = largest.size
    largest[:] = -np.inf
    for c in range(row.size):
        if c == without or row[c] <= largest[k - 1]:
            continue
        place = k - 1
        while place > 0 and largest[place - 1] < row[c]:
            largest[place] = largest[place - 1]
            place -= 1
        largest[place] = row[c]
    return largest[k - 1]


@inner
def _add_largest(
    row: Array, without: int, scratch: Array, share_ties: bool, factor: float, total: Array
) -> float:
    """Add factor to the totals of the k largest scores and return the sum of these scores.

    k is the size of `scratch`. Scores tied at the edge share the places that are left, or the first
    ones get them. The class `without` (-1: none) takes no part. Where scores are too few, all are
    taken.
    """
    k = scratch.size
    if k == 0:
        return 0.0
    edge = _largest(row, without, scratch)
    above, tied = 0, 0
    for c in range(row.size):
        if c != without:
            above += row[c] > edge
            tied += row[c] == edge
    left = k - above
    share = min(1.0, left / max(1, tied))
    value = 0.0
    for c in range(row.size):
        if c == without or row[c] < edge:
            continue
        part = 1.0
        if row[c] == edge:
            part = share if share_ties else min(1.0, left)
            left -= not share_ties and left > 0
        total[c] += factor * part
        value += part * _finite(row[c])
    return value


@inner
def _finite(score: float) -> float:
    return score if math.isfinite(score) else 0.0
