"""Exact inference for metrics that discount gains by position: NDCG, precision@k, BEDROC, ...

One list has items i = 1..n with scores phi_i and gains g_i >= 0 (relevance: 0/1, or graded). A
configuration is a ranking of the items; D is a discount by position that never grows. With a
divisor Z > 0 and, for metrics whose worst value is not 0, a base B,

    Delta(y) = 1 - (sum_i g_i D(position of i) - B) / Z
    F(y)     = sum_i phi_i D(position of i) / S,          S = Z / max_i g_i.

By this choice of S,

    F + weight * Delta = sum_i D(position of i) * (phi_i - weight * g_i / max g) / S + constant,

so that, since D never grows, every argmax is a sort by the shifted score (rearrangement
inequality), for either sign of the weight, and |weight| is the largest shift of a score.

One sort a list serves all weights (`directloss.inference.runs`).

| metric        | discount        | cutoff             | decay | divisor |
|---------------|-----------------|--------------------|-------|---------|
| NDCG, NDCG@k  | 1 / log2(p + 1) | `NO_CUTOFF` or k   | 0     | IDEAL   |
| precision@k   | [1]             | k                  | 0     | CUTOFF  |
| recall@k      | [1]             | k                  | 0     | TOTAL   |
| R-precision   | [1]             | `CUTOFF_RELEVANT`  | 0     | CUTOFF  |
| BEDROC(alpha) | [1]             | `NO_CUTOFF`        | alpha | RANGE   |
"""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np

from directloss.inference._kernel import Array, kernel
from directloss.inference.runs import SCRATCH_WORDS as SORTING_WORDS
from directloss.inference.runs import WORDS_BEFORE_KEYS, SortedList, rank, sort_list

__all__ = [
    "CUTOFF_RELEVANT",
    "NO_CUTOFF",
    "SCRATCH_WORDS",
    "WORDS_BEFORE_KEYS",
    "Divisor",
    "configuration_losses",
    "metric_positions",
    "solve_positions",
]

NO_CUTOFF = 2**62
"""Cutoff of a metric that looks at the whole list."""

SCRATCH_WORDS = SORTING_WORDS + 2
"""Words of scratch memory for each item of a list."""

CUTOFF_RELEVANT = -1
"""Cutoff after as many positions as the list has items of gain > 0 (R-precision)."""


class Divisor(IntEnum):
    """What the discounted gain is divided by; Z and B of the module's docstring."""

    IDEAL = 0
    """Z = the largest discounted gain that a ranking of the list can have."""
    CUTOFF = 1
    """Z = the number of positions before the cutoff, whether or not the list is as long."""
    TOTAL = 2
    """Z = the sum of the gains (0/1: the number of positives)."""
    RANGE = 3
    """B = the smallest and B + Z = the largest discounted gain that a ranking can have."""


@kernel
def solve_positions(
    first: int,
    last: int,
    scores: Array,
    gains: Array,
    offsets: Array,
    discount: Array,
    cutoff: int,
    decay: float,
    divisor: int,
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
    """Solve argmax_y F(y) + weight * Delta(y) for lists `first` to `last` of a ragged batch.

    The discount at position p of a list of n items is
    `discount[p] * exp(-decay * p / n)` for p <= cutoff and 0 beyond; positions count from 1, and
    the table is continued by its last entry, so that `[1.0]` is a step at the cutoff.

    A weight of -inf asks for the ground truth: the least Delta, among those the largest F.
    A list is undefined where Z is 0: all gains are 0, or, for `Divisor.RANGE`, all rankings are
    worth the same (all gains are equal). All its outputs are then 0.

    Args:
        first, last: Range of lists to solve; others are not touched.
        scores: float32 or float64 `[offsets[-1]]`, no NaN. Infinite scores rank first or last,
            equal to each other; they count as 0 in F.
        gains: `[offsets[-1]]`, finite, >= 0.
        offsets: `[L + 1]`; list l is `scores[offsets[l]:offsets[l + 1]]`.
        discount: Table by position, not empty, never growing.
        cutoff: Number of positions that count, `NO_CUTOFF` or `CUTOFF_RELEVANT`.
        decay: Rate of exponential decay over the whole list, >= 0.
        divisor: A `Divisor`.
        share_ties: Whether, in `combination`, items share the mean of their positions where they
            may be exchanged without a change of F + weight * Delta and of Delta (same score and
            gain; at weight 0, same score), so that nothing depends on the order of storage. Else
            each y is a plain ranking.
        weights, coefficients: `[T]`, the terms of the combination.
        combination: Output like `scores`: sum_t coefficients[t] * y(weights[t]), where
            y_i = dF/dphi_i = D(position of i) / S.
        task_losses: Output `[L, T]`, Delta. At weight 0 items of lower gain come first in a tie.
        values: Output `[L, T]`, F.
        defined: Output `[L]`.
        keys: Those of these lists from `sorted_keys`, with labels 0, or none.
        scratch: uint64, `SCRATCH_WORDS` for each item of the longest list, and 8 items more.
    """
    for index in range(first, last):
        start, stop = offsets[index], offsets[index + 1]
        size = stop - start
        combination[start:stop] = 0.0
        task_losses[index] = 0.0
        values[index] = 0.0
        ordered = sort_list(
            scores[start:stop],
            gains[start:stop],
            keys[start - offsets[first] : stop - offsets[first]],
            scratch,
        )
        rest = scratch[WORDS_BEFORE_KEYS * size + 8 :]
        discounts, total = rest[:size].view(np.float64), rest[size : 2 * size].view(np.float64)
        _discounts(ordered.gains, discount, cutoff, decay, discounts)
        base, scale = _normalisation(ordered.gains, discounts, cutoff, divisor)
        defined[index] = scale > 0.0
        if not defined[index]:
            continue
        largest_gain = ordered.gains[-1]
        total[:] = 0.0
        for term in range(weights.size):
            weight = weights[term]
            ranking = rank(ordered, weight / largest_gain, rest[2 * size :])
            gain, value = 0.0, 0.0
            for place, entry in enumerate(ranking):
                gain += ordered.gains[entry] * discounts[place]
                if math.isfinite(ordered.scores[entry]):
                    value += ordered.scores[entry] * discounts[place]
            task_losses[index, term] = max(0.0, 1.0 - (gain - base) / scale)
            values[index, term] = value * largest_gain / scale
            factor = coefficients[term] * largest_gain / scale
            if share_ties:
                _add_shared_discounts(ordered, ranking, discounts, weight == 0.0, factor, total)
            else:
                for place, entry in enumerate(ranking):
                    total[entry] += factor * discounts[place]
        for entry in range(stop - start):
            combination[start + ordered.items[entry]] = total[entry]


@kernel
def configuration_losses(
    first: int,
    last: int,
    configurations: Array,
    gains: Array,
    offsets: Array,
    discount: Array,
    cutoff: int,
    decay: float,
    divisor: int,
    losses: Array,
) -> None:
    """Delta of configurations given by their coefficients y_i = D(position of i) / S.

    Delta is affine in y, so that a mean of rankings has the mean of their losses.

    Args:
        configurations: float64, flat, in place of scores.
        losses: Output `[L]`; 0 where the metric is undefined. Others as in `solve_positions`.
    """
    for index in range(first, last):
        start, stop = offsets[index], offsets[index + 1]
        losses[index] = 0.0
        ordered_gains = np.sort(gains[start:stop])
        discounts = np.empty(ordered_gains.size)
        _discounts(ordered_gains, discount, cutoff, decay, discounts)
        base, scale = _normalisation(ordered_gains, discounts, cutoff, divisor)
        if scale > 0.0:
            gain = 0.0
            for place in range(start, stop):
                gain += gains[place] * configurations[place]
            losses[index] = 1.0 + base / scale - gain / ordered_gains[-1]


@kernel
def metric_positions(
    first: int,
    last: int,
    scores: Array,
    gains: Array,
    offsets: Array,
    discount: Array,
    cutoff: int,
    decay: float,
    divisor: int,
    metrics: Array,
    defined: Array,
) -> None:
    """Evaluate 1 - Delta with the mean over all orders of tied items, for lists `first` to `last`.

    This is the convention of scikit-learn's `ndcg_score(ignore_ties=False)`: every item of a tie
    gets the mean discount of the tie's positions. Arguments as in `solve_positions`; `metrics`
    and `defined` are outputs `[L]`, and the metric of an undefined list is written as 0.
    """
    for index in range(first, last):
        start, stop = offsets[index], offsets[index + 1]
        metrics[index] = 0.0
        size = stop - start
        scratch = np.empty(SORTING_WORDS * (size + 8), np.uint64)
        ordered = sort_list(scores[start:stop], gains[start:stop], scratch[:0], scratch)
        discounts = np.empty(size)
        _discounts(ordered.gains, discount, cutoff, decay, discounts)
        base, scale = _normalisation(ordered.gains, discounts, cutoff, divisor)
        defined[index] = scale > 0.0
        if not defined[index]:
            continue
        shared = np.zeros(size)
        ranking = rank(ordered, 0.0, scratch[WORDS_BEFORE_KEYS * size + 8 :])
        _add_shared_discounts(ordered, ranking, discounts, True, 1.0, shared)
        gain = 0.0
        for entry in ranking:
            gain += ordered.gains[entry] * shared[entry]
        metrics[index] = (gain - base) / scale


@kernel
def _discounts(gains: Array, discount: Array, cutoff: int, decay: float, discounts: Array) -> None:
    """Write D by place to `discounts`."""
    n = gains.size
    discounts[:] = 0.0
    for place in range(min(n, _positions(gains, cutoff))):
        discounts[place] = discount[min(place, discount.size - 1)]
        if decay > 0.0:
            discounts[place] *= math.exp(-decay * (place + 1) / n)


@kernel
def _positions(gains: Array, cutoff: int) -> int:
    if cutoff == CUTOFF_RELEVANT:
        return int(np.count_nonzero(gains))
    return cutoff


@kernel
def _normalisation(
    gains: Array, discounts: Array, cutoff: int, divisor: int
) -> tuple[float, float]:
    """Return B and Z of a list with ascending gains; Z = 0 where the metric is undefined."""
    n = gains.size
    if n == 0 or gains[-1] == 0.0:
        return 0.0, 0.0
    if divisor == Divisor.CUTOFF:
        return 0.0, float(_positions(gains, cutoff))
    if divisor == Divisor.TOTAL:
        return 0.0, gains.sum()
    best, worst = 0.0, 0.0
    for place in range(n):
        best += gains[n - 1 - place] * discounts[place]
        worst += gains[place] * discounts[place]
    if divisor == Divisor.IDEAL:
        return 0.0, best
    return worst, best - worst


@kernel
def _add_shared_discounts(
    ordered: SortedList,
    ranking: Array,
    discounts: Array,
    across_gains: bool,
    factor: float,
    total: Array,
) -> None:
    """Add factor * (mean discount of its tie) to the total of each entry.

    A tie is a stretch of the ranking with equal scores and, unless `across_gains`, equal gains.
    """
    n = ranking.size
    place = 0
    while place < n:
        head = ranking[place]
        stop, tie = place, 0.0
        while (
            stop < n
            and ordered.scores[ranking[stop]] == ordered.scores[head]
            and (across_gains or ordered.gains[ranking[stop]] == ordered.gains[head])
        ):
            tie += discounts[stop]
            stop += 1
        mean = factor * (tie / (stop - place))
        for tied in range(place, stop):
            total[ranking[tied]] += mean
        place = stop
