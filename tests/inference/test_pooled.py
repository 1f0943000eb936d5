"""Every positive counts the same, D is by the negatives above: any D, without a corridor."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from directloss.inference import programme
from directloss.inference.pooled import all_equal, pooled
from tests import brute_force
from tests.inference.small_cases import STYLES, Case, Floats, cases, draw_scores, one_list

DISCOUNTS = {
    "partial area": lambda rng, n: np.maximum(0.0, 1.0 - np.arange(n + 1) / (0.3 * n)),
    "convex": lambda rng, n: np.cumsum(np.sort(-rng.exponential(size=n + 1))),
    "steps": lambda rng, n: np.sort(rng.integers(0, 4, size=n + 1))[::-1] / 3.0,
    "arbitrary": lambda rng, n: rng.normal(size=n + 1),
}


def descending(scores: Floats) -> Floats:
    return np.ascontiguousarray(np.sort(scores)[::-1])


def solve(
    positive: Floats, negative: Floats, rank_weight: float, discount: Floats, weight: float
) -> NDArray[np.int32]:
    one = one_list(positive, negative, np.full(positive.size, rank_weight), discount, 0)
    pooled(one, weight)
    above = one.negatives_above
    assert (np.diff(above) >= 0).all() and above[0] >= 0 and above[-1] <= negative.size
    return above


def check(case: Case, discount: Floats, rank_weight: float, weight: float, wanted: float) -> None:
    positive, negative = descending(case.positive), descending(case.negative)
    gain = np.full((positive.size, 1), rank_weight) * discount
    n = solve(positive, negative, rank_weight, discount, weight)
    found = brute_force.pairwise_score(positive, negative, n)
    found += weight * brute_force.ranking_task_loss(gain, n)
    largest = max(1.0, np.abs(case.scores).max(), abs(weight) * np.abs(gain).sum())
    assert found == pytest.approx(wanted, abs=1e-12 * largest)


@pytest.mark.parametrize("kind", DISCOUNTS)
def test_equals_enumeration(kind: str) -> None:
    rng = np.random.default_rng(0)
    for case in cases(400, most=6):
        discount = DISCOUNTS[kind](rng, case.negative.size)
        rank_weight = float(rng.exponential())
        gain = np.full((case.positive.size, 1), rank_weight) * discount
        for weight in (case.weight, -case.weight):
            wanted, _ = brute_force.best_interleaving(case.positive, case.negative, gain, weight)
            check(case, discount, rank_weight, weight, wanted)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", DISCOUNTS)
def test_equals_the_programme(kind: str, style: str) -> None:
    rng = np.random.default_rng(1)
    for positives, negatives in ((1, 900), (300, 1), (250, 700), (699, 700)):
        case = Case(draw_scores(rng, positives, style), draw_scores(rng, negatives, style), 0.0)
        discount = DISCOUNTS[kind](rng, negatives)
        gain = np.full((positives, 1), 1 / positives) * discount
        for weight in (1e-3, -1e-3, 0.3, -0.3, 100.0, -100.0):
            wanted, _ = programme.ranking(case.positive, case.negative, gain, weight)
            check(case, discount, 1 / positives, weight, wanted)


@pytest.mark.parametrize("weight", [2.0, -2.0])
def test_among_equally_good_places_an_update_unlearns_nothing(weight: float) -> None:
    """Negatives above for a positive weight, positives for a negative one: in exact numbers."""
    rng = np.random.default_rng(2)
    several = 0
    for _ in range(300):
        positive = descending(rng.integers(-2, 3, size=4).astype(np.float64))
        negative = descending(rng.integers(-2, 3, size=8).astype(np.float64))
        discount = rng.integers(-4, 5, size=9) / 16.0
        found = solve(positive, negative, 1.0, discount, weight)
        for score, n in zip(positive, found, strict=True):
            # 16 times the sum over j <= n of tau_j - s_i: all whole numbers.
            values = np.append(0, np.cumsum(negative - score)) - 16 * weight * discount
            best = np.flatnonzero(values == values.max())
            several += best.size > 1
            assert n == (best[-1] if weight > 0 else best[0])
    assert several > 100


def test_a_shift_of_all_scores_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    # Multiples of 2^-9, so that 2^40 more is as exact.
    positive = descending(rng.integers(-999, 999, size=50) / 512)
    negative = descending(rng.integers(-999, 999, size=90) / 512)
    discount = DISCOUNTS["partial area"](rng, 90)
    for weight in (1.0, -1.0):
        here = solve(positive, negative, 0.02, discount, weight)
        there = solve(positive + 2.0**40, negative + 2.0**40, 0.02, discount, weight)
        assert here.tolist() == there.tolist()


def test_fences_are_lists_of_their_own() -> None:
    rng = np.random.default_rng(4)
    positive, negative = descending(rng.normal(size=30)), descending(rng.normal(size=70))
    fences = np.array([[0, 10, 0, 6], [10, 60, 6, 29], [60, 70, 29, 30]], np.int64)
    discount = rng.normal(size=71)
    one = one_list(positive, negative, np.ones(30), discount, 0, fences)
    pooled(one, -3.0)
    above = one.negatives_above
    gain = np.ones((30, 1)) * discount
    for fewest, most, first, last in fences:
        inside = gain[first:last, fewest : most + 1]
        # F is a mean over all 30 * 70 pairs, of which this part has some.
        share = (last - first) * (most - fewest) / 2100
        part = positive[first:last], negative[fewest:most]
        wanted, _ = programme.ranking(*part, inside, -3.0 / share)
        n = above[first:last] - fewest
        found = brute_force.pairwise_score(*part, n)
        found += -3.0 / share * brute_force.ranking_task_loss(inside, n)
        assert found == pytest.approx(wanted, rel=1e-12)


def test_weights_are_equal_in_every_list_or_not() -> None:
    # Entry 0 is of no rank; the second list is of one class, and has no entries.
    values, offsets = np.array([9.0, 1.0, 1.0, 9.0, 2.0, 2.0, 2.0]), np.array([0, 3, 3])
    assert all_equal(values, offsets, 1, np.array([2, 0, 3]))
    for changed in (2, 5, 6):
        other = values.copy()
        other[changed] = np.nextafter(other[changed], np.inf)
        assert not all_equal(other, offsets, 1, np.array([2, 0, 3]))
