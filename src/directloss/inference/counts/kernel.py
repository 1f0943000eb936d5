"""The kernels of the counting family: a ragged batch of lists in, combinations and losses out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from directloss.inference import memory, threads
from directloss.inference._kernel import ZERO, Array, inner, kernel
from directloss.inference.counts.classes import (
    ClassScores,
    above_zero,
    class_scores,
    combine,
    count_above,
    count_positives,
    sort_classes,
    threshold,
)
from directloss.inference.counts.metrics import (
    BALANCED_ERROR,
    ERROR_RATE,
    GMEAN,
    MATTHEWS,
    TVERSKY,
    is_defined,
    task_loss,
)
from directloss.inference.counts.monotone import divide_and_conquer
from directloss.inference.counts.scan import least_loss, scan
from directloss.inference.counts.walk import (
    walk_exchanges,
    walk_false_positives,
    walk_true_positives,
)
from directloss.inference.sorting import ONE_BIT


@inner
def _without_positives(negatives: ClassScores, weight: float) -> int:
    """Best fp for TVERSKY where P = 0: Delta is 1 as soon as anything is predicted."""
    if negatives.most == 0:
        return 0
    some = max(1, above_zero(negatives))
    gain = negatives.sums[some] / negatives.scores.size + weight
    return some if negatives.fewest > 0 or gain > 0.0 else 0


class Solvers(NamedTuple):
    """Which solvers the terms of an update take: True, or None for one that is not compiled.

    Attributes:
        false_positives, true_positives, exchanges: of `walk`.
        monotone: `monotone.divide_and_conquer`.
        several_ideals: `_ground_truth`.
    """

    false_positives: bool | None
    true_positives: bool | None
    exchanges: bool | None
    monotone: bool | None
    several_ideals: bool | None

    @classmethod
    def of(cls, kind: int, parameters: Array, weights: Sequence[float]) -> Solvers:
        if _additive(kind):
            return cls(None, None, None, None, None)
        raising = any(weight > 0.0 for weight in weights)
        lowering = any(-np.inf < weight < 0.0 for weight in weights)
        concave = kind == TVERSKY and parameters[1] <= 1.0
        needed = (
            raising if kind == TVERSKY else lowering and kind == GMEAN,
            lowering and concave,
            kind == MATTHEWS and (raising or lowering),
            raising if kind == GMEAN else lowering and kind == TVERSKY and not concave,
            -np.inf in weights and _several_ideals(kind, parameters),
        )
        return cls(*(True if need else None for need in needed))


@inner
def _best_counts(
    positives: ClassScores,
    negatives: ClassScores,
    kind: int,
    parameters: Array,
    false_positives: bool | None,
    true_positives: bool | None,
    exchanges: bool | None,
    monotone: bool | None,
    several_ideals: bool | None,
    weight: float,
) -> tuple[int, int]:
    """(tp, fp) of the best configuration, for the kinds that are not a sum over the items."""
    if several_ideals is not None:
        if weight == -np.inf:
            return _ground_truth(positives, negatives, parameters)
    if positives.scores.size == 0:  # only TVERSKY is defined there
        return 0, _without_positives(negatives, weight)
    if false_positives is not None:
        if (weight > 0.0) == (kind == TVERSKY):
            return walk_false_positives(positives, negatives, kind, parameters, weight)
    if true_positives is not None:
        if weight < 0.0:
            return walk_true_positives(positives, negatives, kind, parameters, weight)
    if exchanges is not None:
        return walk_exchanges(positives, negatives, kind, parameters, weight)
    if monotone is not None:
        rising = kind == GMEAN
        return divide_and_conquer(positives, negatives, kind, parameters, weight, rising)
    return 0, 0


@inner
def _ground_truth(
    positives: ClassScores, negatives: ClassScores, parameters: Array
) -> tuple[int, int]:
    """(tp, fp) of least Delta, then largest F, for TVERSKY with alpha = 0 or beta = 0."""
    P = positives.scores.size
    if P == 0:
        return 0, 0
    tp = P if parameters[1] > 0.0 else max(1, above_zero(positives))
    return tp, 0 if parameters[0] > 0.0 else above_zero(negatives)


@inner
def _separate_thresholds(kind: int, weight: float, P: int, N: int) -> tuple[float, float]:
    """The thresholds of negatives and positives where every item is decided by itself."""
    if kind == BALANCED_ERROR and P > 0 and N > 0:
        return -0.5 * weight * (P + N) / N, 0.5 * weight * (P + N) / P
    return -weight, weight


def _additive(kind: int) -> bool:
    """Whether each item is decided by itself."""
    return kind in (ERROR_RATE, BALANCED_ERROR)


def _several_ideals(kind: int, parameters: Array) -> bool:
    """Whether several configurations have the least Delta."""
    return kind == TVERSKY and bool((parameters == 0.0).any())


@dataclass(slots=True)
class ByCounts:
    """A ragged batch, a metric, and the terms of an update; see `solve_counts`.

    Attributes:
        metric: (kind, parameters, *`Solvers`), or (tables, starts) of `solve_counts_table`.
        in_order: whether lists have to be sorted, or each item is decided by itself.
        outputs: combination, task_losses, values, defined.
    """

    scores: Array
    labels: Array
    offsets: Array
    metric: tuple[Any, ...]
    in_order: bool
    weights: Array
    coefficients: Array
    outputs: tuple[Array, Array, Array, Array]


def solve(first: int, last: int, of: ByCounts) -> None:
    """`solve_counts` or `solve_counts_table`, with the thread's memory where lists are sorted."""
    kernel = solve_counts if isinstance(of.metric[0], int) else solve_counts_table
    wide = None if of.scores.itemsize == 4 else True
    flat = of.scores, of.labels, of.offsets
    arguments: tuple[Any, ...] = *flat, wide, *of.metric, of.weights, of.coefficients, *of.outputs
    if not of.in_order:
        arguments += None, None, None
        kernel(first, last, *arguments)
        return
    items = int(of.offsets[last] - of.offsets[first])
    given = memory.take(2 * items + 1)
    keys, spare = given[:items], given[items:]
    if wide is None:
        threads.sorted_keys(first, last, *flat, ONE_BIT, keys, spare)
    arguments += keys, spare.view(np.uint32), spare.view(np.float32)
    kernel(first, last, *arguments)
    memory.give_back(given)  # after an error it is simply let go


@kernel
def solve_counts(
    first: int,
    last: int,
    scores: Array,
    labels: Array,
    offsets: Array,
    wide: bool | None,
    kind: int,
    parameters: Array,
    false_positives: bool | None,
    true_positives: bool | None,
    exchanges: bool | None,
    monotone: bool | None,
    several_ideals: bool | None,
    weights: Array,
    coefficients: Array,
    combination: Array,
    task_losses: Array,
    values: Array,
    defined: Array,
    keys: Array | None,
    bits: Any,
    narrow: Any,
) -> None:
    """Solve lists first .. last - 1 for a metric of `metrics`, whose Delta is that of counts.

    A configuration is a set of predicted items: F = 1/n * (the sum of their scores), and
    y(weight) = argmax F + weight * Delta. At weight 0 items with a score above 0 are predicted;
    weight -inf asks for the least Delta, then the largest F. Items of one class with equal scores
    share what they get. An item with score +inf (-inf) is always (never) predicted, except at
    weight -inf, where Delta comes first.

    Args:
        first, last: the range of lists; disjoint ranges may run in different threads.
        scores: float32 or float64, without NaN; list l is scores[offsets[l]:offsets[l + 1]].
        labels: uint8 0/1, as scores.
        offsets: int64, shape (L + 1,).
        wide: None for float32 scores, True for float64: what is compiled is for one of the two.
        kind, parameters: see `metrics`.
        false_positives, true_positives, exchanges, monotone, several_ideals: see `Solvers`.
        weights, coefficients: float64, shape (T,); weights finite or -inf.
        combination: out, as scores: sum_t coefficients[t] * dF/dscores at y(weights[t]).
        task_losses: out, float64, shape (L, T): Delta(y(weights[t])).
        values: out, float64, shape (L, T): F(y(weights[t])), infinite scores as 0.
        defined: out, bool, shape (L,): whether the metric is; where not, the rest is 0.
        keys: from `sorted_keys`, where scores are float32; None where no solver is needed, so that
            what is compiled needs no code for sorted lists.
        bits, narrow: scratch, one word or more, as uint32 and as float32; or None, as `keys`.
    """
    terms, additive = weights.size, kind == ERROR_RATE or kind == BALANCED_ERROR
    thresholds, shares = np.empty((terms, 2)), np.empty((terms, 2))
    for index in range(first, last):
        begin, end = offsets[index], offsets[index + 1]
        n = end - begin
        list_scores, list_labels, y = scores[begin:end], labels[begin:end], combination[begin:end]
        P = count_positives(list_labels)
        N = n - P
        defined[index] = is_defined(kind, P, N)
        if not defined[index]:
            for i in range(n):
                y[i] = 0.0
            for t in range(terms):
                task_losses[index, t] = values[index, t] = 0.0
            continue
        if keys is not None:
            positives, negatives = sort_classes(
                list_scores,
                list_labels,
                wide,
                keys[begin - offsets[first] : end - offsets[first]],
                bits,
                narrow,
                P,
            )
        for t in range(terms):
            weight, tp, fp = weights[t], ZERO, ZERO
            if weight == -np.inf and several_ideals is None:
                thresholds[t, 0], thresholds[t, 1] = np.inf, -np.inf
                shares[t, 0], shares[t, 1] = 0.0, 1.0
                tp, fp = P, 0
            elif weight == 0.0 or additive:
                shares[t, 0] = shares[t, 1] = 0.0
                # A row written at once would be a second of compiling the error of a wrong length.
                thresholds[t, 0], thresholds[t, 1] = _separate_thresholds(kind, weight, P, N)
                tp, fp = count_above(list_scores, list_labels, thresholds[t, 1], thresholds[t, 0])
            elif keys is not None:
                tp, fp = _best_counts(
                    positives,
                    negatives,
                    kind,
                    parameters,
                    false_positives,
                    true_positives,
                    exchanges,
                    monotone,
                    several_ideals,
                    weight,
                )
                thresholds[t, 0], shares[t, 0] = threshold(negatives, fp)
                thresholds[t, 1], shares[t, 1] = threshold(positives, tp)
            task_losses[index, t] = task_loss(kind, parameters, tp, fp, P, N)
        combine(list_scores, list_labels, thresholds, shares, coefficients, y, values[index])


@kernel
def solve_counts_table(
    first: int,
    last: int,
    scores: Array,
    labels: Array,
    offsets: Array,
    wide: bool | None,
    tables: Array,
    starts: Array,
    weights: Array,
    coefficients: Array,
    combination: Array,
    task_losses: Array,
    values: Array,
    defined: Array,
    keys: Array | None,
    bits: Any,
    narrow: Any,
) -> None:
    """Solve lists first .. last - 1 for any Delta(tp, fp), given as tables: O(P N) a list.

    Args:
        tables: float64: Delta of list l at tables[starts[l] + tp * (N + 1) + fp]; lists with the
            same P and N may share a table.
        starts: int64, shape (L,); -1 where the metric is undefined.
        first, last, scores, labels, offsets, wide, weights, coefficients, combination,
            task_losses, values, defined: as in `solve_counts`.
        keys, bits, narrow: the same; None where all weights are 0.
    """
    terms = weights.size
    thresholds, shares = np.empty((terms, 2)), np.empty((terms, 2))
    positives = negatives = class_scores(np.empty(0))
    for index in range(first, last):
        begin, end = offsets[index], offsets[index + 1]
        n = end - begin
        list_scores, list_labels, y = scores[begin:end], labels[begin:end], combination[begin:end]
        defined[index] = n > 0 and starts[index] >= 0
        if not defined[index]:
            for i in range(n):
                y[i] = 0.0
            for t in range(terms):
                task_losses[index, t] = values[index, t] = 0.0
            continue
        P = count_positives(list_labels)
        table = tables[starts[index] : starts[index] + (P + 1) * (n - P + 1)]
        if keys is not None:
            positives, negatives = sort_classes(
                list_scores,
                list_labels,
                wide,
                keys[begin - offsets[first] : end - offsets[first]],
                bits,
                narrow,
                P,
            )
        for t in range(terms):
            weight, tp, fp = weights[t], 0, 0
            if weight == 0.0:
                thresholds[t, 0] = thresholds[t, 1] = shares[t, 0] = shares[t, 1] = 0.0
                tp, fp = count_above(list_scores, list_labels, 0.0, 0.0)
            elif keys is not None:
                if weight == -np.inf:
                    tp, fp = least_loss(positives, negatives, table)
                else:
                    tp, fp = scan(positives, negatives, table, weight)
                thresholds[t, 0], shares[t, 0] = threshold(negatives, fp)
                thresholds[t, 1], shares[t, 1] = threshold(positives, tp)
            task_losses[index, t] = table[tp * (n - P + 1) + fp]
        combine(list_scores, list_labels, thresholds, shares, coefficients, y, values[index])
