"""The kernel of every metric that is a sum over the positives of G(i, n_i).

i is a positive's rank among the positives, n_i the number of negatives above it, and
G(i, n) = r_i D(i + n) for a discount by position, r_i D(n) for one by the negatives above.
Delta = 1 - sum_i G(i, n_i); F = 1/(P N) sum over pairs of y_ij (phi_i - phi_j), of which only the
coefficients are ever formed: dF/dphi_i = (N - 2 n_i)/(P N), dF/dphi_j = (P - 2 c_j)/(P N), with c_j
the positives above negative j.
"""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, kernel
from directloss.inference.coarse_to_fine import narrow
from directloss.inference.corridor import bounds, corridor
from directloss.inference.ground_truth import least_loss
from directloss.inference.separable import is_separable, separable
from directloss.inference.sorting import INDEX, LABEL, ranked_classes

__all__ = ["SCRATCH", "configuration_losses", "solve_rankings"]

SCRATCH = 4
"""Words of scratch memory for each item of a list."""


@kernel
def solve_rankings(
    first: int,
    last: int,
    scores: Array,
    labels: Array,
    offsets: Array,
    rank_weights: Array,
    rank_offsets: Array,
    rank_scales: Array,
    discounts: Array,
    discount_offsets: Array,
    step: int,
    share_ties: bool,
    weights: Array,
    coefficients: Array,
    combination: Array,
    task_losses: Array,
    values: Array,
    defined: Array,
    scratch: Array,
) -> None:
    """Solve lists first .. last - 1 of a ragged batch for every term of an update.

    Args:
        scores: float32 or float64, flat; no NaN.
        labels: uint8 0/1, flat.
        offsets: int64 (L + 1,): list l is scores[offsets[l]:offsets[l + 1]].
        rank_weights, rank_offsets, rank_scales: r_i >= 0 of list l, i = 1..P, is
            rank_scales[l] * rank_weights[rank_offsets[l] + i].
        discounts, discount_offsets: D of list l at discounts[discount_offsets[l] + q], q the
            position (from 1) or the number of negatives above (from 0).
        step: 1 for a discount by position, 0 for one by the negatives above.
        share_ties: whether at weight 0 a tied pair counts y_ij = 0 in `combination`, not -1.
        weights: float64 (T,): y_t = argmax F + weight * Delta; 0 the prediction, -inf the ground
            truth.
        coefficients: float64 (T,).
        combination: out, as scores: sum_t coefficients[t] * y_t.
        task_losses, values: out, float64 (L, T): Delta(y_t), and F(y_t) with infinite scores as 0.
        defined: out, bool (L,): False for a list without positives or without negatives.
        scratch: uint64, at least `SCRATCH` words for each item of the longest list and 8 more.
    """
    terms = weights.size
    for number in range(first, last):
        begin, end = offsets[number], offsets[number + 1]
        size = end - begin
        positive_count = 0
        for k in range(begin, end):
            positive_count += labels[k]
        negative_count = size - positive_count
        if positive_count == 0 or negative_count == 0:
            defined[number] = False
            combination[begin:end] = 0.0
            task_losses[number] = 0.0
            values[number] = 0.0
            continue
        defined[number] = True
        # What is as long as the list lives in the scratch memory.
        order = scratch[: size // 2 + 1].view(np.uint32)[:size]
        ranks = scratch[size // 2 + 1 :]
        both = ranks[: size + 2].view(np.float64)
        positives, negatives = both[: positive_count + 1], both[positive_count + 1 :]
        rest = ranks[size + 2 :]
        ranked_classes(scores[begin:end], labels[begin:end], order, positives, negatives, rest)
        positives, negatives = positives[:positive_count], negatives[:negative_count]
        counts = rest[: positive_count + 1].view(np.int32)
        predicted, ties = counts[:positive_count], counts[positive_count : 2 * positive_count]
        weight_of_rank = rest[positive_count + 1 :][:positive_count].view(np.float64)
        rest = rest[2 * positive_count + 1 :]
        any_tie = _predict(positives, negatives, predicted, ties)
        fences = _fence(positives, negatives)

        for i in range(positive_count):
            weight_of_rank[i] = rank_scales[number] * rank_weights[rank_offsets[number] + i + 1]
        discount = discounts[discount_offsets[number] :]
        above = np.empty((terms, positive_count), np.int32)
        for t in range(terms):
            weight = weights[t]
            if weight == 0.0:
                above[t] = predicted
            elif weight == -np.inf:
                certain = predicted - ties
                least_loss(
                    positives,
                    negatives,
                    fences,
                    weight_of_rank,
                    discount,
                    step,
                    certain,
                    above[t],
                )
            else:
                _augmented(
                    positives,
                    negatives,
                    fences,
                    weight_of_rank,
                    discount,
                    step,
                    weight,
                    above[t],
                    rest,
                )
            metric = 0.0
            for i in range(positive_count):
                metric += weight_of_rank[i] * discount[step * (i + 1) + above[t, i]]
            loss = 1.0 - metric
            # A sum of P rounded terms: what is within its rounding of 0 is 0.
            rounding = 2.3e-16 * positive_count
            task_losses[number, t] = 0.0 if abs(loss) <= rounding else loss
        extra = np.zeros(size if any_tie and share_ties else 0, np.float64)
        if extra.size:
            for t in range(terms):
                if weights[t] == 0.0:
                    _halve_ties(
                        predicted,
                        ties,
                        coefficients[t],
                        extra[:positive_count],
                        extra[positive_count:],
                    )
        _combine(
            order,
            positives,
            negatives,
            above,
            coefficients,
            extra,
            combination[begin:end],
            values[number],
        )


@kernel
def _predict(positives: Array, negatives: Array, predicted: Array, ties: Array) -> bool:
    """Negatives above each positive, tied ones included, and how many are tied; whether any is."""
    j = first = 0
    any_tie = False
    for i in range(positives.size):
        score = positives[i]
        while j < negatives.size and negatives[j] >= score:
            if j > first and negatives[j] < negatives[j - 1]:
                first = j
            j += 1
        predicted[i] = j
        # The last run of equal negatives begins at `first`.
        while first < j and negatives[first] > score:
            first += 1
        ties[i] = j - first
        any_tie |= first < j
    return any_tie


@kernel
def _combine(
    order: Array,
    positives: Array,
    negatives: Array,
    above: Array,
    coefficients: Array,
    extra: Array,
    combination: Array,
    values: Array,
) -> None:
    """Write what the configurations of one list amount to.

    Args:
        above: int32 (T, P), the negatives above each positive.
        extra: float64 (P + N,) or empty: what ties add to each margin, positives first.
        combination: out, (n,). values: out, float64 (T,).
    """
    terms, size = above.shape
    other = negatives.size
    unit = 1.0 / (size * other)
    margins = np.zeros(size, np.float64)
    passed = np.zeros(terms, np.int64)
    for t in range(terms):
        value = 0.0
        for i in range(size):
            won = np.float64(other - 2 * np.int64(above[t, i]))
            margins[i] += coefficients[t] * won
            value += positives[i] * won
        values[t] = value
    p = n = 0
    for rank in range(order.size):
        item = order[rank]
        if item & LABEL:
            margin = margins[p]
            if extra.size:
                margin += extra[p]
            p += 1
        else:
            margin = np.float64(extra[size + n] if extra.size else 0.0)
            score = negatives[n]
            for t in range(terms):
                i = passed[t]
                while i < size and above[t, i] <= n:
                    i += 1
                passed[t] = i
                won = np.float64(size - 2 * i)
                margin += coefficients[t] * won
                values[t] += score * won
            n += 1
        combination[np.int64(item & INDEX)] = margin * unit
    for t in range(terms):
        values[t] *= unit


@kernel
def _halve_ties(
    predicted: Array, ties: Array, factor: float, positive: Array, negative: Array
) -> None:
    """Count tied pairs as y_ij = 0 in the gradient, which had counted them as y_ij = -1."""
    first = 0
    while first < predicted.size:
        last = first + 1
        if ties[first]:
            # Positives of one tie follow each other; its negatives are the last ones above them.
            while last < predicted.size and predicted[last] == predicted[first] and ties[last]:
                last += 1
            positive[first:last] += factor * ties[first]
            stop = predicted[first]
            negative[stop - ties[first] : stop] -= factor * (last - first)
        first = last


@kernel
def _fence(positives: Array, negatives: Array) -> Array:
    """Split the list at its infinite scores, which become 0.

    An infinite score keeps its item on its side of every finite item of the other class, in every
    configuration. What is left are at most three independent lists: +inf, finite, -inf.

    Returns:
        int64 (3, 4): first and last (exclusive) negative, first and last positive of each block.
    """
    fences = np.zeros((3, 4), np.int64)
    fences[:, 1] = negatives.size
    fences[:, 3] = positives.size
    n = p = 0
    while n < negatives.size and negatives[n] == np.inf:
        negatives[n] = 0.0
        n += 1
    while p < positives.size and positives[p] == np.inf:
        positives[p] = 0.0
        p += 1
    fences[0] = (0, n, 0, p)
    last_n, last_p = negatives.size, positives.size
    while last_n > n and negatives[last_n - 1] == -np.inf:
        last_n -= 1
        negatives[last_n] = 0.0
    while last_p > p and positives[last_p - 1] == -np.inf:
        last_p -= 1
        positives[last_p] = 0.0
    fences[1] = (n, last_n, p, last_p)
    fences[2] = (last_n, negatives.size, last_p, positives.size)
    return fences


@kernel
def _augmented(
    positives: Array,
    negatives: Array,
    fences: Array,
    rank_weights: Array,
    discounts: Array,
    step: int,
    weight: float,
    above: Array,
    scratch: Array,
) -> None:
    """argmax F + weight * Delta as the number of negatives above each positive."""
    size, other = positives.size, negatives.size
    end = size + other if step else other
    if is_separable(discounts, step, end, weight):
        positives_above = scratch[: other // 2 + 1].view(np.int32)[:other]
        separable(
            positives, negatives, fences, rank_weights, discounts, step, weight, positives_above
        )
        j = 0
        for i in range(size):
            while j < other and positives_above[j] <= i:
                j += 1
            above[i] = j
        return
    low = np.empty(size, np.int32)
    high = np.empty(size, np.int32)
    bounds(positives, negatives, fences, rank_weights, discounts, step, weight, low, high)
    for block in range(fences.shape[0]):
        narrow(
            positives,
            negatives,
            fences[block],
            rank_weights,
            discounts,
            step,
            weight,
            low,
            high,
        )
    corridor(positives, negatives, rank_weights, discounts, step, weight, low, high, above)


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
    step: int,
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
        above = np.empty(count, np.int64)
        i = 0
        for k in range(begin, end):
            if labels[k]:
                above[i] = round((others - coefficients[k] * count * others) / 2.0)
                i += 1
        above.sort()
        metric = 0.0
        for i in range(count):
            at = discount_offsets[number] + step * (i + 1) + above[i]
            metric += rank_weights[rank_offsets[number] + i + 1] * discounts[at]
        losses[number] = 1.0 - rank_scales[number] * metric
