"""Which solver finds the best counts of a term, and each over a range of lists."""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import ZERO, Array, inlined, inner, kernel
from directloss.inference.counts.classes import ClassScores, above_zero, of_list, threshold
from directloss.inference.counts.metrics import (
    BALANCED_ERROR,
    ERROR_RATE,
    GMEAN,
    MATTHEWS,
    TABLE,
    TVERSKY,
    Metric,
    is_defined,
)
from directloss.inference.counts.monotone import divide_and_conquer
from directloss.inference.counts.scan import least_loss, scan
from directloss.inference.counts.walk import (
    walk_exchanges,
    walk_false_positives,
    walk_true_positives,
)
from directloss.inference.counts.workspace import Chosen, Classes

SOLVERS = ("false positives", "true positives", "exchanges", "monotone", "ground truth")
"""Three of `walk`, `monotone.divide_and_conquer`, and `_ground_truth`."""


def solver_of(kind: int, parameters: Array, weight: float) -> str | None:
    """That of a term: one of `SOLVERS`, or "table"; None where each item is decided by itself.

    It is so at weight 0, for sums over the items, and where one configuration alone is ideal.
    """
    if weight == 0.0 or kind in (ERROR_RATE, BALANCED_ERROR):
        return None
    if kind == TABLE:
        return "table"
    if weight == -np.inf:
        several = kind == TVERSKY and bool((parameters == 0.0).any())
        return "ground truth" if several else None
    if kind == MATTHEWS:
        return "exchanges"
    if (weight > 0.0) == (kind == TVERSKY):
        return "false positives"
    concave = kind == TVERSKY and parameters[1] <= 1.0
    return "true positives" if concave else "monotone"


def solve_term(
    solver: str,
    first: int,
    last: int,
    offsets: Array,
    classes: Classes,
    metric: Metric,
    weight: float,
    term: int,
    chosen: Chosen,
) -> None:
    """Write the best counts of a term, for a range of lists.

    Args:
        first, last, offsets: the range of lists, as in `kernel.ByCounts`.
        classes: of the `Workspace`.
        chosen: the same; the entries of this term are written.
    """
    lists = first, last, offsets, *classes
    if solver == "table":
        assert metric.tables is not None and metric.starts is not None
        _scan(*lists, metric.tables, metric.starts, weight, term, *chosen)
        return
    flags = [True if name == solver else None for name in SOLVERS]
    walk, walk_positives, exchange, monotone, ground_truth = flags
    metric_flags = metric.kind, metric.parameters, walk, walk_positives, exchange, monotone
    _solve(*lists, *metric_flags, ground_truth, weight, term, *chosen)


@kernel
def _solve(
    first: int,
    last: int,
    offsets: Array,
    scores: Array,
    sums: Array,
    sizes: Array,
    kind: int,
    parameters: Array,
    false_positives: bool | None,
    true_positives: bool | None,
    exchanges: bool | None,
    monotone: bool | None,
    ground_truth: bool | None,
    weight: float,
    term: int,
    counts: Array,
    thresholds: Array,
    shares: Array,
) -> None:
    """`solve_term`; of its solvers one is True, and the others None, which are not compiled."""
    for index in range(first, last):
        begin, end = offsets[index] - offsets[first], offsets[index + 1] - offsets[first]
        row = index - first
        P = sizes[row, 0]
        if not is_defined(kind, P, end - begin - P):
            continue
        positives, negatives = of_list(row, begin, end, scores, sums, sizes)
        tp = fp = ZERO
        if ground_truth is not None:
            tp, fp = _ground_truth(positives, negatives, parameters)
        elif P == 0:  # only TVERSKY is defined there
            fp = _without_positives(negatives, weight)
        else:
            if false_positives is not None:
                tp, fp = walk_false_positives(positives, negatives, kind, parameters, weight)
            if true_positives is not None:
                tp, fp = walk_true_positives(positives, negatives, kind, parameters, weight)
            if exchanges is not None:
                tp, fp = walk_exchanges(positives, negatives, kind, parameters, weight)
            if monotone is not None:
                rising = kind == GMEAN
                tp, fp = divide_and_conquer(positives, negatives, kind, parameters, weight, rising)
        _choose(positives, negatives, tp, fp, row, term, counts, thresholds, shares)


@kernel
def _scan(
    first: int,
    last: int,
    offsets: Array,
    scores: Array,
    sums: Array,
    sizes: Array,
    tables: Array,
    starts: Array,
    weight: float,
    term: int,
    counts: Array,
    thresholds: Array,
    shares: Array,
) -> None:
    """`solve_term` for any Delta(tp, fp), given as tables: O(P N) a list."""
    for index in range(first, last):
        begin, end = offsets[index] - offsets[first], offsets[index + 1] - offsets[first]
        row, start = index - first, starts[index]
        if begin == end or start < 0:
            continue
        positives, negatives = of_list(row, begin, end, scores, sums, sizes)
        P = sizes[row, 0]
        table = tables[start : start + (P + 1) * (end - begin - P + 1)]
        if weight == -np.inf:
            tp, fp = least_loss(positives, negatives, table)
        else:
            tp, fp = scan(positives, negatives, table, weight)
        _choose(positives, negatives, tp, fp, row, term, counts, thresholds, shares)


@inlined
def _choose(
    positives: ClassScores,
    negatives: ClassScores,
    tp: int,
    fp: int,
    row: int,
    term: int,
    counts: Array,
    thresholds: Array,
    shares: Array,
) -> None:
    """Write the counts of a list, and the thresholds that give them."""
    counts[row, term, 0], counts[row, term, 1] = fp, tp
    thresholds[row, term, 0], shares[row, term, 0] = threshold(negatives, fp)
    thresholds[row, term, 1], shares[row, term, 1] = threshold(positives, tp)


@inner
def _without_positives(negatives: ClassScores, weight: float) -> int:
    """Best fp for TVERSKY where P = 0: Delta is 1 as soon as anything is predicted."""
    if negatives.most == 0:
        return 0
    some = max(1, above_zero(negatives))
    gain = negatives.sums[some] / negatives.scores.size + weight
    return some if negatives.fewest > 0 or gain > 0.0 else 0


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
