"""Debts where the corridor is wide, the programme in it elsewhere: together the optimum."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from directloss.inference import general, programme
from directloss.inference._kernel import Array
from directloss.inference.corridor import bounds
from directloss.inference.debts import ranking
from directloss.inference.ranked import Ranked
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
from tests.inference.small_cases import one_list


def labelled(positive: Floats, negative: Floats) -> Lists:
    """One list, its positives first."""
    labels = np.repeat([1, 0], [positive.size, negative.size]).astype(np.uint8)
    return Lists(np.r_[positive, negative], labels, np.array([0, labels.size]))


def counts(positive: Floats, negative: Floats, epsilon: float) -> Counts:
    """Negatives above each positive, ascending, from the coefficients (N - 2 n_i) / (P N)."""
    lists = labelled(positive, negative)
    y = AveragePrecision().solve(lists, np.array([-epsilon]), np.ones(1)).combination
    above = (negative.size - y[: positive.size] * positive.size * negative.size) / 2
    assert above == pytest.approx(np.round(above), abs=1e-6)
    return np.sort(np.round(above)).astype(np.int32)


@pytest.fixture
def left_to_the_corridor(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the lists that debts give up."""
    numbers = []

    def note(ranked: Ranked, weight: float, above: Array) -> None:
        assert ranked.last == ranked.first + 1
        numbers.append(ranked.first)
        solve(ranked, weight, above)

    solve = general.solve
    monkeypatch.setattr(general, "solve", note)
    return numbers


@pytest.mark.parametrize("style", [*STYLES, "one outlier", "inverted"])
@pytest.mark.parametrize(("positives", "negatives"), [(400, 600), (450, 4550), (400, 19_600)])
def test_equals_the_programme_on_lists_of_thousands(
    positives: int, negatives: int, style: str
) -> None:
    rng = np.random.default_rng(0)
    draw = STYLES.get(style, STYLES["normal"])
    positive, negative = draw(rng, positives), draw(rng, negatives)
    if style == "one outlier":
        positive[0], negative[0] = -1e4, 1e4
    if style == "inverted":
        positive, negative = np.linspace(-1, 0.5, positives), np.linspace(-0.5, 1, negatives)
    lists = labelled(positive, negative)
    for epsilon in (1e-3, 0.1, 1.0, 30.0):
        wanted, _ = programme.average_precision(positive, negative, -epsilon)
        found = AveragePrecision().solve(lists, np.array([-epsilon]), np.ones(1))
        objective = found.values[0, 0] - epsilon * found.task_losses[0, 0]
        largest = max(1.0, epsilon, float(np.abs(lists.scores).max()))
        assert objective == pytest.approx(wanted, abs=1e-12 * largest)


@pytest.mark.parametrize("budget", [0, ranking.BUDGET])
@pytest.mark.parametrize("style", STYLES)
def test_every_block_between_infinite_scores_is_solved(
    style: str,
    budget: int,
    left_to_the_corridor: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the budget 0, each list with a run that is wide enough for debts is left to others."""
    monkeypatch.setattr(ranking, "BUDGET", budget)
    rng = np.random.default_rng(0)
    for positives, negatives in ((300, 1200), (1000, 1000), (40, 3000), (900, 100), (600, 9000)):
        positive = descending(STYLES[style](rng, positives) + rng.choice([0.0, 0.5]))
        negative = descending(STYLES[style](rng, negatives))
        # One in ten at either end at most: most of the list is finite.
        p, n = (
            (rng.integers(0, size // 10 + 1), size - rng.integers(0, size // 10 + 1))
            for size in (positives, negatives)
        )
        positive[: p[0]], positive[p[1] :] = np.inf, -np.inf
        negative[: n[0]], negative[n[1] :] = np.inf, -np.inf
        fences = [
            (0, n[0], 0, p[0]),
            (n[0], n[1], p[0], p[1]),
            (n[1], negatives, p[1], positives),
        ]
        a, b = (np.where(np.isfinite(scores), scores, 0.0) for scores in (positive, negative))
        for epsilon in (0.01, 0.3, 3.0, 100.0):
            above = counts(positive, negative, epsilon)
            for left, right, first, last in fences:
                if first == last:
                    continue
                block = whole(a, b, epsilon)._replace(
                    positives=a, negatives=b, left=left, right=right, first=first, last=last
                )
                v, mine = gains(block), above[first:last]
                assert mine[0] >= left and mine[-1] <= right
                assert earned(v, block, mine) == pytest.approx(best(v), abs=rounding(v))
    # Where all scores are equal no row has a choice.
    assert bool(left_to_the_corridor) == (budget == 0 and style != "all tied")


def test_a_list_that_the_budget_does_not_suffice_for_is_left_to_the_corridor(
    left_to_the_corridor: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every third list is: others have scores that decide, or one class only."""
    rng = np.random.default_rng(1)
    sizes = rng.integers(2000, 4000, 30)
    offsets = np.append(0, np.cumsum(sizes))
    scores, labels = rng.normal(size=offsets[-1]), rng.random(offsets[-1]) < 0.2
    for kind, (begin, end) in enumerate(pairwise(offsets)):
        scores[begin:end] *= 1e6 if kind % 3 == 0 else 1.0
        labels[begin:end] &= kind % 3 != 2
    lists, terms = Lists(scores, labels.astype(np.uint8), offsets), np.array([0.0, -1.0])
    wanted = AveragePrecision().solve(lists, terms, terms)
    assert left_to_the_corridor == []
    monkeypatch.setattr(ranking, "BUDGET", 0)
    found = AveragePrecision().solve(lists, terms, terms)
    assert sorted(left_to_the_corridor) == list(range(1, 30, 3))
    np.testing.assert_array_equal(found.defined, wanted.defined)
    for one in (found, wanted):
        assert one.defined.tolist() == 10 * [True, True, False]
    np.testing.assert_allclose(
        found.values + terms * found.task_losses,
        wanted.values + terms * wanted.task_losses,
        rtol=0,
        atol=1e-12 * np.abs(scores).max(),
    )
    decided = np.repeat(np.arange(30) % 3 != 1, sizes)
    np.testing.assert_array_equal(found.combination[decided], wanted.combination[decided])


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
        ranks = np.arange(1, positive.size + 1) / positive.size
        discounts = 1 / np.r_[1, 1 : positive.size + negative.size + 1]
        bounds(one_list(positive, negative, ranks, discounts, 1), -3.0, low, high)
        widths = high - low
        mixed += int((widths < 20).sum() > 50 and (widths > 500).sum() > 50)
        above = counts(positive, negative, 3.0)
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
