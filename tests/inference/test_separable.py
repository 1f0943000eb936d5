"""The separable case: when it may be used, and that it is right whenever it may."""

from __future__ import annotations

import numpy as np
import pytest

from directloss.inference import programme, separable
from directloss.inference.ranked import Ranked
from directloss.inference.separable import convex_up_to
from tests import brute_force
from tests.inference.small_cases import STYLES, Case, Floats, cases, draw_scores


def place(
    positive: Floats,
    negative: Floats,
    fences: Floats,
    ranks: Floats,
    discounts: Floats,
    step: int,
    weight: float,
) -> tuple[Floats, Floats]:
    """One list: negatives above each positive, and positives above each negative."""
    positives, size = positive.size, positive.size + negative.size
    above = np.full(size, -1, np.int32)
    ranked = Ranked(
        0,
        1,
        np.array([0, size]),
        np.array([positives]),
        discounts,
        np.zeros(1, np.int64),
        step,
        fences[None],
        np.concatenate([positive, negative]),
        np.append(ranks, np.zeros(negative.size)),
    )
    separable.solve(ranked, weight, above)
    return above[:positives], above[positives:]


def solve(
    positive: Floats, negative: Floats, ranks: Floats, discounts: Floats, step: int, weight: float
) -> Floats:
    """Negatives above each positive, as divide and conquer places them."""
    everything = np.array([[0, negative.size, 0, positive.size]], np.int64)
    below, above = place(positive, negative, everything, ranks, discounts, step, weight)
    assert (np.diff(above) >= 0).all() and above[0] >= 0 and above[-1] <= positive.size
    # The same ranking, said by the other class.
    by_negatives = np.searchsorted(above, np.arange(positive.size), side="right")
    np.testing.assert_array_equal(below, by_negatives)
    return by_negatives


def is_convex(discounts: Floats, first: int, last: int, weight: float) -> bool:
    """Whether weight * D is convex on first .. last."""
    return convex_up_to(discounts, first, last, float(np.sign(weight))) == last


def objective(case: Case, gain: Floats, n: Floats, weight: float) -> float:
    score = brute_force.pairwise_score(case.positive, case.negative, n)
    return score + weight * brute_force.ranking_task_loss(gain, n)


def descending(scores: Floats) -> Floats:
    return np.ascontiguousarray(np.sort(scores)[::-1])


def by_position(discount: Floats) -> Floats:
    """Entry 0 stands for a position that does not exist."""
    return np.append(0.0, discount)


def convex(rng: np.random.Generator, size: int) -> Floats:
    return np.cumsum(np.sort(rng.normal(size=size)))


@pytest.mark.parametrize("by", ["position", "negatives"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_convex_objective_is_solved_exactly(sign: int, by: str) -> None:
    rng = np.random.default_rng(0)
    for case in cases(500, most=6):
        positives, negatives = len(case.positive), len(case.negative)
        step = int(by == "position")
        discount = sign * convex(rng, negatives + (positives if step else 1))
        ranks = rng.exponential(size=positives) * (rng.random(positives) < 0.8)
        gain = brute_force.ranking_gain(ranks, discount, negatives, by_position=bool(step))
        table = by_position(discount) if step else discount
        weight = sign * abs(case.weight)
        assert is_convex(table, step, table.size - 1, weight)
        positive, negative = descending(case.positive), descending(case.negative)
        n = solve(positive, negative, ranks, table, step, weight)
        wanted, _ = brute_force.best_interleaving(positive, negative, gain, weight)
        # The table of a convex D is not bounded by 1 here.
        tolerance = case.tolerance * max(1.0, np.abs(gain).sum())
        assert objective(case, gain, n, weight) == pytest.approx(wanted, abs=tolerance)


@pytest.mark.parametrize("by", ["position", "negatives"])
@pytest.mark.parametrize("weight", [0.01, 1.0, 30.0])
def test_weights_without_order_equal_the_programme(weight: float, by: str) -> None:
    """Ranks whose weights go up and down make many runs, which overlap and contain each other."""
    rng = np.random.default_rng(5)
    step = int(by == "position")
    for positives, negatives in ((7, 9), (60, 40), (130, 300), (300, 20)):
        for _ in range(10):
            positive = descending(np.round(rng.normal(size=positives), 1))
            negative = descending(np.round(rng.normal(size=negatives), 1))
            ranks = rng.exponential(size=positives) ** 3 * (rng.random(positives) < 0.5)
            entries = negatives + (positives if step else 1)
            drops = np.sort(rng.exponential(size=entries) ** 3)
            discount = np.cumsum(drops)[::-1] / drops.sum()
            table = by_position(discount) if step else discount
            assert is_convex(table, step, table.size - 1, weight)
            gain = brute_force.ranking_gain(ranks, discount, negatives, by_position=bool(step))
            n = solve(positive, negative, ranks, table, step, weight)
            wanted, _ = programme.ranking(positive, negative, gain, weight)
            score = brute_force.pairwise_score(positive, negative, n)
            found = score + weight * brute_force.ranking_task_loss(gain, n)
            scale = 1.0 + weight * np.abs(gain).sum()
            assert found == pytest.approx(wanted, abs=1e-12 * scale)


def test_ties_of_the_objective_leave_as_few_positives_above_as_may_be() -> None:
    # With all scores equal and no reward every ranking is best.
    zeros = np.zeros(3)
    n = solve(zeros, np.zeros(4), np.zeros(3), np.zeros(8), 1, 1.0)
    assert n.tolist() == [4, 4, 4]


@pytest.mark.parametrize("style", STYLES)
def test_long_lists_of_average_precision_equal_the_programme(style: str) -> None:
    rng = np.random.default_rng(1)
    for positives, negatives in ((1, 900), (300, 1), (250, 700)):
        case = Case(draw_scores(rng, positives, style), draw_scores(rng, negatives, style), 0.0)
        ranks = np.arange(1, positives + 1) / positives
        table = by_position(1.0 / np.arange(1, positives + negatives + 1))
        for weight in (1e-3, 0.1, 10.0):
            positive, negative = descending(case.positive), descending(case.negative)
            n = solve(positive, negative, ranks, table, 1, weight)
            wanted, _ = programme.average_precision(positive, negative, weight)
            found = objective(case, case.average_precision_gain, n, weight)
            assert found == pytest.approx(wanted, abs=max(case.tolerance, 1e-12 * weight))


def test_placing_the_negatives_alone_is_wrong_in_the_negative_direction_of_ap() -> None:
    """The corridor is there for a reason: the shortcut would lose, and the check forbids it."""
    lost = 0
    for case in cases(200, most=6):
        positives, negatives = len(case.positive), len(case.negative)
        table = by_position(1.0 / np.arange(1, positives + negatives + 1))
        weight = -abs(case.weight)
        allowed = is_convex(table, 1, table.size - 1, weight)
        assert allowed == (positives + negatives == 2)
        ranks = np.arange(1, positives + 1) / positives
        positive, negative = descending(case.positive), descending(case.negative)
        everything = np.array([[0, negatives, 0, positives]], np.int64)
        _, above = place(positive, negative, everything, ranks, table, 1, weight)
        n = np.searchsorted(np.maximum.accumulate(above), np.arange(positives), side="right")
        wanted, _ = brute_force.best_interleaving(
            positive, negative, case.average_precision_gain, weight
        )
        lost += objective(case, case.average_precision_gain, n, weight) < wanted - case.tolerance
    assert lost > 0


@pytest.mark.parametrize(
    ("discount", "positive", "negative"),
    [
        (1.0 / np.arange(1, 50), True, False),
        (1.0 - np.arange(60) / 60.0, True, True),  # linear: rounding is no bend
        (1.0 - np.arange(7) / 7.0, True, True),
        (np.maximum(0.0, 1.0 - np.arange(60) / 21.7), True, False),
        (np.where(np.arange(1, 50) <= 10, 1.0 / np.arange(1, 50), 0.0), False, False),
        (np.where(np.arange(20) < 5, 1.0, 0.0), False, False),
        (np.eye(1, 30)[0], True, False),
        (-np.square(np.arange(20.0)), False, True),
        (np.zeros(20), True, True),
        (np.array([1.0]), True, True),
        (np.array([1.0, 0.0]), True, True),
        (np.array([0.0, 1.0]), True, True),
        (np.array([0.0, 1.0, 0.5]), False, True),
    ],
)
def test_the_check_reads_the_curvature_from_the_numbers(
    discount: Floats, positive: bool, negative: bool
) -> None:
    last = discount.size - 1
    assert is_convex(discount, 0, last, 0.1) == positive
    assert is_convex(discount, 0, last, -0.1) == negative
    # Scale does not matter, and neither does what lies outside of first .. last.
    assert is_convex(1e-9 * discount, 0, last, 3.0) == positive
    framed = np.concatenate([[1e3], discount, [-1e3]])
    assert is_convex(framed, 1, last + 1, 3.0) == positive


def test_a_bend_above_rounding_is_seen_wherever_it_is() -> None:
    for place in range(1, 40):
        discount = 1.0 - np.arange(41) / 41.0
        discount[place] += 1e-9
        assert not is_convex(discount, 0, 40, 1.0)
        assert not is_convex(discount, 0, 40, -1.0)


def test_a_slow_bend_is_seen() -> None:
    """Each step bends by less than its rounding may, all together by far more."""
    share = np.arange(1_000_001) / 1e6
    concave = 1.0 - 1e-3 * np.square(share)
    assert not is_convex(concave, 0, concave.size - 1, 1.0)
    assert is_convex(concave, 0, concave.size - 1, -1.0)


def test_fences_hold_the_counts_in() -> None:
    rng = np.random.default_rng(2)
    for _ in range(100):
        positive, negative = descending(rng.normal(size=9)), descending(rng.normal(size=12))
        ranks, table = rng.exponential(size=9), by_position(convex(rng, 21))
        cut_n, cut_p = int(rng.integers(0, 13)), int(rng.integers(0, 10))
        fences = np.array([[0, cut_n, 0, cut_p], [cut_n, 12, cut_p, 9]], np.int64)
        _, above = place(positive, negative, fences, ranks, table, 1, 1.0)
        assert (above[:cut_n] <= cut_p).all() and (above[cut_n:] >= cut_p).all()
        assert (above >= 0).all() and (np.diff(above) >= 0).all()
