"""A ragged batch of lists to combinations and losses, for the counting family: sort, solve, write.

A configuration is a set of predicted items: F = 1/n * (the sum of their scores), and
y(weight) = argmax F + weight * Delta. At weight 0 items with a score above 0 are predicted; weight
-inf asks for the least Delta, then the largest F. Items of one class with equal scores share what
they get. An item with score +inf (-inf) is always (never) predicted, except at weight -inf, where
Delta comes first.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from directloss.inference import threads
from directloss.inference._kernel import ZERO, Array, inner, kernel
from directloss.inference.counts.classes import (
    count_above,
    count_positives,
    running_sums,
)
from directloss.inference.counts.metrics import (
    BALANCED_ERROR,
    Metric,
    is_defined,
    task_loss,
)
from directloss.inference.counts.solvers import solve_term
from directloss.inference.counts.workspace import workspaces
from directloss.inference.sorting import ONE_BIT, ranked, score_bits


class ByCounts(NamedTuple):
    """A ragged batch, a metric and the terms of an update, with what is to be written.

    Attributes:
        scores: float32 or float64, without NaN; list l is scores[offsets[l]:offsets[l + 1]].
        labels: uint8 0/1, as scores.
        offsets: int64 (L + 1,).
        solvers: of each term, as `solvers.solver_of` says.
        weights, coefficients: float64 (T,); weights finite or -inf.
        combination: out, as scores: sum_t coefficients[t] * dF/dscores at y(weights[t]).
        task_losses, values: out, float64 (L, T): Delta(y(weights[t])), and F with infinite scores
            as 0.
        defined: out, bool (L,): whether the metric is; where not, the rest is 0.
    """

    scores: Array
    labels: Array
    offsets: Array
    metric: Metric
    solvers: tuple[str | None, ...]
    weights: Array
    coefficients: Array
    combination: Array
    task_losses: Array
    values: Array
    defined: Array


def solve(first: int, last: int, of: ByCounts) -> None:
    """Solve lists first .. last - 1 for every term; threads may take ranges of their own."""
    lists = first, last, of.scores, of.labels, of.offsets
    outputs = of.combination, of.task_losses, of.values, of.defined
    terms = of.weights, of.coefficients
    if not any(of.solvers):
        _write(*lists, *of.metric, *terms, None, None, None, None, *outputs)
        return
    items = int(of.offsets[last] - of.offsets[first])
    space = workspaces.take(last - first, items, of.weights.size)
    if of.scores.itemsize == 4:
        threads.sorted_keys(*lists, ONE_BIT, space.keys, space.spare)
        _sort(first, last, None, of.labels, of.offsets, space.keys, *space.word, *space.classes)
    else:
        _sort(*lists, None, None, None, *space.classes)
    for term, (solver, weight) in enumerate(zip(of.solvers, of.weights.tolist(), strict=True)):
        if solver is not None:
            part = first, last, of.offsets, space.classes, of.metric
            solve_term(solver, *part, weight, term, space.chosen)
    solved = np.array([solver is not None for solver in of.solvers])
    _write(*lists, *of.metric, *terms, solved, *space.chosen, *outputs)
    workspaces.give_back(space)  # after an error it is simply let go


@kernel
def _sort(
    first: int,
    last: int,
    scores: Array | None,
    labels: Array,
    offsets: Array,
    keys: Array | None,
    bits: Any,
    narrow: Any,
    class_scores: Array,
    sums: Array,
    sizes: Array,
) -> None:
    """Sort each list, part its classes and sum them.

    Args:
        first, last, labels, offsets: as in `ByCounts`.
        scores: those of float64, else None.
        keys: of float32 scores their `sorted_keys`, else None.
        bits, narrow: `Workspace.word`, where there are keys.
        class_scores, sums, sizes: out, `Workspace.classes`.
    """
    base, one = offsets[first], np.uint64(1)
    for index in range(first, last):
        begin, end = offsets[index] - base, offsets[index + 1] - base
        row, P = index - first, count_positives(labels, offsets[index], offsets[index + 1])
        middle = begin + P
        p, first_negative = np.uint64(begin), np.uint64(middle)
        # Labels come in an order that no processor can guess: a place is chosen, not a branch.
        if keys is not None:
            for rank in range(np.uint64(begin), np.uint64(end)):
                bits[0] = score_bits(keys[rank])
                label = (keys[rank] >> np.uint64(ONE_BIT)) & one
                class_scores[p if label else first_negative + (rank - p)] = narrow[0]
                p += label
        if scores is not None:
            n = end - begin
            sorted_scores, order = np.empty(n), np.empty(n, np.uint32)
            ranked(
                scores[begin + base : end + base],
                labels[begin + base : end + base],
                sorted_scores,
                order,
            )
            for rank in range(n):
                label = np.uint64(order[rank] >> np.uint32(ONE_BIT))
                place = p if label else first_negative + (np.uint64(begin + rank) - p)
                class_scores[place] = sorted_scores[rank]
                p += label
        start = begin + 2 * row
        sizes[row, 0] = P
        sizes[row, 1], sizes[row, 2] = running_sums(class_scores, begin, middle, sums, start)
        start += P + 1
        sizes[row, 3], sizes[row, 4] = running_sums(class_scores, middle, end, sums, start)


@inner
def _separate_thresholds(kind: int, weight: float, P: int, N: int) -> tuple[float, float]:
    """The thresholds of negatives and positives where every item is decided by itself."""
    if kind == BALANCED_ERROR and P > 0 and N > 0:
        return -0.5 * weight * (P + N) / N, 0.5 * weight * (P + N) / P
    return -weight, weight


@kernel
def _write(
    first: int,
    last: int,
    scores: Array,
    labels: Array,
    offsets: Array,
    kind: int,
    parameters: Array,
    tables: Array | None,
    starts: Any,
    weights: Array,
    coefficients: Array,
    solved: Array | None,
    counts: Any,
    thresholds: Any,
    shares: Any,
    combination: Array,
    task_losses: Array,
    values: Array,
    defined: Array,
) -> None:
    """Delta and F of each term, and their combination; arguments as in `ByCounts`.

    Args:
        solved: bool (T,): which terms were; None if none was.
        counts, thresholds, shares: `Workspace.chosen`, of those.
    """
    terms = weights.size
    # Of one list: column 0 for negatives, column 1 for positives.
    borders, parts = np.empty((terms, 2)), np.empty((terms, 2))
    for index in range(first, last):
        begin, end = offsets[index], offsets[index + 1]
        n, row = end - begin, index - first
        P = count_positives(labels, begin, end)
        N = n - P
        defined[index] = is_defined(kind, P, N)
        if tables is not None:
            defined[index] = n > 0 and starts[index] >= 0
        if not defined[index]:
            for i in range(begin, end):
                combination[i] = 0.0
            for t in range(terms):
                task_losses[index, t] = values[index, t] = 0.0
            continue
        for t in range(terms):
            weight, tp, fp, found = weights[t], ZERO, ZERO, False
            if solved is not None:
                found = solved[t]
                if found:
                    fp, tp = counts[row, t, 0], counts[row, t, 1]
                    for side in range(2):
                        borders[t, side] = thresholds[row, t, side]
                        parts[t, side] = shares[row, t, side]
            if not found:
                parts[t, 0] = parts[t, 1] = 0.0
                if weight == -np.inf:
                    # The one ideal configuration.
                    borders[t, 0], borders[t, 1], parts[t, 1] = np.inf, -np.inf, 1.0
                    tp = P
                else:
                    # A row written at once would be a second of compiling an error.
                    borders[t, 0], borders[t, 1] = _separate_thresholds(kind, weight, P, N)
                    tp, fp = count_above(scores, labels, begin, end, borders[t, 1], borders[t, 0])
            if tables is not None:
                task_losses[index, t] = tables[starts[index] + tp * (N + 1) + fp]
            if tables is None:
                task_losses[index, t] = task_loss(kind, parameters, tp, fp, P, N)
            values[index, t] = 0.0
        for i in range(begin, end):
            score, side, total = np.float64(scores[i]), int(labels[i]), 0.0
            finite = score if abs(score) < np.inf else 0.0
            for t in range(terms):
                border = borders[t, side]
                member = parts[t, side] if score == border else np.float64(score > border)
                total += coefficients[t] * member
                values[index, t] += member * finite
            combination[i] = total / n
        for t in range(terms):
            values[index, t] /= n
