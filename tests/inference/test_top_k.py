"""Sets of k classes, against the enumeration of all of them."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import top_k_accuracy_score

from directloss.inference.top_k import metric_top_k, solve_top_k

Floats = NDArray[np.float64]

CASES = 200
# Beyond every finite score and its shift here.
HUGE = 1e6

every_size = pytest.mark.parametrize(
    ("classes", "k"), [(1, 1), (2, 1), (2, 2), (5, 1), (5, 2), (6, 3), (5, 4), (5, 5), (3, 7)]
)


@dataclass(frozen=True)
class Solution:
    combination: NDArray[np.floating]
    losses: Floats
    values: Floats
    defined: NDArray[np.bool_]


def solve(
    scores: NDArray[np.floating],
    targets: NDArray[np.int64],
    k: int,
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
    solve_top_k(
        0, n, scores.reshape(-1), targets, classes, k, share_ties,
        np.array([weight for _, weight in terms]), np.array([factor for factor, _ in terms]),
        solution.combination.reshape(-1), solution.losses, solution.values, solution.defined,
    )  # fmt: skip
    return solution


def all_sets(classes: int, k: int) -> Floats:
    """Every set of k classes as a k-hot row."""
    subsets = list(itertools.combinations(range(classes), min(k, classes)))
    sets = np.zeros((len(subsets), classes))
    for row, subset in enumerate(subsets):
        sets[row, list(subset)] = 1.0
    return sets


def argmaxes(values: Floats, losses: Floats, weight: float) -> NDArray[np.bool_]:
    if weight == -math.inf:
        least = losses == losses.min()
        return least & (values > values[least].max() - 1e-9)
    objective = values + weight * losses
    return objective > objective.max() - 1e-9


def random_scores(rng: np.random.Generator, n: int, classes: int) -> Floats:
    """Half of the samples with many ties."""
    tied = rng.integers(-2, 3, (n, classes)) / 2.0
    spread = rng.normal(size=(n, classes)) * 10 ** rng.uniform(-1, 1, (n, 1))
    return np.where(rng.random((n, 1)) < 0.5, tied, spread)


def weights_to_try() -> list[float]:
    sizes = 10 ** np.random.default_rng(7).uniform(-3, 2, size=2)
    return [*sizes, *-sizes, 0.5, -0.5, 0.0, -math.inf]


@every_size
@pytest.mark.parametrize("weight", weights_to_try())
def test_every_term_is_an_argmax_over_all_sets(classes: int, k: int, weight: float) -> None:
    rng = np.random.default_rng(classes)
    scores, targets = random_scores(rng, CASES, classes), rng.integers(0, classes, CASES)
    solution = solve(scores, targets, k, [(1.0, weight)])
    plain = solve(scores, targets, k, [(1.0, weight)], share_ties=False)
    sets = all_sets(classes, k)
    assert solution.defined.all()
    np.testing.assert_array_equal(plain.losses, solution.losses)
    np.testing.assert_allclose(plain.values, solution.values, rtol=1e-12, atol=1e-12)
    for sample in range(CASES):
        values, losses = sets @ scores[sample], 1 - sets[:, targets[sample]]
        value, loss = solution.values[sample, 0], solution.losses[sample, 0]
        if math.isfinite(weight):
            best = (values + weight * losses).max()
            tolerance = 1e-12 * max(1.0, abs(weight), np.abs(values).max())
            assert abs(value + weight * loss - best) <= tolerance
        best = argmaxes(values, losses, weight)
        same = best & (losses == loss)
        assert np.abs(values[same] - value).min() < 1e-11
        y = solution.combination[sample]
        if weight == 0.0:
            assert loss == losses[best].max()
            np.testing.assert_allclose(y, sets[best].mean(axis=0), atol=1e-12)
        else:
            np.testing.assert_allclose(y, sets[same].mean(axis=0), atol=1e-12)
        assert (sets[same] == plain.combination[sample]).all(axis=1).any()


@pytest.mark.parametrize(("classes", "k"), [(5, 1), (5, 2), (6, 3), (4, 4)])
@pytest.mark.parametrize("weight", [0.7, -0.7, 0.0, -math.inf])
def test_infinite_scores_are_huge_ones(classes: int, k: int, weight: float) -> None:
    rng = np.random.default_rng(2)
    scores = random_scores(rng, 300, classes)
    infinite = rng.random(scores.shape) < 0.5
    scores[infinite] = rng.choice([-math.inf, math.inf], infinite.sum())
    targets = rng.integers(0, classes, 300)
    solution = solve(scores, targets, k, [(1.0, weight)])
    plain = solve(scores, targets, k, [(1.0, weight)], share_ties=False)
    sets = all_sets(classes, k)
    for sample in range(300):
        losses = 1 - sets[:, targets[sample]]
        best = argmaxes(sets @ np.clip(scores[sample], -HUGE, HUGE), losses, weight)
        counted = sets @ np.where(infinite[sample], 0.0, scores[sample])
        loss, value = solution.losses[sample, 0], solution.values[sample, 0]
        assert (best & (losses == loss) & (np.abs(counted - value) < 1e-11)).any()
        assert (sets[best] == plain.combination[sample]).all(axis=1).any()
        if weight == 0.0:
            mean = sets[best].mean(axis=0)
            np.testing.assert_allclose(solution.combination[sample], mean, atol=1e-12)


def test_combination_is_the_sum_of_its_terms() -> None:
    rng = np.random.default_rng(1)
    scores, targets = random_scores(rng, 50, 6), rng.integers(0, 6, 50)
    terms = [(2.0, 0.3), (-0.5, 0.0), (3.0, -math.inf)]
    whole = solve(scores, targets, 3, terms)
    parts = [solve(scores, targets, 3, [term]) for term in terms]
    np.testing.assert_allclose(whole.combination, sum(p.combination for p in parts), atol=1e-15)
    np.testing.assert_array_equal(whole.losses, np.hstack([p.losses for p in parts]))
    assert solve(scores.astype(np.float32), targets, 3, terms).combination.dtype == np.float32


@pytest.mark.parametrize("weight", [1e-20, -1e-20])
def test_a_weight_below_the_rounding_of_the_scores_still_decides_ties(weight: float) -> None:
    losses = solve(np.full((4, 4), 1e6), np.arange(4), 2, [(1.0, weight)]).losses
    assert (losses == (1.0 if weight > 0 else 0.0)).all()


@pytest.mark.parametrize("k", [1, 3, 6])
def test_metric_is_that_of_scikit_learn(k: int) -> None:
    rng = np.random.default_rng(3)
    scores, targets = rng.normal(-3, 1, (200, 7)), rng.integers(0, 7, 200)
    metrics, defined = np.full(200, np.nan), np.zeros(200, np.bool_)
    metric_top_k(0, 200, scores.reshape(-1), targets, 7, k, metrics, defined)
    expected = top_k_accuracy_score(targets, scores, k=k, labels=np.arange(7))
    assert defined.all()
    assert metrics.mean() == pytest.approx(expected)


def test_metric_of_a_tie_is_the_share_of_its_places() -> None:
    scores = np.array([5.0, 1.0, 1.0, 1.0, 0.0])
    metrics, defined = np.full(1, np.nan), np.zeros(1, np.bool_)
    for target, chance in enumerate([1.0, 2 / 3, 2 / 3, 2 / 3, 0.0]):
        metric_top_k(0, 1, scores, np.array([target]), 5, 3, metrics, defined)
        assert metrics[0] == pytest.approx(chance)


def test_without_classes_nothing_is_defined() -> None:
    solution = solve(np.empty((2, 0)), np.zeros(2, np.int64), 3, [(1.0, 0.5)])
    assert not solution.defined.any()
    assert not solution.losses.any()
    assert not solution.values.any()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_from_all_scores_equal_no_direction_is_dead_and_none_favours_a_class(sign: float) -> None:
    gradient = solve(
        np.zeros((5, 5)), np.arange(5), 2, [(sign, sign * 0.1), (-sign, 0.0)]
    ).combination
    target = np.eye(5, dtype=bool)
    np.testing.assert_allclose(gradient[target], gradient[0, 0], atol=1e-15)
    np.testing.assert_allclose(gradient[~target], gradient[0, 1], atol=1e-15)
    assert gradient[0, 0] < 0 < gradient[0, 1]
