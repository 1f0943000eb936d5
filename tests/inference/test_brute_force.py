"""The enumeration is the last reference, so it is held against closed forms and definitions."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, inf

import numpy as np
import pytest

from tests import brute_force
from tests.inference.small_cases import cases, draw_gain


def average_precision(relevance: np.ndarray) -> float:
    precision = np.cumsum(relevance) / np.arange(1, len(relevance) + 1)
    return float(precision[relevance == 1].mean())


def coefficients(n: Sequence[int], negatives: int) -> tuple[np.ndarray, np.ndarray]:
    """dF/dphi of an interleaving: (N - 2 n_i) / (P N) and (P - 2 c_j) / (P N)."""
    counts, size = np.asarray(n), len(n) * negatives
    above = (counts[:, None] < np.arange(1, negatives + 1)).sum(axis=0)
    return (negatives - 2 * counts) / size, (len(n) - 2 * above) / size


def test_there_are_as_many_interleavings_as_ways_to_choose_the_places_of_the_positives() -> None:
    for positives in range(1, 6):
        for negatives in range(1, 6):
            found = list(brute_force.interleavings(positives, negatives))
            assert len(set(found)) == len(found) == comb(positives + negatives, positives)
            assert all(list(n) == sorted(n) and 0 <= n[0] <= n[-1] <= negatives for n in found)


def test_the_gain_table_of_average_precision_sums_to_its_definition() -> None:
    gain = brute_force.average_precision_gain(3, 4)
    for n in brute_force.interleavings(3, 4):
        relevance = np.zeros(7, dtype=np.int64)
        relevance[np.arange(3) + n] = 1
        loss = brute_force.ranking_task_loss(gain, n)
        assert loss == pytest.approx(1 - average_precision(relevance), abs=1e-15)


def test_the_gain_tables_of_reciprocal_rank_and_auc_in_closed_form() -> None:
    n = (1, 1, 3)
    assert brute_force.ranking_task_loss(brute_force.reciprocal_rank_gain(3, 4), n) == 1 - 1 / 2
    assert brute_force.ranking_task_loss(brute_force.roc_auc_gain(3, 4), n) == pytest.approx(
        (1 + 1 + 3) / (3 * 4), abs=1e-15
    )


def test_a_discount_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"discount must have shape \(7,\), got \(5,\)"):
        brute_force.ranking_gain(np.ones(3), np.ones(5), 4, by_position=True)


def test_a_gain_table_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"gain must have shape \(2, 4\), got \(2, 3\)"):
        brute_force.best_interleaving([0.0, 1.0], [0.0, 1.0, 2.0], np.ones((2, 3)), 1.0)


def test_the_pairwise_score_is_linear_with_the_coefficients_of_the_definition() -> None:
    for case in cases(100, most=5):
        positive, negative = np.sort(case.positive)[::-1], np.sort(case.negative)[::-1]
        for n in brute_force.interleavings(len(positive), len(negative)):
            y_positive, y_negative = coefficients(n, len(negative))
            score = brute_force.pairwise_score(positive, negative, n)
            linear = positive @ y_positive + negative @ y_negative
            assert score == pytest.approx(linear, abs=case.tolerance)


@pytest.mark.parametrize("weight", [0.0, -inf, None], ids=["inference", "truth", "augmented"])
def test_an_optimal_ranking_is_an_interleaving(weight: float | None) -> None:
    """Over all permutations nothing beats the interleavings, whatever Delta says of the order."""
    rng = np.random.default_rng(1)
    for case in cases(100, most=6, items=7):
        _, gain = draw_gain(rng, len(case.positive), len(case.negative))
        used = case.weight if weight is None else weight

        def metric(relevance: np.ndarray, gain: np.ndarray = gain) -> float:
            above = np.cumsum(1 - relevance)[relevance == 1]
            return float(gain[np.arange(len(gain)), above].sum())

        over_all, order = brute_force.best_ranking(case.scores, case.labels, metric, used)
        objective, _ = brute_force.best_interleaving(case.positive, case.negative, gain, used)
        assert objective == pytest.approx(over_all, abs=case.tolerance)
        assert sorted(order) == list(range(len(case.scores)))


def test_inference_sorts_and_the_truth_puts_positives_first() -> None:
    scores, labels = np.array([0.3, -1.0, 2.0, 0.5]), np.array([1, 1, 0, 0])
    _, predicted = brute_force.best_ranking(scores, labels, average_precision, 0.0)
    _, truth = brute_force.best_ranking(scores, labels, average_precision, -inf)
    assert predicted.tolist() == [2, 3, 0, 1]
    assert labels[truth].tolist() == [1, 1, 0, 0]
    n = brute_force.best_interleaving(
        [0.3, -1.0], [2.0, 0.5], brute_force.average_precision_gain(2, 2), -inf
    )[1]
    assert n.tolist() == [0, 0]


def test_the_truth_takes_the_largest_score_among_equal_losses() -> None:
    """Reciprocal rank sees the first positive only, so F places the others."""
    positive, negative = [3.0, -1.0], [2.0, 0.0]
    gain = brute_force.reciprocal_rank_gain(2, 2)
    objective, n = brute_force.best_interleaving(positive, negative, gain, -inf)
    assert n.tolist() == [0, 2]
    assert objective == pytest.approx((1 + 3 + 3 + 1) / 4)


def test_an_infinite_score_is_the_limit_of_a_huge_one() -> None:
    rng = np.random.default_rng(2)
    huge = 2.0**24  # a pair costs far more than any Delta, and sums still keep eight decimals
    for case in cases(300, most=4):
        P = len(case.positive)
        _, gain = draw_gain(rng, P, len(case.negative))
        signs = rng.choice([-1, 0, 1], p=[0.25, 0.5, 0.25], size=len(case.scores))
        finite = np.where(signs == 0, case.scores, signs * huge)
        with_inf = np.where(signs == 0, case.scores, np.copysign(inf, signs))

        best, _ = brute_force.best_interleaving(finite[:P], finite[P:], gain, case.weight)
        limit, n = brute_force.best_interleaving(with_inf[:P], with_inf[P:], gain, case.weight)

        loss = brute_force.ranking_task_loss(gain, n)
        attained = brute_force.pairwise_score(finite[:P], finite[P:], n) + case.weight * loss
        assert attained == pytest.approx(best, abs=1e-6)
        y_positive, y_negative = coefficients(n, len(case.negative))
        positive, negative = np.sort(with_inf[:P])[::-1], np.sort(with_inf[P:])[::-1]
        replaced = np.where(np.isinf(positive), 0, positive) @ y_positive
        replaced += np.where(np.isinf(negative), 0, negative) @ y_negative
        assert limit == pytest.approx(replaced + case.weight * loss, abs=case.tolerance)


def test_the_truth_too_leaves_infinite_scores_where_they_are() -> None:
    gain = brute_force.average_precision_gain(2, 3)
    objective, n = brute_force.best_interleaving([1.0, -inf], [inf, 2.0, 0.0], gain, -inf)
    assert n.tolist() == [1, 3]  # below the infinite negative, above the finite ones; last
    kept = np.array([[-1, 1, 1], [-1, -1, -1]]) * (np.array([[1.0], [0.0]]) - [0.0, 2.0, 0.0])
    assert objective == pytest.approx(kept.mean())


def test_by_position_the_best_ordering_sorts_shifted_scores() -> None:
    """F + weight * Delta is one sum over positions of phi_i - weight * gain_i / gain_max."""
    rng = np.random.default_rng(3)
    discount = 1 / np.log2(np.arange(6) + 2)
    for case in cases(100, most=3):
        scores, gains = case.scores, rng.integers(0, 4, size=len(case.scores)).astype(float)
        gains[0] += 1.0
        used = discount[: len(scores)]
        ideal = np.sort(gains)[::-1] @ used
        shifted = np.sort(scores - case.weight * gains / gains.max())[::-1]
        objective, order = brute_force.best_ordering(scores, gains, used, case.weight)
        expected = shifted @ used * gains.max() / ideal + case.weight
        assert objective == pytest.approx(expected, abs=10 * case.tolerance)
        assert sorted(order) == list(range(len(scores)))
        truth = brute_force.best_ordering(scores, gains, used, -inf)[1]
        by_gain_then_score = np.lexsort((-scores, -gains))
        assert gains[truth].tolist() == gains[by_gain_then_score].tolist()
        assert scores[truth].tolist() == scores[by_gain_then_score].tolist()


def test_precision_at_k_divides_by_k_also_where_positives_are_fewer() -> None:
    step = np.array([1.0, 1.0, 0.0])
    objective, order = brute_force.best_ordering([0.0, 1.0, 2.0], [1, 0, 0], step, -9.0, divisor=2)
    assert 0 in order[:2]  # precision@2 is 1/2 at most
    assert objective == pytest.approx((0.0 + 2.0) / 2 - 9.0 * (1 - 1 / 2))


def test_for_the_01_loss_each_item_of_the_best_subset_decides_alone() -> None:
    def error(tp: int, fp: int, positives: int, negatives: int) -> float:
        return (positives - tp + fp) / (positives + negatives)

    for case in cases(100, most=4):
        shifted = case.scores - case.weight * np.where(case.labels == 1, 1.0, -1.0)
        objective, y = brute_force.best_subset(case.scores, case.labels, error, case.weight)
        expected = np.maximum(shifted, 0).mean() + case.weight * case.labels.mean()
        assert objective == pytest.approx(expected, abs=case.tolerance)
        assert set(y.tolist()) <= {0, 1}
        truth = brute_force.best_subset(case.scores, case.labels, error, -inf)[1]
        assert truth.tolist() == case.labels.tolist()
