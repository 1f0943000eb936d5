"""The kernel of every metric that is a sum over the positives of G(i, n_i).

i is a positive's rank among the positives, n_i the number of negatives above it, and
G(i, n) = r_i D(i + n) for a discount by position, r_i D(n) for one by the negatives above.
Delta = 1 - sum_i G(i, n_i); F = 1/(P N) sum over pairs of y_ij (phi_i - phi_j), of which only the
coefficients are ever formed: dF/dphi_i = (N - 2 n_i)/(P N), dF/dphi_j = (P - 2 c_j)/(P N), with c_j
the positives above negative j.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from directloss.inference._kernel import Array, inlined, inner, kernel, summation
from directloss.inference.coarse_to_fine import narrow
from directloss.inference.corridor import bounds, corridor, running_sums
from directloss.inference.ground_truth import least_loss
from directloss.inference.pooled import pooled
from directloss.inference.separable import separable, turn
from directloss.inference.sorting import ranked_classes
from directloss.inference.terms import used_first

__all__ = ["WORDS_BEFORE_KEYS", "configuration_losses", "scratch_words", "solve_rankings"]


WORDS_BEFORE_KEYS = 2
"""Words of scratch memory for each item that are written while keys are read: scores, items and the
prediction."""


def scratch_words(weights: Sequence[float]) -> int:
    """Words of scratch memory for each item of a list."""
    # After the 2 before the keys 2 for the sort, or later half a word for each other term and 1 for
    # the weights of the ranks.
    augmented = len(weights) - weights.count(0.0)
    return WORDS_BEFORE_KEYS + 1 + max(1, (augmented + 1) // 2)


@kernel
def solve_rankings(
    first: int,
    last: int,
    scores: Array,
    labels: Array,
    offsets: Array,
    wide: bool | None,
    rank_weights: Array,
    rank_offsets: Array,
    rank_scales: Array,
    discounts: Array,
    discount_offsets: Array,
    by_position: int,
    convex: Array | None,
    alike: Array | None,
    bent: Array | None,
    truths: Array | None,
    share_ties: bool,
    weights: Array,
    coefficients: Array,
    combination: Array,
    task_losses: Array,
    values: Array,
    defined: Array,
    keys: Array,
    scratch: Array,
) -> None:
    """Solve lists first .. last - 1 of a ragged batch for every term of an update.

    Args:
        scores: float32 or float64, flat; no NaN.
        labels: uint8 0/1, flat.
        offsets: int64 (L + 1,): list l is scores[offsets[l]:offsets[l + 1]].
        wide: None for float32 scores, True for float64 (see `ranked_classes`).
        rank_weights, rank_offsets, rank_scales: r_i >= 0 of list l, i = 1..P, is
            rank_scales[l] * rank_weights[rank_offsets[l] + i].
        discounts, discount_offsets: D of list l at discounts[discount_offsets[l] + q], q the
            position (from 1) or the number of negatives above (from 0).
        by_position: 1 for a discount by position, 0 for one by the negatives above.
        convex: bool (T,), whether weights[t] is finite, not 0, and weights[t] * D convex in every
            list; None, if that holds for no t, where what is compiled needs no code for it.
        alike: the same where it is not in some list, but D is by the negatives above and the r_i
            are equal in every list.
        bent: the same where neither holds.
        truths: bool (T,), whether weights[t] is -inf; None where none is, likewise.
        share_ties: whether at weight 0 a tied pair counts y_ij = 0 in `combination`, not -1.
        weights: float64 (T,): y_t = argmax F + weight * Delta; 0 the prediction, -inf the ground
            truth.
        coefficients: float64 (T,).
        combination: out, as scores: sum_t coefficients[t] * y_t.
        task_losses, values: out, float64 (L, T): Delta(y_t), and F(y_t) with infinite scores as 0.
        defined: out, bool (L,): False for a list without positives or without negatives.
        keys: those of these lists from `sorted_keys`, or none.
        scratch: uint64, at least `scratch_words(weights)` for each item of the longest list, and
            8 items more.
    """
    terms = weights.size
    # Counts of the prediction in row 0, of each other term in one of its own.
    row_of, rows = np.zeros(terms, np.int64), 1
    for t in range(terms):
        if weights[t] != 0.0:
            row_of[t] = rows
            rows += 1
    order = used_first(coefficients)
    for number in range(first, last):
        begin, end = offsets[number], offsets[number + 1]
        size = end - begin
        positive_count = np.int64(0)  # a plain 0 would be a type of its own, and compiled for
        for label in labels[begin:end]:
            positive_count += label
        negative_count = size - positive_count
        defined[number] = positive_count > 0 and negative_count > 0
        if not defined[number]:
            for k in range(begin, end):
                combination[k] = 0.0
            for t in range(terms):
                task_losses[number, t] = 0.0
                values[number, t] = 0.0
            continue
        # What is as long as the list lives in the scratch memory: the two ranked classes, ...
        class_scores = scratch[:size].view(np.float64)
        rest = scratch[size:]
        row = size // 2 + 1
        items = rest[:row].view(np.uint32)[:size]
        # ... and rows of counts, the prediction first, then each other term where the sort was.
        rest = rest[row:]
        predicted = rest[:row].view(np.int32)
        ranked_classes(
            scores[begin:end],
            labels[begin:end],
            wide,
            keys[begin - offsets[first] : end - offsets[first]],
            positive_count,
            scratch[:size],
            items,
            predicted[:size],
            rest[row:],
        )
        positives, negatives = class_scores[:positive_count], class_scores[positive_count:]
        any_tie = _any_tie(positives, negatives, predicted)
        fences = _fence(positives, negatives)
        weight_of_rank = rest[rows * row : rows * row + positive_count].view(np.float64)
        first_weight = rank_offsets[number] + 1
        weights_here = rank_weights[first_weight : first_weight + positive_count]
        for i in range(positive_count):
            weight_of_rank[i] = rank_scales[number] * weights_here[i]
        # The list's own entries: a table is as long as the longest list that ever came.
        first_entry = discount_offsets[number]
        entries = 1 + (size if by_position else negative_count)
        discount = discounts[first_entry : first_entry + entries]
        for t in range(terms):
            weight = weights[t]
            counts = rest[row_of[t] * row : (row_of[t] + 1) * row].view(np.int32)
            negatives_above = counts[:positive_count]
            positives_above = counts[positive_count:size]
            # No weight is left without a solver; if one were, its counts would be those of no
            # ranking, and are indices below.
            if weight == np.inf or weight != weight:
                counts[:size] = 0
            # Branches of their own, which the compiler leaves out where the argument is None.
            if convex is not None:
                if convex[t]:
                    separable(
                        positives,
                        negatives,
                        fences,
                        weight_of_rank,
                        discount,
                        by_position,
                        weight,
                        negatives_above,
                        positives_above,
                    )
            if alike is not None:
                if alike[t]:
                    pooled(
                        positives,
                        negatives,
                        fences,
                        weight_of_rank[0],
                        discount,
                        weight,
                        negatives_above,
                    )
                    turn(negatives_above, positives_above)
            if bent is not None:
                if bent[t]:
                    _in_corridor(
                        positives,
                        negatives,
                        fences,
                        weight_of_rank,
                        discount,
                        by_position,
                        weight,
                        negatives_above,
                    )
                    turn(negatives_above, positives_above)
            if truths is not None:
                if truths[t]:
                    _certainly_above(positives, negatives, fences, negatives_above)
                    least_loss(
                        positives,
                        negatives,
                        fences,
                        weight_of_rank,
                        discount,
                        by_position,
                        negatives_above,
                        negatives_above,
                    )
                    turn(negatives_above, positives_above)
            loss = 1.0 - _metric(weight_of_rank, discount, by_position, negatives_above)
            # A sum of P rounded terms: what is within its rounding of 0 is 0.
            rounding = 2.3e-16 * positive_count
            task_losses[number, t] = 0.0 if abs(loss) <= rounding else loss
        table = rest[: rows * row].view(np.uint32).reshape(rows, 2 * row)
        twice = 2
        if any_tie and share_ties:
            twice = 1
            for k in range(rows):
                for i in range(2 * row):
                    table[k, i] *= np.uint32(2)
            above = table[0, :positive_count]
            below = table[0, positive_count:size]
            _halve_ties(positives, negatives, fences[1], above, below)
        values[number] = 0.0
        for start, stop in ((np.int64(0), positive_count), (positive_count, size)):
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
                combination[begin:end],
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
def _certainly_above(
    positives: Array, negatives: Array, fences: Array, negatives_above: Array
) -> None:
    """Negatives of a higher score than each positive; both descending inside each fence."""
    for fence in range(fences.shape[0]):
        j, stop = fences[fence, 0], fences[fence, 1]
        for i in range(fences[fence, 2], fences[fence, 3]):
            while j < stop and negatives[j] > positives[i]:
                j += 1
            negatives_above[i] = j


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
def _fence(positives: Array, negatives: Array) -> Array:
    """Split the list at its infinite scores, which become 0.

    An infinite score keeps its item on its side of every finite item of the other class, in every
    configuration. What is left are at most three independent lists: +inf, finite, -inf.

    Returns:
        int64 (3, 4): first and last (exclusive) negative, first and last positive of each list.
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
    fences = np.zeros((3, 4), np.int64)
    fences[0, 1], fences[0, 3] = n, p
    fences[1, 0], fences[1, 1], fences[1, 2], fences[1, 3] = n, last_n, p, last_p
    fences[2, 0], fences[2, 1] = last_n, negatives.size
    fences[2, 2], fences[2, 3] = last_p, positives.size
    return fences


@inlined
def _in_corridor(
    positives: Array,
    negatives: Array,
    fences: Array,
    rank_weights: Array,
    discounts: Array,
    by_position: int,
    weight: float,
    negatives_above: Array,
) -> None:
    """argmax F + weight * Delta for any D, as the number of negatives above each positive."""
    low = np.empty(positives.size, np.int32)
    high = np.empty(positives.size, np.int32)
    bounds(positives, negatives, fences, rank_weights, discounts, by_position, weight, low, high)
    center = positives[positives.size // 2]
    positive_sums, negative_sums = running_sums(positives, center), running_sums(negatives, center)
    for fence in range(fences.shape[0]):
        narrow(
            positives,
            negatives,
            positive_sums,
            negative_sums,
            fences[fence],
            rank_weights,
            discounts,
            by_position,
            weight,
            low,
            high,
        )
    corridor(
        positives,
        negatives,
        negative_sums,
        rank_weights,
        discounts,
        by_position,
        weight,
        low,
        high,
        negatives_above,
    )


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
