"""Each claim of docs/theory.md that a number can refute, on lists small enough to enumerate."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from math import inf

import numpy as np
import pytest

from directloss.inference import programme
from tests import brute_force
from tests.inference.small_cases import Case, Floats, cases, draw_gain

Integers = np.ndarray


def cell_gains(case: Case, gain: Floats) -> Floats:
    """w(i, j) = 2 (phi_i - phi_j) / (P N) - weight * K(i, j), of positive i above negative j."""
    positive, negative = np.sort(case.positive)[::-1], np.sort(case.negative)[::-1]
    margins = positive[:, None] - negative
    return 2 * margins / margins.size - case.weight * (gain[:, :-1] - gain[:, 1:])


def staircase_sum(w: Floats, n: Integers) -> float:
    return float(sum(row[above:].sum() for row, above in zip(w, n, strict=True)))


def all_staircases(w: Floats) -> tuple[Integers, Floats]:
    counts = _all_counts(*w.shape)
    right_of = np.hstack([np.cumsum(w[:, ::-1], axis=1)[:, ::-1], np.zeros((len(w), 1))])
    return counts, right_of[np.arange(len(w)), counts].sum(axis=1)


@cache
def _all_counts(positives: int, negatives: int) -> Integers:
    return np.array(list(brute_force.interleavings(positives, negatives)))


def single_crossing_corridor(w: Floats) -> tuple[Integers, Integers]:
    columns = w.shape[1]
    low = np.array([next((j for j in range(columns) if row[j] > 0), columns) for row in w])
    high = np.array([max((j + 1 for j in range(columns) if row[j] <= 0), default=0) for row in w])
    return np.minimum.accumulate(low[::-1])[::-1], np.maximum.accumulate(high)


def column_sums(w: Floats) -> Floats:
    """S_j(c) = sum of w(i, j) over i <= c, as rows c = 0..P."""
    return np.vstack([np.zeros(w.shape[1]), np.cumsum(w, axis=0)])


def divide_and_conquer(w: Floats) -> list[int]:
    """Solve the middle column within its range, then each half within what that leaves it."""
    sums = column_sums(w)

    def solve(left: int, right: int, least: int, most: int) -> list[int]:
        if left == right:
            return []
        middle = (left + right) // 2
        best = least + int(np.argmax(sums[least : most + 1, middle]))
        return [
            *solve(left, middle, least, best),
            best,
            *solve(middle + 1, right, best, most),
        ]

    return solve(0, w.shape[1], 0, w.shape[0])


# --- the theorem's scalar -------------------------------------------------------------------------


def maxima(case: Case, gain: Floats) -> Callable[[float], tuple[float, float]]:
    """t -> V(t) = max F + t Delta and the Delta of a maximiser."""

    def value(t: float) -> tuple[float, float]:
        objective, n = brute_force.best_interleaving(case.positive, case.negative, gain, t)
        return objective, brute_force.ranking_task_loss(gain, n)

    return value


def test_the_bounds_enclose_the_task_loss_and_tighten_as_epsilon_falls() -> None:
    for case in cases(200, most=5):
        value = maxima(case, case.average_precision_gain)
        (best, loss), previous = value(0.0), (-inf, inf)
        for epsilon in (30.0, 3.0, 0.3, 0.03):
            (above, loss_above), (below, loss_below) = value(epsilon), value(-epsilon)
            lower, upper = (best - below) / epsilon, (above - best) / epsilon
            chain = [loss_below, lower, loss, upper, loss_above]
            tolerance = case.tolerance / epsilon
            assert all(x <= y + tolerance for x, y in pairwise(chain))
            assert previous[0] <= lower + tolerance
            assert upper <= previous[1] + tolerance
            previous = (lower, upper)


def test_a_long_negative_step_is_the_perceptron() -> None:
    """Beyond eps_0 the negative direction's V(0) - V(-eps) - eps * Delta_min is V(0) - F(y*)."""
    rng = np.random.default_rng(5)
    for case in cases(200, most=5):
        _, gain = draw_gain(rng, len(case.positive), len(case.negative))
        value = maxima(case, gain)
        truth, n = brute_force.best_interleaving(case.positive, case.negative, gain, -inf)
        least = brute_force.ranking_task_loss(gain, n)
        counts, _ = all_staircases(gain[:, 1:])
        losses = np.array([brute_force.ranking_task_loss(gain, m) for m in counts])
        scores = np.array(
            [brute_force.pairwise_score(case.positive, case.negative, m) for m in counts]
        )
        worse = losses > least + 1e-12
        slopes = (scores[worse] - truth) / (losses[worse] - least)
        epsilon = 1.0 + max(0.0, slopes.max(initial=0.0))
        objective, loss = value(-epsilon)
        assert objective + epsilon * least == pytest.approx(truth, abs=1e-9 * epsilon)
        assert loss == pytest.approx(least, abs=1e-12)


def test_the_two_directions_err_on_opposite_sides_and_their_mean_hardly() -> None:
    """The page's example by hand: F(1) = w + z, F(0) = 0, 0-1 loss, here with logistic z."""
    quantiles = (np.arange(1_000_000) + 0.5) / 1_000_000
    score = 0.7 + np.log(quantiles / (1 - quantiles))
    gradient = -1 / (2 + np.exp(0.7) + np.exp(-0.7))  # minus the logistic density at -w

    def mean_score_gradient(t: float) -> float:
        chosen = score > t  # argmax of F(1) = score against F(0) + t * Delta(0) = t
        return float(chosen.mean())

    biases = []
    for epsilon in (0.4, 0.2):
        at, above, below = (mean_score_gradient(t) for t in (0.0, epsilon, -epsilon))
        positive, negative = (above - at) / epsilon, (at - below) / epsilon
        biases.append([q - gradient for q in (positive, negative, (positive + negative) / 2)])
    for positive_bias, negative_bias, both_bias in biases:
        assert positive_bias * negative_bias < 0
        assert abs(both_bias) < 0.2 * min(abs(positive_bias), abs(negative_bias))
    # Half the epsilon: half the bias of one side, a quarter of that of both.
    ratios = np.divide(*biases)
    assert ratios == pytest.approx([2, 2, 4], rel=0.15)


# --- staircases -----------------------------------------------------------------------------------


def test_the_objective_is_a_sum_of_cells_on_one_side_of_a_staircase() -> None:
    rng = np.random.default_rng(6)
    for case in cases(200, most=5):
        _, gain = draw_gain(rng, len(case.positive), len(case.negative))
        counts, sums = all_staircases(cell_gains(case, gain))
        objectives = [
            brute_force.pairwise_score(case.positive, case.negative, n)
            + case.weight * brute_force.ranking_task_loss(gain, n)
            for n in counts
        ]
        all_negatives_first = objectives[-1]  # n_i = N for every i: no cell is taken
        assert counts[-1].tolist() == [len(case.negative)] * len(case.positive)
        assert sums + all_negatives_first == pytest.approx(objectives, abs=10 * case.tolerance)


def test_in_the_positive_direction_of_ap_each_negative_may_be_placed_alone() -> None:
    for case in cases(1000, most=6):
        if case.weight < 0:
            continue
        w = cell_gains(case, case.average_precision_gain)
        sums = column_sums(w)
        assert (np.diff(sums.argmax(axis=0)) >= 0).all()
        best = all_staircases(w)[1].max()
        assert sums.max(axis=0).sum() == pytest.approx(best, abs=case.tolerance)
        found = divide_and_conquer(w)
        assert sum(sums[c, j] for j, c in enumerate(found)) == pytest.approx(
            best, abs=case.tolerance
        )


def test_in_the_negative_direction_the_same_shortcut_fails() -> None:
    """The example of the page: the first negative wants to go below, the others above."""
    case = Case(np.array([0.0]), np.array([3.0, 2.0, 1.0]), -6.0)
    w = cell_gains(case, case.average_precision_gain)
    assert w == pytest.approx(np.array([[1, -1 / 3, -1 / 6]]))
    assert column_sums(w).argmax(axis=0).tolist() == [1, 0, 0]  # not an interleaving
    assert divide_and_conquer(w) == [0, 0, 0]  # an interleaving, of value 0
    assert staircase_sum(w, np.array([0])) == pytest.approx(1 / 2)  # the optimum
    for solve in (programme.average_precision, _ranking_of_average_precision):
        assert solve(case.positive, case.negative, case.weight)[1].tolist() == [0]


def _ranking_of_average_precision(
    positive: Floats, negative: Floats, weight: float
) -> tuple[float, Integers]:
    gain = brute_force.average_precision_gain(len(positive), len(negative))
    return programme.ranking(positive, negative, gain, weight)


def test_the_single_crossing_corridor_holds_an_optimum_and_none_lies_above_it() -> None:
    rng = np.random.default_rng(7)
    narrowed = 0
    for case in cases(2000, most=6):
        _, gain = draw_gain(rng, len(case.positive), len(case.negative))
        w = cell_gains(case, gain)
        low, high = single_crossing_corridor(w)
        counts, sums = all_staircases(w)
        inside = ((low <= counts) & (counts <= high)).all(axis=1)
        assert sums[inside].max() == pytest.approx(sums.max(), abs=case.tolerance)
        assert (counts[sums == sums.max()] <= high).all()
        narrowed += bool((low > 0).any() or (high < w.shape[1]).any())
    assert narrowed > 1000


def programme_in_corridor(w: Floats, low: Integers, high: Integers) -> list[tuple[Floats, Floats]]:
    """For each row i its f_i over low..high, and the running maximum that row i + 1 reads there."""
    rows: list[tuple[Floats, Floats]] = []
    for i, row in enumerate(w):
        cells = np.arange(low[i], high[i] + 1)
        f = np.array([row[n:].sum() for n in cells])
        if i > 0:
            running = np.maximum.accumulate(rows[-1][0])
            f = f + running[np.minimum(cells, high[i - 1]) - low[i - 1]]
        rows.append((f, np.maximum.accumulate(f)))
    return rows


def test_one_bit_a_cell_leads_back_if_it_stays_on_the_row_that_it_describes() -> None:
    rng = np.random.default_rng(8)
    lost_on_the_next_row = 0
    for case in cases(1000, most=6):
        _, gain = draw_gain(rng, len(case.positive), len(case.negative))
        w = cell_gains(case, gain)
        low, high = single_crossing_corridor(w)
        rows = programme_in_corridor(w, low, high)
        n, limit = np.empty(len(w), dtype=np.int64), w.shape[1]
        for i in range(len(w) - 1, -1, -1):
            f, running = rows[i]
            bits = np.r_[True, f[1:] > running[:-1]]
            limit = min(limit, high[i])
            while not bits[limit - low[i]]:
                limit -= 1
            n[i] = limit
            # Bits on the next row's cells say nothing of an argmax left of that corridor.
            lost_on_the_next_row += i + 1 < len(w) and limit < low[i + 1]
        best = all_staircases(w)[1].max()
        assert staircase_sum(w, n) == pytest.approx(best, abs=10 * case.tolerance)
    assert lost_on_the_next_row > 0


def test_the_chord_bounds_what_a_staircase_can_take_of_a_block() -> None:
    rng = np.random.default_rng(9)
    for case in cases(500, most=6):
        _, gain = draw_gain(rng, len(case.positive), len(case.negative))
        w = cell_gains(case, gain)
        top, left = (int(rng.integers(0, size)) for size in w.shape)
        block = w[top:, left:]
        least, most = block.min(), block.max()
        if most <= 0:
            bound = 0.0
        elif least >= 0:
            bound = block.sum()
        else:
            bound = block.size * most * (block.mean() - least) / (most - least)
        assert all_staircases(block)[1].max() <= bound + 10 * case.tolerance
        assert np.maximum(block, 0).sum() <= bound + 10 * case.tolerance


def test_infinite_scores_split_a_list_into_blocks_that_are_solved_alone() -> None:
    rng = np.random.default_rng(10)
    for case in cases(500, most=6):
        P, N = len(case.positive), len(case.negative)
        _, gain = draw_gain(rng, P, N)
        level = rng.integers(-1, 2, size=P + N)
        scores = np.where(level == 0, case.scores, np.copysign(inf, level))
        positive, negative = np.sort(scores[:P])[::-1], np.sort(scores[P:])[::-1]
        n = np.empty(P, dtype=np.int64)
        for infinity in (inf, 0.0, -inf):
            member = [s == infinity if infinity else np.isfinite(s) for s in (positive, negative)]
            rows, columns = (np.flatnonzero(m) for m in member)
            above = int((negative > infinity).sum()) if infinity else int((negative == inf).sum())
            if len(rows) and len(columns):
                finite = [
                    np.where(np.isinf(s[m]), 0.0, s[m]) * len(rows) * len(columns) / (P * N)
                    for s, m in zip((positive, negative), member, strict=True)
                ]
                block = gain[rows, above : above + len(columns) + 1]
                n[rows] = above + programme.ranking(*finite, block, case.weight)[1]
            else:
                n[rows] = above
        best, _ = brute_force.best_interleaving(positive, negative, gain, case.weight)
        signs = np.where(np.arange(N) >= n[:, None], 1, -1)
        zeroed = [np.where(np.isinf(s), 0.0, s) for s in (positive, negative)]
        score = (signs * (zeroed[0][:, None] - zeroed[1])).mean()
        objective = score + case.weight * brute_force.ranking_task_loss(gain, n)
        assert n.tolist() == sorted(n.tolist())
        assert objective == pytest.approx(best, abs=10 * case.tolerance)
