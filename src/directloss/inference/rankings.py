"""Rankings whose metric is a sum over the positives of G(i, n_i): rank, solve, write.

i is a positive's rank among the positives, n_i the number of negatives above it, and
G(i, n) = r_i D(i + n) for a discount by position, r_i D(n) for one by the negatives above.
Delta = 1 - sum_i G(i, n_i); F = 1/(P N) sum over pairs of y_ij (phi_i - phi_j), of which only the
coefficients are ever formed: dF/dphi_i = (N - 2 n_i)/(P N), dF/dphi_j = (P - 2 c_j)/(P N), with c_j
the positives above negative j.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from directloss.inference import general, ground_truth, memory, pooled, separable
from directloss.inference._kernel import Array, inner, kernel, summation
from directloss.inference.ranked import (
    Ranked,
    Solver,
    begin_of_rows,
    one_ranking,
    views,
    words_for,
)
from directloss.inference.sorting import ONE_BIT, ranked_classes, sorted_keys
from directloss.inference.terms import used_first

__all__ = ["SOLVERS", "Rankings", "configuration_losses", "solve_rankings"]

SOLVERS: dict[str, Solver] = {
    "separable": separable.solve,
    "pooled": pooled.solve,
    "corridor": general.solve,
    "ground truth": ground_truth.solve,
}
"""Each an exact argmax of F + weight * Delta: `RankingTask` says for which terms."""


@dataclass(slots=True)
class Rankings:
    """A ragged batch and the terms of an update, with what is to be written.

    Attributes:
        scores: float32 or float64, flat; no NaN.
        labels: uint8 0/1, flat.
        offsets: int64 (L + 1,): list l is scores[offsets[l]:offsets[l + 1]].
        positives: int64 (L,): how many labels of each list are 1.
        rank_weights, rank_offsets, rank_scales: r_i >= 0 of list l, i = 1..P, is
            rank_scales[l] * rank_weights[rank_offsets[l] + i].
        discounts, discount_offsets, by_position: as in `Ranked`.
        weights, coefficients: float64 (T,): y_t = argmax F + weight * Delta; 0 the prediction, -inf
            the ground truth.
        solvers: of each term a name in `SOLVERS`; None for the prediction.
        share_ties: whether at weight 0 a tied pair counts y_ij = 0 in `combination`, not -1.
        combination: out, as scores: sum_t coefficients[t] * y_t.
        task_losses, values: out, float64 (L, T): Delta(y_t), and F(y_t) with infinite scores as 0.
        defined: out, bool (L,): False for a list without positives or without negatives.
    """

    scores: Array
    labels: Array
    offsets: Array
    positives: Array
    rank_weights: Array
    rank_offsets: Array
    rank_scales: Array
    discounts: Array
    discount_offsets: Array
    by_position: int
    weights: Array
    coefficients: Array
    solvers: tuple[str | None, ...]
    share_ties: bool
    combination: Array
    task_losses: Array
    values: Array
    defined: Array


def solve_rankings(first: int, last: int, of: Rankings) -> None:
    """Solve lists first .. last - 1 for every term: rank them, solve each term, write."""
    lists, items = last - first, int(of.offsets[last] - of.offsets[first])
    rows = len(of.solvers) - of.solvers.count(None)
    words = memory.take(words_for(lists, items, rows))
    begin = begin_of_rows(lists, items)
    place = words[begin : begin + items]
    flat = of.scores, of.labels, of.offsets
    keys = sorted_keys(first, last, *flat, ONE_BIT, place)
    wide = None if of.scores.itemsize == 4 else True
    ranks = of.rank_weights, of.rank_offsets, of.rank_scales
    _rank(first, last, *flat, wide, of.positives, *ranks, keys, words)
    discounts = of.discounts, of.discount_offsets, of.by_position
    ranked = Ranked(first, last, of.offsets, of.positives, *discounts, words)
    row = 0
    for solver, weight in zip(of.solvers, of.weights.tolist(), strict=True):
        if solver is not None:
            row += 1
            SOLVERS[solver](ranked, weight, row)
    terms = of.share_ties, of.weights, of.coefficients
    _write(*ranked, *terms, of.combination, of.task_losses, of.values, of.defined)
    memory.give_back(words)  # after an error it is simply let go


@kernel
def _rank(
    first: int,
    last: int,
    scores: Array,
    labels: Array,
    offsets: Array,
    wide: bool | None,
    positives: Array,
    rank_weights: Array,
    rank_offsets: Array,
    rank_scales: Array,
    keys: Array,
    words: Array,
) -> None:
    """Sort each list, part its classes, count the prediction; arguments as in `Rankings`.

    Args:
        wide: None for float32 scores, True for float64 (see `ranked_classes`).
        keys: those of these lists from `sorted_keys`, or none.
        words: out, as in `directloss.inference.ranked`; without keys also from row 1 on.
    """
    base, total = offsets[first], offsets[last] - offsets[first]
    fences, class_scores, weights, items, rows = views(words, last - first, total)
    half = total // 2 + 1
    predicted, spare = rows[:half].view(np.int32), rows[half:]
    for number in range(first, last):
        begin, end = offsets[number], offsets[number + 1]
        count = positives[number]
        if count == 0 or count == end - begin:
            continue
        at = slice(begin - base, end - base)
        ranked_classes(
            scores[begin:end],
            labels[begin:end],
            wide,
            keys[at],
            count,
            class_scores[at].view(np.uint64),
            items[at],
            predicted[at],
            spare,
        )
        middle = begin - base + count
        _fence(
            class_scores[begin - base : middle],
            class_scores[middle : end - base],
            fences[number - first],
        )
        entry = rank_offsets[number] + 1
        for i in range(count):
            weights[begin - base + i] = rank_scales[number] * rank_weights[entry + i]


@kernel
def _write(
    first: int,
    last: int,
    offsets: Array,
    positive_counts: Array,
    discounts: Array,
    discount_offsets: Array,
    by_position: int,
    words: Array,
    share_ties: bool,
    weights: Array,
    coefficients: Array,
    combination: Array,
    task_losses: Array,
    values: Array,
    defined: Array,
) -> None:
    """Delta and F of every term, and the combination; arguments as in `Ranked` and `Rankings`."""
    terms = weights.size
    # Counts of the prediction in row 0, of each other term in one of its own.
    row_of, rows = np.zeros(terms, np.int64), np.int64(1)
    for t in range(terms):
        if weights[t] != 0.0:
            row_of[t] = rows
            rows += 1
    order = used_first(coefficients)
    base, total = offsets[first], offsets[last] - offsets[first]
    _, class_scores, _, items, rest = views(words, last - first, total)
    half = total // 2 + 1
    table = rest[: rows * half].view(np.uint32).reshape(rows, 2 * half)
    for number in range(first, last):
        begin, end = offsets[number] - base, offsets[number + 1] - base
        size, count = end - begin, positive_counts[number]
        defined[number] = 0 < count < size
        task_losses[number] = 0.0
        values[number] = 0.0
        written = combination[offsets[number] : offsets[number + 1]]
        if not defined[number]:
            written[:] = 0.0
            continue
        for t in range(terms):
            one = one_ranking(
                number,
                first,
                last,
                offsets,
                positive_counts,
                discounts,
                discount_offsets,
                by_position,
                words,
                row_of[t],
            )
            metric = _metric(one.rank_weights, one.discounts, by_position, one.negatives_above)
            # A sum of P rounded terms: what is within its rounding of 0 is 0.
            loss, rounding = 1.0 - metric, 2.3e-16 * count
            task_losses[number, t] = 0.0 if abs(loss) <= rounding else loss
        one = one_ranking(
            number,
            first,
            last,
            offsets,
            positive_counts,
            discounts,
            discount_offsets,
            by_position,
            words,
            0,
        )
        twice = 2
        if share_ties and _any_tie(one.positives, one.negatives, one.negatives_above):
            twice = 1
            for k in range(rows):
                for i in range(begin, end):
                    table[k, i] *= np.uint32(2)
            _halve_ties(
                one.positives,
                one.negatives,
                one.fences[1],
                table[0, begin : begin + count],
                table[0, begin + count : end],
            )
        for start, stop in ((begin, begin + count), (begin + count, end)):
            _write_terms(
                class_scores[start:stop],
                items[start:stop],
                size - (stop - start),
                table,
                start,
                row_of,
                twice,
                order,
                coefficients,
                written,
                values[number],
            )


@inner
def _any_tie(positives: Array, negatives: Array, negatives_above: Array) -> bool:
    """Whether a positive ties with a negative: then with the last one above it, as ties count."""
    found = False
    for i in range(positives.size):
        j = negatives_above[i]
        found |= j > 0 and negatives[max(j - 1, 0)] == positives[i]
    return found


@summation
def _metric(
    weight_of_rank: Array, discount: Array, by_position: int, negatives_above: Array
) -> float:
    """sum_i r_i D(...) of a ranking."""
    metric = 0.0
    for i in range(weight_of_rank.size):
        metric += weight_of_rank[i] * discount[by_position * (i + 1) + negatives_above[i]]
    return metric


@inner
def _write_terms(
    scores: Array,
    items: Array,
    other: int | np.int64,
    counts: Array,
    begin: int | np.int64,
    row_of: Array,
    twice: int,
    order: Array,
    coefficients: Array,
    combination: Array,
    values: Array,
) -> None:
    """Write sum_t coefficients[t] * y_t at the items of a class, and add its part of each F.

    An item above which `above` items of the other class stand has y = (other - 2 above) / (P N).

    Args:
        scores, items: of the class, in ranked order.
        other: size of the other class.
        counts: uint32 (rows, .): from column `begin` on, `above` of each item.
        row_of: int64 (T,): the row of each term.
        twice: 2; or 1 where the counts are doubled.
        order: int64 (T,): the terms, those with a coefficient first.
        combination: out, a list.
        values: in and out, (T,).
    """
    unit = 1.0 / (scores.size * np.float64(other))
    end = begin + scores.size
    # Two in one pass, which is all that most updates have.
    a, b = order[0], order[min(1, order.size - 1)]
    above_a, above_b = counts[row_of[a], begin:end], counts[row_of[b], begin:end]
    value_a, value_b = _weighted_sums(scores, above_a, above_b, other, twice)
    values[a] += value_a * unit
    if order.size > 1:
        values[b] += value_b * unit
    c, d = coefficients[a] * unit, coefficients[b] * unit if order.size > 1 else 0.0
    constant, slope_a, slope_b = (c + d) * other, -twice * c, -twice * d
    for i in range(items.size):
        # Where y_a = y_b and c = -d the result is 0 to the last bit, as all products are.
        combination[items[i]] = constant + (slope_a * above_a[i] + slope_b * above_b[i])
    for k in range(2, order.size):
        t = order[k]
        share, above = coefficients[t] * unit, counts[row_of[t], begin:end]
        values[t] += _weighted_sums(scores, above, above, other, twice)[0] * unit
        if share != 0.0:
            for i in range(items.size):
                combination[items[i]] += share * (other - twice * np.int64(above[i]))


@summation
def _weighted_sums(
    scores: Array, above_a: Array, above_b: Array, other: int | np.int64, twice: int
) -> tuple[float, float]:
    """sum_i scores[i] * (other - twice * above[i]), for each of two."""
    # Whole numbers below 2^53, so the differences are exact in floating point, too.
    others, factor = np.float64(other), np.float64(twice)
    sum_a = sum_b = 0.0
    for i in range(scores.size):
        sum_a += scores[i] * (others - factor * above_a[i])
        sum_b += scores[i] * (others - factor * above_b[i])
    return sum_a, sum_b


@inner
def _halve_ties(
    positives: Array, negatives: Array, fence: Array, above: Array, below: Array
) -> None:
    """Count tied pairs as y_ij = 0 in the prediction, where they are counted as y_ij = -1 else.

    Args:
        above, below: in and out, uint32 (P,) and (N,), both doubled: the negatives above each
            positive, tied ones included, and the positives above each negative, tied ones not.
    """
    first_negative, i, last_positive = fence[0], fence[2], fence[3]
    while i < last_positive:
        score, j = positives[i], np.int64(above[i]) // 2
        if j == first_negative or negatives[j - 1] != score:
            i += 1
            continue
        first = j - 1
        while first > first_negative and negatives[first - 1] == score:
            first -= 1
        first_positive = i
        while i < last_positive and positives[i] == score:
            i += 1
        for k in range(first_positive, i):
            above[k] -= np.uint32(j - first)
        for k in range(first, j):
            below[k] += np.uint32(i - first_positive)


@inner
def _fence(positives: Array, negatives: Array, fences: Array) -> None:
    """Split the list at its infinite scores, which become 0.

    An infinite score keeps its item on its side of every finite item of the other class, in every
    configuration. What is left are at most three independent lists: +inf, finite, -inf.

    Args:
        fences: out, int64 (3, 4): first and last (exclusive) negative, first and last positive of
            each list.
    """
    n = p = 0
    while n < negatives.size and negatives[n] == np.inf:
        negatives[n] = 0.0
        n += 1
    while p < positives.size and positives[p] == np.inf:
        positives[p] = 0.0
        p += 1
    last_n, last_p = negatives.size, positives.size
    while last_n > n and negatives[last_n - 1] == -np.inf:
        last_n -= 1
        negatives[last_n] = 0.0
    while last_p > p and positives[last_p - 1] == -np.inf:
        last_p -= 1
        positives[last_p] = 0.0
    fences[0, 0], fences[0, 1], fences[0, 2], fences[0, 3] = 0, n, 0, p
    fences[1, 0], fences[1, 1], fences[1, 2], fences[1, 3] = n, last_n, p, last_p
    fences[2, 0], fences[2, 1] = last_n, negatives.size
    fences[2, 2], fences[2, 3] = last_p, positives.size


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
