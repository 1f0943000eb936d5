"""One class a sample, against the enumeration of all classes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score

from directloss.inference.classes import metric_classes, solve_classes

Floats = NDArray[np.float64]

CASES = 200
ZERO_ONE = np.empty((0, 0))
# Beyond every finite score and its shift here.
HUGE = 1e6


@dataclass(frozen=True)
class Solution:
    combination: NDArray[np.floating]
    losses: Floats
    values: Floats
    defined: NDArray[np.bool_]


def solve(
    scores: NDArray[np.floating],
    targets: NDArray[np.int64],
    costs: Floats,
    terms: list[tuple[float, float]],
    *,
    share_ties: bool = True,
) -> Solution:
    """Solve a batch `[n, C]`; outputs start as NaN, so that an entry that nobody wrote shows."""
    n, classes = scores.shape
    solution = Solution(
        np.full_like(scores, np.nan), np.full((n, len(terms)), np.nan),
        np.full((n, len(terms)), np.nan), np.zeros(n, np.bool_),
    )  # fmt: skip
    solve_classes(
        0, n, scores.reshape(-1), targets, classes, costs, share_ties,
        np.array([weight for _, weight in terms]), np.array([factor for factor, _ in terms]),
        solution.combination.reshape(-1), solution.losses, solution.values, solution.defined,
    )  # fmt: skip
    return solution


def table(costs: Floats, classes: int) -> Floats:
    return 1 - np.eye(classes) if costs is ZERO_ONE else costs


def random_costs(rng: np.random.Generator, kind: str, classes: int) -> Floats:
    if kind == "zero-one":
        return ZERO_ONE
    if kind == "distance":
        return np.abs(np.subtract.outer(np.arange(classes), np.arange(classes))).astype(float)
    # Costs of the target itself need not be 0, nor the least.
    return rng.integers(0, 4, (classes, classes)) / 2.0


def random_scores(rng: np.random.Generator, n: int, classes: int) -> Floats:
    """Half of the samples with many ties."""
    tied = rng.integers(-2, 3, (n, classes)) / 2.0
    spread = rng.normal(size=(n, classes)) * 10 ** rng.uniform(-1, 1, (n, 1))
    return np.where(rng.random((n, 1)) < 0.5, tied, spread)


def weights_to_try() -> list[float]:
    sizes = 10 ** np.random.default_rng(7).uniform(-3, 2, size=2)
    return [*sizes, *-sizes, 0.5, -0.5, 0.0, -math.inf]


def argmaxes(scores: Floats, losses: Floats, weight: float) -> NDArray[np.bool_]:
    if weight == -math.inf:
        least = losses == losses.min()
        return least & (scores == scores[least].max())
    objective = scores + weight * losses
    return objective >= objective.max() - 1e-12 * max(1.0, abs(weight))


every_cost = pytest.mark.parametrize("kind", ["zero-one", "distance", "any"])


@every_cost
@pytest.mark.parametrize("classes", [1, 2, 5])
@pytest.mark.parametrize("weight", weights_to_try())
def test_every_term_is_an_argmax_over_all_classes(kind: str, classes: int, weight: float) -> None:
    rng = np.random.default_rng(classes)
    scores = random_scores(rng, CASES, classes)
    targets = rng.integers(0, classes, CASES)
    costs = random_costs(rng, kind, classes)
    solution = solve(scores, targets, costs, [(1.0, weight)])
    plain = solve(scores, targets, costs, [(1.0, weight)], share_ties=False)
    assert solution.defined.all()
    np.testing.assert_array_equal(plain.losses, solution.losses)
    np.testing.assert_array_equal(plain.values, solution.values)
    for sample in range(CASES):
        phi, delta = scores[sample], table(costs, classes)[targets[sample]]
        value, loss = solution.values[sample, 0], solution.losses[sample, 0]
        best = argmaxes(phi, delta, weight)
        assert ((phi == value) & (delta == loss) & best).any()
        y = solution.combination[sample]
        if weight == 0.0:
            assert loss == delta[best].max()
            np.testing.assert_allclose(y, best / best.sum(), atol=1e-15)
        else:
            same = best & (phi == value) & (delta == loss)
            np.testing.assert_allclose(y, same / same.sum(), atol=1e-15)
        chosen = plain.combination[sample]
        assert sorted(chosen) == [0.0] * (classes - 1) + [1.0]
        assert (chosen @ phi, chosen @ delta) == (value, loss)


@every_cost
def test_combination_is_the_sum_of_its_terms(kind: str) -> None:
    rng = np.random.default_rng(1)
    scores, targets = random_scores(rng, 50, 4), rng.integers(0, 4, 50)
    costs = random_costs(rng, kind, 4)
    terms = [(2.0, 0.3), (-0.5, 0.0), (3.0, -math.inf)]
    whole = solve(scores, targets, costs, terms)
    parts = [solve(scores, targets, costs, [term]) for term in terms]
    np.testing.assert_allclose(whole.combination, sum(p.combination for p in parts), atol=1e-15)
    np.testing.assert_array_equal(whole.losses, np.hstack([p.losses for p in parts]))
    narrow = solve(scores.astype(np.float32), targets, costs, terms)
    assert narrow.combination.dtype == np.float32


@every_cost
@pytest.mark.parametrize("weight", [0.7, -0.7, 0.0, -math.inf])
def test_infinite_scores_are_huge_ones(kind: str, weight: float) -> None:
    rng = np.random.default_rng(2)
    scores = random_scores(rng, 300, 4)
    infinite = rng.random(scores.shape) < 0.5
    scores[infinite] = rng.choice([-math.inf, math.inf], infinite.sum())
    targets, costs = rng.integers(0, 4, 300), random_costs(rng, kind, 4)
    solution = solve(scores, targets, costs, [(1.0, weight)])
    assert np.isfinite(solution.combination).all()
    for sample in range(300):
        delta = table(costs, 4)[targets[sample]]
        phi = np.clip(scores[sample], -HUGE, HUGE)
        best = argmaxes(phi, delta, weight)
        counted = np.where(infinite[sample], 0.0, scores[sample])
        loss, value = solution.losses[sample, 0], solution.values[sample, 0]
        assert (best & (delta == loss) & (counted == value)).any()


@pytest.mark.parametrize("weight", [1e-20, -1e-20])
def test_a_weight_below_the_rounding_of_the_scores_still_decides_ties(weight: float) -> None:
    scores, targets = np.full((3, 3), 1e6), np.arange(3)
    losses = solve(scores, targets, ZERO_ONE, [(1.0, weight)]).losses
    assert (losses == (1.0 if weight > 0 else 0.0)).all()


def test_accuracy_is_that_of_scikit_learn_and_ties_count_in_part() -> None:
    rng = np.random.default_rng(3)
    scores, targets = rng.normal(-3, 1, (200, 7)), rng.integers(0, 7, 200)
    metrics, defined = np.full(200, np.nan), np.zeros(200, np.bool_)
    metric_classes(0, 200, scores.reshape(-1), targets, 7, ZERO_ONE, metrics, defined)
    assert defined.all()
    assert 1 - metrics.mean() == pytest.approx(accuracy_score(targets, scores.argmax(axis=1)))
    tied = np.array([[1.0, 1.0, 0.0, 1.0]])
    for target, cost in enumerate([2 / 3, 2 / 3, 1.0, 2 / 3]):
        metric_classes(0, 1, tied[0], np.array([target]), 4, ZERO_ONE, metrics, defined)
        assert metrics[0] == pytest.approx(cost)
    costs = np.arange(16.0).reshape(4, 4)
    metric_classes(0, 1, tied[0], np.array([2]), 4, costs, metrics, defined)
    assert metrics[0] == pytest.approx((8 + 9 + 11) / 3)


def test_only_the_samples_asked_for_are_written() -> None:
    scores = np.arange(6.0)
    combination, losses = np.full(6, np.nan), np.full((3, 1), np.nan)
    values, defined = np.full((3, 1), np.nan), np.zeros(3, np.bool_)
    solve_classes(
        1, 2, scores, np.zeros(3, np.int64), 2, ZERO_ONE, True, np.zeros(1), np.ones(1),
        combination, losses, values, defined,
    )  # fmt: skip
    assert np.isnan(combination).tolist() == [True, True, False, False, True, True]
    assert np.isnan(losses[:, 0]).tolist() == [True, False, True]
    assert defined.tolist() == [False, True, False]


def test_without_classes_nothing_is_defined() -> None:
    solution = solve(np.empty((2, 0)), np.zeros(2, np.int64), ZERO_ONE, [(1.0, 0.5)])
    assert not solution.defined.any()
    assert not solution.losses.any()
    assert not solution.values.any()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_from_all_scores_equal_no_direction_is_dead_and_none_favours_a_class(sign: float) -> None:
    gradient = solve(
        np.zeros((4, 4)), np.arange(4), ZERO_ONE, [(sign, sign * 0.1), (-sign, 0.0)]
    ).combination
    target = np.eye(4, dtype=bool)
    np.testing.assert_allclose(gradient[target], gradient[0, 0], atol=1e-15)
    np.testing.assert_allclose(gradient[~target], gradient[0, 1], atol=1e-15)
    assert gradient[0, 0] < 0 < gradient[0, 1]
