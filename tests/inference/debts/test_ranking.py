"""Debts where the corridor is wide, the programme in it elsewhere: together the optimum."""

from __future__ import annotations

import numpy as np
import pytest

from directloss.inference.corridor import bounds
from directloss.inference.debts.ranking import BUDGET, by_debts
from directloss.lists import Lists
from directloss.tasks import AveragePrecision
from tests.inference.debts.lists import (
    STYLES,
    Counts,
    Floats,
    best,
    descending,
    earned,
    gains,
    rounding,
    whole,
)


def tables(positives: int, negatives: int) -> tuple[Floats, Floats]:
    """r_i = i / P and D(q) = 1 / q from q = 0 on, of which the first is never read."""
    return np.arange(1, positives + 1) / positives, 1 / np.r_[1, 1 : positives + negatives + 1]


def rank(positive: Floats, negative: Floats, fences: object, epsilon: float, budget: int) -> Counts:
    above = np.full(positive.size, -1, np.int32)
    by_debts(
        positive,
        negative,
        np.array(fences, np.int64),
        *tables(positive.size, negative.size),
        -epsilon,
        budget,
        above,
    )
    return above


@pytest.mark.parametrize("budget", [0, BUDGET])
@pytest.mark.parametrize("style", STYLES)
def test_every_block_between_infinite_scores_is_solved(style: str, budget: int) -> None:
    """With the budget 0, each run that is wide enough for debts goes back to the corridor."""
    rng = np.random.default_rng(0)
    for positives, negatives in ((300, 1200), (1000, 1000), (40, 3000), (900, 100)):
        positive = descending(STYLES[style](rng, positives) + rng.choice([0.0, 0.5]))
        negative = descending(STYLES[style](rng, negatives))
        p, n = (np.sort(rng.integers(0, size + 1, 2)) for size in (positives, negatives))
        positive[: p[0]], positive[p[1] :] = 0.0, 0.0
        negative[: n[0]], negative[n[1] :] = 0.0, 0.0
        fences = [
            [0, n[0], 0, p[0]],
            [n[0], n[1], p[0], p[1]],
            [n[1], negatives, p[1], positives],
        ]
        for epsilon in (0.01, 0.3, 3.0, 100.0):
            above = rank(positive, negative, fences, epsilon, budget)
            assert (np.diff(above) >= 0).all()
            for left, right, first, last in np.array(fences).tolist():
                if first == last:
                    continue
                block = whole(positive, negative, epsilon)._replace(
                    positives=positive, left=left, right=right, first=first, last=last
                )
                block = block._replace(negatives=negative)
                v, mine = gains(block), above[first:last]
                assert mine[0] >= left and mine[-1] <= right
                assert earned(v, block, mine) == pytest.approx(best(v), abs=rounding(v))


def test_narrow_and_wide_runs_stand_in_one_list() -> None:
    """Far above, scores decide; then comes a crowd in which they do not."""
    rng = np.random.default_rng(1)
    mixed = 0
    for _ in range(10):
        ladder = np.arange(300) * 10.0 + 100.0
        positive = descending(np.r_[ladder[::2], rng.normal(size=400)])
        negative = descending(np.r_[ladder[1::2], rng.normal(size=1600)])
        rectangle = whole(positive, negative, 3.0)
        low, high = np.zeros((2, positive.size), np.int32)
        everything = np.array([[0, negative.size, 0, positive.size]])
        table = tables(positive.size, negative.size)
        bounds(positive, negative, everything, *table, 1, -3.0, low, high)
        widths = high - low
        mixed += int((widths < 20).sum() > 50 and (widths > 500).sum() > 50)
        above = rank(positive, negative, everything, 3.0, BUDGET)
        v = gains(rectangle)
        assert earned(v, rectangle, above) == pytest.approx(best(v), abs=rounding(v))
    assert mixed == 10


@pytest.mark.parametrize("power", [-1000, -300, 300, 900])
def test_scores_and_steps_of_any_size_are_ranked_as_scaled_ones(power: int) -> None:
    rng = np.random.default_rng(2)
    labels = (rng.random(5000) < 0.2).astype(np.uint8)
    scores = np.round(rng.normal(size=5000), 3)
    offsets, coefficients = np.array([0, 5000]), np.array([1.0, -1.0])
    found = []
    for scale in (1.0, 2.0**power):
        lists = Lists(scores * scale, labels, offsets)
        weights = np.array([0.0, -scale])
        found.append(AveragePrecision().solve(lists, weights, coefficients).combination)
    assert np.abs(found[0]).max() > 0
    np.testing.assert_array_equal(found[0], found[1])
