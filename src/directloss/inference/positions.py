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

One sort a list serves all weights (`directloss.inference.runs`); a ranking is kept as the place of
each entry of the runs, so that discounts are read and coefficients summed run by run, in order.

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
from collections.abc import Callable
from enum import IntEnum
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from directloss.inference import threads
from directloss.inference._kernel import Array, inlined, inner, kernel
from directloss.inference.grades import MOST_GRADES, MOST_ITEMS
from directloss.inference.runs import (
    Runs,
    by_gain,
    by_grade,
    grade_sizes,
    merged_places,
    places_after,
)
from directloss.inference.scratch import workspaces
from directloss.inference.sorting import ONE_BIT

__all__ = [
    "CUTOFF_RELEVANT",
    "NO_CUTOFF",
    "ByPosition",
    "Divisor",
    "configuration_losses",
    "evaluate",
    "metric_positions",
    "price",
    "solve",
    "solve_positions",
]

NO_CUTOFF = 2**62
"""Cutoff of a metric that looks at the whole list."""

CUTOFF_RELEVANT = -1
"""Cutoff after as many positions as the list has items of gain > 0 (R-precision)."""

_SLOW = 0.01
"""Rate of a decay below which the difference of two exponentials loses digits."""

_BLOCK = 256
"""Positions for which the decay is taken from its definition; further blocks are multiples."""


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
    ONE = 4
    """Z = 1, for discounts of sum 1."""


# Plain numbers: an enum takes numba longer than all that is compared with it.
_IDEAL, _CUTOFF, _TOTAL, _RANGE, _ONE = (int(divisor) for divisor in Divisor)


class ByPosition(NamedTuple):
    """A ragged batch, and a metric as the table above names it; see `solve_positions`.

    Attributes:
        grades: uint8, flat, of which `gains` are what each gains; none where distinct gains are too
            many, and `gains` are those of the items.
    """

    scores: Array
    grades: Array
    gains: Array
    offsets: Array
    discount: Array
    cutoff: int
    decay: float
    divisor: int

    def arguments(self) -> tuple[Any, ...]:
        """Those of the kernels after the scores."""
        wide = None if self.scores.itemsize == 4 else True
        many = True if self.grades.size == 0 and self.gains.size > MOST_GRADES else None
        decay = self.decay if self.decay > 0.0 else None
        metric = self.discount, self.cutoff, decay, self.divisor
        return wide, self.grades, many, self._index_bits(), self.gains, self.offsets, *metric

    def run(
        self, kernel: Callable[..., None], first: int, last: int, rows: int, *arguments: Any
    ) -> None:
        """Call a kernel on sorted keys, with memory for so many rankings of a list."""
        offsets = self.offsets
        items = int(offsets[last] - offsets[first])
        single = last - first == 1
        longest = items if single else int(np.diff(offsets[first : last + 1]).max(initial=0))
        space = workspaces.take(longest, items, rows)
        if self.scores.itemsize == 4:
            # The grades go into the keys, or nothing without them.
            labels = self.grades if self.grades.size else np.zeros(self.gains.size, np.uint8)
            flat = self.scores, labels, offsets, self._index_bits()
            threads.sorted_keys(first, last, *flat, space.keys, space.spare)
        common = first, last, self.scores, *self.arguments()
        kernel(*common, *arguments, space.keys, *space.arrays)
        workspaces.give_back(space)

    def _index_bits(self) -> int:
        few = self.grades.size == 0 or self.gains.size <= 2
        return ONE_BIT if few else MOST_ITEMS.bit_length() - 1


def solve(
    first: int,
    last: int,
    of: ByPosition,
    share_ties: bool,
    weights: Array,
    coefficients: Array,
    outputs: tuple[Array, Array, Array, Array],
) -> None:
    """`solve_positions`, with the thread's memory."""
    unused = tuple([factor == 0.0 for factor in coefficients.tolist()])
    rows, row_of, order = _plan(tuple([weight != 0.0 for weight in weights.tolist()]), unused)
    terms = share_ties, weights, coefficients, row_of, order
    of.run(solve_positions, first, last, rows, *terms, *outputs)


@cache
def _plan(augmented: tuple[bool, ...], unused: tuple[bool, ...]) -> tuple[int, Array, Array]:
    """How many rows of places the terms take, the row of each, and the terms, used ones first."""
    row_of = np.cumsum(augmented) * augmented
    return 1 + sum(augmented), row_of, np.argsort(unused, kind="stable")


def evaluate(first: int, last: int, of: ByPosition, metrics: Array, defined: Array) -> None:
    """`metric_positions`, with the thread's memory."""
    of.run(metric_positions, first, last, 1, metrics, defined)


def price(first: int, last: int, of: ByPosition, losses: Array) -> None:
    """`configuration_losses`, with the coefficients in place of the scores."""
    of.run(configuration_losses, first, last, 1, losses)


@kernel
def solve_positions(
    first: int,
    last: int,
    scores: Array,
    wide: bool | None,
    grades: Array,
    many: bool | None,
    index_bits: int,
    gains: Array,
    offsets: Array,
    discount: Array,
    cutoff: int,
    decay: float | None,
    divisor: int,
    share_ties: bool,
    weights: Array,
    coefficients: Array,
    row_of: Array,
    order: Array,
    combination: Array,
    task_losses: Array,
    values: Array,
    defined: Array,
    keys: Array,
    discounts: Array,
    shared: Array,
    ordered: Array,
    shifted: Array,
    items: Array,
    merged: Array,
    other: Array,
    narrow: Array,
    places: Array,
) -> None:
    """Solve argmax_y F(y) + weight * Delta(y) for lists `first` to `last` of a ragged batch.

    The discount at position p of a list of n items is
    `discount[p]` for p <= cutoff and 0 beyond; positions count from 1, and the table is continued
    by its last entry, so that `[1.0]` is a step at the cutoff. With a decay it is multiplied by
    `exp(-decay * (p - 1) / n) - exp(-decay * (n - 1) / n)`.

    A weight of -inf asks for the ground truth: the least Delta, among those the largest F.
    A list is undefined where Z is 0: all gains are 0, or, for `Divisor.RANGE`, all rankings are
    worth the same (all gains are equal). All its outputs are then 0.

    Args:
        first, last: Range of lists to solve; others are not touched.
        scores: float32 or float64 `[offsets[-1]]`, no NaN. Infinite scores rank first or last,
            equal to each other; they count as 0 in F.
        wide: None for float32 scores, True for float64: kernels are compiled for one of the two.
        grades: uint8 `[offsets[-1]]`, of which `gains` are what each gains; or none.
        many: Whether distinct gains are too many for grades; None where there are grades, and what
            is compiled needs no code for any gains.
        index_bits: Of each of the keys, that its index may have.
        gains: float64, finite, >= 0: ascending, by grade; or without grades `[offsets[-1]]`.
        offsets: `[L + 1]`; list l is `scores[offsets[l]:offsets[l + 1]]`.
        discount: Table by position, not empty, never growing.
        cutoff: Number of positions that count, `NO_CUTOFF` or `CUTOFF_RELEVANT`.
        decay: Rate of exponential decay over the whole list, > 0; None for none.
        divisor: A `Divisor`.
        share_ties: Whether, in `combination`, items share the mean of their positions where they
            may be exchanged without a change of F + weight * Delta and of Delta (same score and
            gain; at weight 0, same score), so that nothing depends on the order of storage. Else
            each y is a plain ranking.
        weights, coefficients: `[T]`, the terms of the combination.
        row_of: `[T]`, the row of `places` for each term: 0 for the prediction.
        order: `[T]`, the terms, those with a coefficient first.
        combination: Output like `scores`: sum_t coefficients[t] * y(weights[t]), where
            y_i = dF/dphi_i = D(position of i) / S.
        task_losses: Output `[L, T]`, Delta. At weight 0 items of lower gain come first in a tie.
        values: Output `[L, T]`, F.
        defined: Output `[L]`.
        keys: Of these lists, from `sorted_keys` with the grades as labels, where they are float32.
        discounts and the rest: As in `directloss.inference.scratch.Workspace`, with a row of places
            for the prediction and for each term of a weight that is not 0.
    """
    terms = weights.size
    for index in range(first, last):
        start, stop = offsets[index], offsets[index + 1]
        n = stop - start
        for t in range(terms):
            task_losses[index, t] = values[index, t] = 0.0
        runs, by_place, mean, base, scale = _sort(
            index,
            first,
            scores,
            wide,
            grades,
            many,
            index_bits,
            gains,
            offsets,
            discount,
            cutoff,
            decay,
            divisor,
            share_ties,
            keys,
            discounts,
            shared,
            ordered,
            shifted,
            items,
            merged,
            narrow,
            places,
        )
        defined[index] = scale > 0.0
        if not defined[index]:
            for place in range(start, stop):
                combination[place] = 0.0
            continue
        largest = runs.gains[-1]
        for t in range(terms):
            if weights[t] != 0.0:
                shift, row = weights[t] / largest, places[row_of[t]]
                if many is not None:
                    places_after(runs, shift, row, shifted[:n], merged, other)
                else:
                    merged_places(runs, shift, row, shifted[:n], merged, other)
        for k in range(0, terms, 2):
            a, b = order[k], order[min(k + 1, terms - 1)]
            pair = k + 1 < terms
            gain_a, gain_b, value_a, value_b = _write_two(
                runs,
                by_place,
                mean if weights[a] == 0.0 else by_place,
                mean if weights[b] == 0.0 else by_place,
                share_ties,
                places[row_of[a]],
                places[row_of[b]],
                coefficients[a] * largest / scale,
                coefficients[b] * largest / scale if pair else 0.0,
                k == 0,
                combination[start:stop],
            )
            task_losses[index, a] = max(0.0, 1.0 - (gain_a - base) / scale)
            values[index, a] = value_a * (largest / scale)
            if pair:
                task_losses[index, b] = max(0.0, 1.0 - (gain_b - base) / scale)
                values[index, b] = value_b * (largest / scale)


@inner
def _write_two(
    runs: Runs,
    discounts: Array,
    mean_a: Array,
    mean_b: Array,
    share_ties: bool,
    places_a: Array,
    places_b: Array,
    factor_a: float,
    factor_b: float,
    fresh: bool,
    combination: Array,
) -> tuple[float, float, float, float]:
    """Write factor_a * D(place) + factor_b * D(place) of two rankings.

    Two in one pass over the entries, which is all that most updates have.

    Args:
        discounts: D by place.
        mean_a, mean_b: what stands for it in `combination`.
        places_a, places_b: of the entries, uint32.
        fresh: whether `combination` is still to be written, else added to.
        combination: out, a list.

    Returns:
        sum_i g_i D(place of i) of both, then sum_i phi_i D(place of i) of both.
    """
    total_a = total_b = sum_a = sum_b = 0.0
    for run in range(runs.gains.size):
        entry, end = np.uint64(runs.bounds[run]), np.uint64(runs.bounds[run + 1])
        run_a = run_b = 0.0
        while entry < end:
            score, stop = runs.scores[entry], entry + np.uint64(1)
            if share_ties:
                while stop < end and runs.scores[stop] == score:
                    stop += np.uint64(1)
            score = score if math.isfinite(score) else 0.0
            share = 0.0
            for k in range(entry, stop):
                at_a, at_b = places_a[k], places_b[k]
                run_a += discounts[at_a]
                run_b += discounts[at_b]
                sum_a += score * discounts[at_a]
                sum_b += score * discounts[at_b]
                share += factor_a * mean_a[at_a] + factor_b * mean_b[at_b]
            if stop - entry > np.uint64(1):
                share /= np.float64(stop - entry)
            for k in range(entry, stop):
                item = runs.items[k]
                combination[item] = share if fresh else combination[item] + share
            entry = stop
        total_a += runs.gains[run] * run_a
        total_b += runs.gains[run] * run_b
    return total_a, total_b, sum_a, sum_b


@kernel
def configuration_losses(
    first: int,
    last: int,
    configurations: Array,
    wide: bool | None,
    grades: Array,
    many: bool | None,
    index_bits: int,
    gains: Array,
    offsets: Array,
    discount: Array,
    cutoff: int,
    decay: float | None,
    divisor: int,
    losses: Array,
    keys: Array,
    discounts: Array,
    shared: Array,
    ordered: Array,
    shifted: Array,
    items: Array,
    merged: Array,
    other: Array,
    narrow: Array,
    places: Array,
) -> None:
    """Delta of configurations given by their coefficients y_i = D(position of i) / S.

    Delta is affine in y, so that a mean of rankings has the mean of their losses.

    Args:
        configurations: float64, flat, in place of scores.
        losses: Output `[L]`; 0 where the metric is undefined. Others as in `solve_positions`.
    """
    for index in range(first, last):
        start = offsets[index]
        losses[index] = 0.0
        # Nothing here depends on the order of the scores, but the runs come with it.
        runs, _, _, base, scale = _sort(
            index,
            first,
            configurations,
            wide,
            grades,
            many,
            index_bits,
            gains,
            offsets,
            discount,
            cutoff,
            decay,
            divisor,
            False,
            keys,
            discounts,
            shared,
            ordered,
            shifted,
            items,
            merged,
            narrow,
            places,
        )
        if scale > 0.0:
            gain = 0.0
            for run in range(runs.gains.size):
                for entry in range(runs.bounds[run], runs.bounds[run + 1]):
                    gain += runs.gains[run] * configurations[start + runs.items[entry]]
            losses[index] = 1.0 + base / scale - gain / runs.gains[-1]


@kernel
def metric_positions(
    first: int,
    last: int,
    scores: Array,
    wide: bool | None,
    grades: Array,
    many: bool | None,
    index_bits: int,
    gains: Array,
    offsets: Array,
    discount: Array,
    cutoff: int,
    decay: float | None,
    divisor: int,
    metrics: Array,
    defined: Array,
    keys: Array,
    discounts: Array,
    shared: Array,
    ordered: Array,
    shifted: Array,
    items: Array,
    merged: Array,
    other: Array,
    narrow: Array,
    places: Array,
) -> None:
    """Evaluate 1 - Delta with the mean over all orders of tied items, for lists `first` to `last`.

    This is the convention of scikit-learn's `ndcg_score(ignore_ties=False)`: every item of a tie
    gets the mean discount of the tie's positions. Arguments as in `solve_positions`; `metrics`
    and `defined` are outputs `[L]`, and the metric of an undefined list is written as 0.
    """
    for index in range(first, last):
        metrics[index] = 0.0
        runs, _, mean, base, scale = _sort(
            index,
            first,
            scores,
            wide,
            grades,
            many,
            index_bits,
            gains,
            offsets,
            discount,
            cutoff,
            decay,
            divisor,
            True,
            keys,
            discounts,
            shared,
            ordered,
            shifted,
            items,
            merged,
            narrow,
            places,
        )
        defined[index] = scale > 0.0
        if not defined[index]:
            continue
        gain = 0.0
        for run in range(runs.gains.size):
            total = 0.0
            for entry in range(runs.bounds[run], runs.bounds[run + 1]):
                total += mean[places[0, entry]]
            gain += runs.gains[run] * total
        metrics[index] = (gain - base) / scale


@inlined
def _sort(
    index: int,
    first: int,
    scores: Array,
    wide: bool | None,
    grades: Array,
    many: bool | None,
    index_bits: int,
    gains: Array,
    offsets: Array,
    discount: Array,
    cutoff: int,
    decay: float | None,
    divisor: int,
    share_ties: bool,
    keys: Array,
    discounts: Array,
    shared: Array,
    ordered: Array,
    by_score: Array,
    items: Array,
    order: Array,
    narrow: Array,
    places: Array,
) -> tuple[Runs, Array, Array, float, float]:
    """Sort list `index` of those from `first` on; arguments as in `solve_positions`.

    Args:
        places: out, row 0: those of the prediction.
        by_score, order, narrow: scratch, `shifted`, `merged` and `narrow` of the workspace.

    Returns:
        The list as runs; D by place; the same, shared among ties if `share_ties`; B and Z.
    """
    start, stop = offsets[index], offsets[index + 1]
    n = stop - start
    list_keys = keys[start - offsets[first] : stop - offsets[first]]
    by_grades = np.empty((4, 1 if many is not None else gains.size + 1), np.int64)
    relevant = 0
    if many is not None:
        for gain in gains[start:stop]:
            relevant += gain > 0.0
    else:
        sizes = by_grades[0, : gains.size]
        grade_sizes(grades[start:stop], sizes)
        for grade in range(sizes.size):
            relevant += sizes[grade] * (gains[grade] > 0.0)
    most = min(n, relevant if cutoff == CUTOFF_RELEVANT else cutoff)
    by_place = discounts[:n]
    if decay is not None:
        _discounts(discount, most, by_place)
        _decay(decay, most, by_place)
    elif most == n and discount.size >= n:
        by_place = discount[:n]
    else:
        _discounts(discount, most, by_place)
    mean = by_place
    if share_ties:
        mean = shared[:n]
        # Written at once it would be a second of compiling the error of a wrong length.
        for place in range(n):
            mean[place] = by_place[place]
    changed = mean if share_ties else mean[:0]
    if many is not None:
        runs = by_gain(
            scores[start:stop],
            wide,
            gains[start:stop],
            list_keys,
            by_place,
            changed,
            places[0],
        )
    else:
        runs = by_grade(
            scores[start:stop],
            wide,
            grades[start:stop],
            index_bits,
            gains,
            by_grades,
            list_keys,
            by_place,
            changed,
            ordered[:n],
            items[:n],
            places[0],
            by_score[:n],
            order[:n],
            narrow,
        )
    base, scale = _normalisation(runs, by_place, cutoff, divisor)
    return runs, by_place, mean, base, scale


@inner
def _discounts(discount: Array, most: int, discounts: Array) -> None:
    """Write D by place, without a decay: 0 from place `most` on."""
    end = discount.size - 1
    for place in range(most):
        discounts[place] = discount[min(place, end)]
    for place in range(most, discounts.size):
        discounts[place] = 0.0


@inner
def _decay(decay: float, most: int, discounts: Array) -> None:
    """Multiply D of the first `most` places by the decay."""
    n = discounts.size
    # From 1 at the first place, so that not all of it underflows; to 0 at the last, so that a slow
    # decay is not lost beside a constant.
    last = math.exp(-decay * (n - 1) / n)
    if decay < _SLOW:
        for place in range(most):
            discounts[place] *= last * math.expm1(decay * (n - 1 - place) / n)
        return
    # exp(a + b) = exp(a) exp(b): the exponential itself is needed for one block, and once a block.
    within = np.empty(min(most, _BLOCK))
    for place in range(within.size):
        within[place] = math.exp(-decay * place / n)
    for begin in range(0, most, _BLOCK):
        before = math.exp(-decay * begin / n)
        for place in range(begin, min(begin + _BLOCK, most)):
            discounts[place] *= before * within[place - begin] - last


@inner
def _normalisation(runs: Runs, discounts: Array, cutoff: int, divisor: int) -> tuple[float, float]:
    """Return B and Z of a list; Z = 0 where the metric is undefined.

    Summed run by run, as `_write_two` does, so that the best ranking has a loss of exactly 0.
    """
    count, n = runs.gains.size, discounts.size
    if count == 0 or runs.gains[-1] == 0.0:
        return 0.0, 0.0
    best, worst = 0.0, 0.0
    positives, total = 0, 0.0
    for run in range(count):
        gain, size = runs.gains[run], runs.bounds[run + 1] - runs.bounds[run]
        if gain == 0.0:
            continue
        positives += size
        total += gain * size
        if divisor == _IDEAL or divisor == _RANGE:
            best += gain * _sum(discounts, n - runs.bounds[run + 1], n - runs.bounds[run])
        if divisor == _RANGE:
            worst += gain * _sum(discounts, runs.bounds[run], runs.bounds[run + 1])
    if divisor == _CUTOFF:
        return 0.0, float(positives if cutoff == CUTOFF_RELEVANT else cutoff)
    if divisor == _TOTAL:
        return 0.0, total
    if divisor == _IDEAL:
        return 0.0, best
    if divisor == _ONE:
        return 0.0, 1.0
    return worst, best - worst


@inner
def _sum(values: Array, first: int, last: int) -> float:
    total = 0.0
    for k in range(first, last):
        total += values[k]
    return total
