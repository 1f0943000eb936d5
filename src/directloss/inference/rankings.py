"""Rankings whose metric is a sum over the positives of G(i, n_i): rank, solve, write.

i is a positive's rank among the positives, n_i the number of negatives above it, and
G(i, n) = r_i D(i + n) for a discount by position, r_i D(n) for one by the negatives above.
Delta = 1 - sum_i G(i, n_i); F = 1/(P N) sum over pairs of y_ij (phi_i - phi_j), of which only the
coefficients are ever formed: dF/dphi_i = (N - 2 n_i)/(P N), dF/dphi_j = (P - 2 c_j)/(P N), with c_j
the positives above negative j.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from directloss.inference import debts, general, ground_truth, pooled, separable, threads
from directloss.inference._kernel import ZERO, Array, inner, kernel, summation
from directloss.inference.ranked import Ranked, Solver, workspaces
from directloss.inference.sorting import ONE_BIT, classes_of_keys, ranked_classes

__all__ = ["SOLVERS", "Rankings", "configuration_losses", "solve_rankings"]

SOLVERS: dict[str, Solver] = {
    "separable": separable.solve,
    "pooled": pooled.solve,
    "debts": debts.solve,
    "corridor": general.solve,
    "ground truth": ground_truth.solve,
}
"""Each an exact argmax of F + weight * Delta: `RankingTask` says for which terms."""


class Rankings(NamedTuple):
    """A ragged batch and the terms of an update, with what is to be written.

    Attributes:
        scores: float32 or float64, flat; no NaN.
        finite: whether no score is known to be infinite.
        labels: uint8 0/1, flat.
        offsets: int64 (L + 1,): list l is scores[offsets[l]:offsets[l + 1]].
        positives: int64 (L,): how many labels of each list are 1.
        ranks: rank_weights, rank_offsets, rank_scales: r_i >= 0 of list l, i = 1..P, is
            rank_scales[l] * rank_weights[rank_offsets[l] + i].
        discounts: discounts, discount_offsets, by_position, as in `Ranked`.
        weights, coefficients: of each term: y_t = argmax F + weight * Delta; 0 the prediction, -inf
            the ground truth.
        solvers: of each term a name in `SOLVERS`; None for the prediction.
        share_ties: whether at weight 0 a tied pair counts y_ij = 0 in `combination`, not -1.
        outputs: combination, as scores: sum_t coefficients[t] * y_t; task_losses and values,
            float64 (L, T): Delta(y_t), and F(y_t) with infinite scores as 0; defined, bool (L,):
            False for a list without positives or without negatives.
    """

    scores: Array
    finite: bool
    labels: Array
    offsets: Array
    positives: Array
    ranks: tuple[Array, Array, Array]
    discounts: tuple[Array, Array, int]
    weights: tuple[float, ...]
    coefficients: tuple[float, ...]
    solvers: tuple[str | None, ...]
    share_ties: bool
    outputs: tuple[Array, Array, Array, Array]


class _Plan(NamedTuple):
    """What is done for the terms of an update, whatever the lists.

    Attributes:
        rows: of each term its row of `Workspace.rows`; 0 is that of the prediction.
        needed: how many rows there are.
        solved: term, solver and row of all others.
        written: two terms each, which one pass writes: a, coefficient of a, row of a, the same of
            b, and whether the pass is the first. Of one term alone it twice, the second time with
            coefficient 0.
    """

    rows: tuple[int, ...]
    needed: int
    solved: tuple[tuple[int, Solver, int], ...]
    written: tuple[tuple[int, float, int, int, float, int, bool], ...]


@lru_cache(maxsize=64)
def _plan(solvers: tuple[str | None, ...], coefficients: tuple[float, ...]) -> _Plan:
    """Rows, solvers and passes of these terms; kept, as most batches ask for the same."""
    rows: list[int] = []
    solved: list[tuple[int, Solver, int]] = []
    for term, name in enumerate(solvers):
        rows.append(0 if name is None else len(solved) + 1)
        if name is not None:
            solved.append((term, SOLVERS[name], rows[term]))
    # Those with a coefficient first: the first pass writes what others add to.
    order = sorted(range(len(rows)), key=lambda term: coefficients[term] == 0.0)
    written = []
    for k in range(0, len(order), 2):  # most updates have one pass
        a, b = order[k], order[min(k + 1, len(order) - 1)]
        factor = coefficients[b] if a != b else 0.0
        written.append((a, coefficients[a], rows[a], b, factor, rows[b], k == 0))
    return _Plan(tuple(rows), len(solved) + 1, tuple(solved), tuple(written))


def solve_rankings(first: int, last: int, of: Rankings) -> None:
    """Solve lists first .. last - 1 for every term: rank them, solve each term, write."""
    offsets, positives = of.offsets, of.positives
    items = int(offsets[last] - offsets[first])
    plan = _plan(of.solvers, of.coefficients)
    space = workspaces.take(last - first, items, plan.needed)
    lists, rows, unsigned = space.lists, space.rows, space.unsigned
    source: tuple[Any, ...]
    if of.scores.itemsize == 4:
        flat = of.scores, of.labels, offsets
        keys = threads.sorted_keys(first, last, *flat, ONE_BIT, space.keys, space.spare)
        source = keys, space.bits, space.narrow, None, None
    else:
        source = None, None, None, of.scores, of.labels
    infinite = None if of.finite else True
    outputs = *lists, space.items, rows[0]
    tied = _rank(first, last, offsets, positives, *of.ranks, infinite, *outputs, *source)
    ranked = Ranked(first, last, offsets, positives, *of.discounts, *lists)
    for term, solver, row in plan.solved:
        solver(ranked, of.weights[term], rows[row])
    twice = 2
    if tied and of.share_ties:
        twice = 1
        _share_ties(*ranked, space.counts, np.array(plan.rows), of.outputs[1])
    for a, factor_a, row_a, b, factor_b, row_b, fresh in plan.written:
        of_a, of_b = (a, factor_a, unsigned[row_a]), (b, factor_b, unsigned[row_b])
        _write(*ranked, space.items, *of_a, *of_b, twice, fresh, *of.outputs)
    workspaces.give_back(space)


@kernel
def _rank(
    first: int,
    last: int,
    offsets: Array,
    positives: Array,
    rank_weights: Array,
    rank_offsets: Array,
    rank_scales: Array,
    infinite: bool | None,
    fences: Array,
    class_scores: Array,
    weights: Array,
    items: Array,
    above: Array,
    keys: Array | None,
    bits: Any,
    narrow: Any,
    scores: Array | None,
    labels: Any,
) -> bool:
    """Sort each list, part its classes, count the prediction; arguments as in `Rankings`.

    Args:
        infinite: None where all scores are finite, else True.
        fences, class_scores, weights, items, above: out, as in `Workspace`, `above` its row 0.
        keys, bits, narrow: of float32 scores their `sorted_keys`, and as in `Workspace`; else None.
        scores, labels: those of float64, else None.

    Returns:
        Whether a positive ties with a negative in any list.
    """
    base, tied = offsets[first], False
    for number in range(first, last):
        begin, end = offsets[number] - base, offsets[number + 1] - base
        count = positives[number]
        middle = begin + count
        if count == 0 or middle == end:
            continue
        if keys is not None:
            tied |= classes_of_keys(
                keys, begin, middle, end, class_scores, items, above, bits, narrow
            )
        if scores is not None:
            tied |= ranked_classes(
                scores[begin + base : end + base],
                labels[begin + base : end + base],
                count,
                class_scores[begin:end],
                items[begin:end],
                above[begin:end],
            )
        scale, entry = rank_scales[number], np.uint64(rank_offsets[number] + 1)
        start = np.uint64(begin)
        for i in range(np.uint64(count)):
            weights[start + i] = scale * rank_weights[entry + i]
        # An infinite score keeps its item on its side of every finite item of the other class, in
        # every configuration. So there are at most three independent lists: +inf, finite, -inf.
        first_positive, last_positive = ZERO, count
        first_negative, last_negative = ZERO, end - middle
        if infinite is not None:
            first_positive, last_positive = _finite(class_scores, begin, middle)
            first_negative, last_negative = _finite(class_scores, middle, end)
        n = p = ZERO
        for part in range(3):
            fences[number - first, part, 0], fences[number - first, part, 2] = n, p
            n = first_negative if part == 0 else last_negative if part == 1 else end - middle
            p = first_positive if part == 0 else last_positive if part == 1 else count
            fences[number - first, part, 1], fences[number - first, part, 3] = n, p
    return tied


@inner
def _finite(scores: Array, begin: int, end: int) -> tuple[int, int]:
    """First and last (exclusive) finite score of a class, from `begin`; infinite ones become 0."""
    first, last = begin, end
    while first < end and scores[first] == np.inf:
        scores[first] = 0.0
        first += 1
    while last > first and scores[last - 1] == -np.inf:
        last -= 1
        scores[last] = 0.0
    return first - begin, last - begin


@kernel
def _write(
    first: int,
    last: int,
    offsets: Array,
    positives: Array,
    discounts: Array,
    discount_offsets: Array,
    by_position: int,
    fences: Array,
    scores: Array,
    rank_weights: Array,
    items: Array,
    a: int,
    coefficient_a: float,
    above_a: Array,
    b: int,
    coefficient_b: float,
    above_b: Array,
    twice: int,
    fresh: bool,
    combination: Array,
    task_losses: Array,
    values: Array,
    defined: Array,
) -> None:
    """Delta and F of two terms, and their combination; arguments as in `Ranked` and `Rankings`.

    An item above which `above` items of the other class stand has y = (other - 2 above) / (P N).

    Args:
        items: as in `Workspace`.
        a, b: the terms; of one alone, it twice, with coefficient_b = 0.
        coefficient_a, coefficient_b, above_a, above_b: their coefficients and counts.
        twice: 2; or 1 after `_share_ties`, which has doubled the counts and written the losses.
        fresh: whether `combination` is still to be written, else added to.
    """
    for number in range(first, last):
        begin, end = offsets[number] - offsets[first], offsets[number + 1] - offsets[first]
        count = positives[number]
        middle = begin + count
        defined[number] = begin < middle and middle < end
        if not defined[number]:
            task_losses[number, a] = task_losses[number, b] = 0.0
            values[number, a] = values[number, b] = 0.0
            for place in range(offsets[number], offsets[number + 1]):
                combination[place] = 0.0
            continue
        if twice == 2:
            entry = discount_offsets[number] + by_position
            task_losses[number, a] = _task_loss(
                rank_weights, begin, middle, discounts, entry, by_position, above_a
            )
            task_losses[number, b] = _task_loss(
                rank_weights, begin, middle, discounts, entry, by_position, above_b
            )
        unit, first_item = 1.0 / (count * np.float64(end - middle)), np.uint64(offsets[number])
        c, d = coefficient_a * unit, coefficient_b * unit
        sum_a = sum_b = 0.0
        for start, stop, other in ((begin, middle, end - middle), (middle, end, count)):
            value_a, value_b = _weighted_sums(scores, above_a, above_b, start, stop, other, twice)
            sum_a += value_a * unit
            sum_b += value_b * unit
            constant, slope_a, slope_b = (c + d) * other, -twice * c, -twice * d
            for place in range(np.uint64(start), np.uint64(stop)):
                # Where y_a = y_b and c = -d this is 0 to the last bit, as all products are.
                share = constant + (slope_a * above_a[place] + slope_b * above_b[place])
                item = first_item + items[place]
                combination[item] = share if fresh else combination[item] + share
        values[number, a], values[number, b] = sum_a, sum_b


@summation
def _task_loss(
    rank_weights: Array,
    begin: int,
    middle: int,
    discounts: Array,
    entry: int,
    by_position: int,
    above: Array,
) -> float:
    """1 - sum_i r_i D(...) of a ranking; `entry` is that of the first positive with none above."""
    metric, row, step = 0.0, np.uint64(entry), np.uint64(by_position)
    # Unsigned numbers as indices spare a test for negative ones.
    for i in range(np.uint64(begin), np.uint64(middle)):
        metric += rank_weights[i] * discounts[row + above[i]]
        row += step
    # A sum of P rounded terms: what is within its rounding of 0 is 0.
    loss = 1.0 - metric
    return 0.0 if abs(loss) <= 2.3e-16 * (middle - begin) else loss


@summation
def _weighted_sums(
    scores: Array, above_a: Array, above_b: Array, start: int, stop: int, other: int, twice: int
) -> tuple[float, float]:
    """sum_i scores[i] * (other - twice * above[i]), for each of two."""
    # Whole numbers below 2^53, so the differences are exact in floating point, too.
    others, factor = np.float64(other), np.float64(twice)
    sum_a = sum_b = 0.0
    for i in range(np.uint64(start), np.uint64(stop)):
        sum_a += scores[i] * (others - factor * above_a[i])
        sum_b += scores[i] * (others - factor * above_b[i])
    return sum_a, sum_b


@kernel
def _share_ties(
    first: int,
    last: int,
    offsets: Array,
    positives: Array,
    discounts: Array,
    discount_offsets: Array,
    by_position: int,
    fences: Array,
    scores: Array,
    rank_weights: Array,
    counts: Array,
    row_of: Array,
    task_losses: Array,
) -> None:
    """Write the task losses, then double all counts; the prediction's with y_ij = 0 for tied pairs.

    Args:
        row_of: int64 (T,), the row of each term in `counts`.
        counts: in and out, as in `Workspace`: row 0 has the negatives above each positive, tied
            ones included, and the positives above each negative, tied ones not: y_ij = -1.
    """
    for number in range(first, last):
        begin = offsets[number] - offsets[first]
        middle, entry = begin + positives[number], discount_offsets[number] + by_position
        if begin < middle < offsets[number + 1] - offsets[first]:
            for t in range(row_of.size):
                task_losses[number, t] = _task_loss(
                    rank_weights, begin, middle, discounts, entry, by_position, counts[row_of[t]]
                )
    for row in range(counts.shape[0]):
        for place in range(offsets[last] - offsets[first]):
            counts[row, place] *= np.uint32(2)
    above = counts[0]
    for number in range(first, last):
        begin, end = offsets[number] - offsets[first], offsets[number + 1] - offsets[first]
        middle = begin + positives[number]
        if begin == middle or middle == end:
            continue
        first_negative = middle + fences[number - first, 1, 0]
        i = begin + fences[number - first, 1, 2]
        last_positive = begin + fences[number - first, 1, 3]
        while i < last_positive:
            score, j = scores[i], middle + np.int64(above[i]) // 2
            if j == first_negative or scores[j - 1] != score:
                i += 1
                continue
            tied_negative, tied_positive = j - 1, i
            while tied_negative > first_negative and scores[tied_negative - 1] == score:
                tied_negative -= 1
            while i < last_positive and scores[i] == score:
                i += 1
            for k in range(tied_positive, i):
                above[k] -= np.uint32(j - tied_negative)
            for k in range(tied_negative, j):
                above[k] += np.uint32(i - tied_positive)


@kernel
def configuration_losses(
    first: int,
    last: int,
    coefficients: Array,
    labels: Array,
    offsets: Array,
    rank_weights: Array,
    rank_offsets: Array,
    rank_scales: Array,
    discounts: Array,
    discount_offsets: Array,
    by_position: int,
    losses: Array,
) -> None:
    """Delta of configurations given by their coefficients y_i = (N - 2 n_i) / (P N).

    Args:
        coefficients: float64, flat, in place of scores.
        losses: out, float64 (L,); 0 where the metric is undefined. Others as in `solve_rankings`.
    """
    for number in range(first, last):
        begin, end = offsets[number], offsets[number + 1]
        count = 0
        for k in range(begin, end):
            count += labels[k]
        others = end - begin - count
        if count == 0 or others == 0:
            losses[number] = 0.0
            continue
        negatives_above = np.empty(count, np.int64)
        i = 0
        for k in range(begin, end):
            if labels[k]:
                # Of a user's configuration, which may be none.
                above = round((others - coefficients[k] * count * others) / 2.0)
                negatives_above[i] = min(max(above, 0), others)
                i += 1
        negatives_above.sort()
        metric = 0.0
        for i in range(count):
            at = discount_offsets[number] + by_position * (i + 1) + negatives_above[i]
            metric += rank_weights[rank_offsets[number] + i + 1] * discounts[at]
        losses[number] = 1.0 - rank_scales[number] * metric
