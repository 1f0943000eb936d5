"""The paper's programme is the reference for large lists, so it is proved on the small ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from directloss.inference import programme
from tests import brute_force
from tests.inference.small_cases import Case, cases, draw_gain, draw_scores
from tests.inference.test_brute_force import average_precision


def objective_of(case: Case, gain: np.ndarray, n: np.ndarray) -> float:
    """F + weight * Delta of a configuration, from the definitions."""
    score = brute_force.pairwise_score(case.positive, case.negative, n)
    return score + case.weight * brute_force.ranking_task_loss(gain, n)


def test_average_precision_equals_the_maximum_over_all_permutations() -> None:
    for case in cases(300, most=6, items=7):
        best, _ = brute_force.best_ranking(case.scores, case.labels, average_precision, case.weight)
        gain = case.average_precision_gain
        for objective, n in (
            programme.average_precision(case.positive, case.negative, case.weight),
            programme.ranking(case.positive, case.negative, gain, case.weight),
        ):
            assert objective == pytest.approx(best, abs=case.tolerance)
            assert objective_of(case, gain, n) == pytest.approx(best, abs=case.tolerance)


def test_average_precision_equals_the_maximum_over_all_interleavings() -> None:
    for case in cases(2000, most=6):
        gain = case.average_precision_gain
        best, _ = brute_force.best_interleaving(case.positive, case.negative, gain, case.weight)
        objective, n = programme.average_precision(case.positive, case.negative, case.weight)
        assert objective == pytest.approx(best, abs=case.tolerance)
        assert objective_of(case, gain, n) == pytest.approx(best, abs=case.tolerance)
        assert n.tolist() == sorted(n.tolist())


def test_any_gain_table_equals_the_maximum_over_all_interleavings() -> None:
    rng = np.random.default_rng(1)
    for case in cases(2000, most=6):
        _, gain = draw_gain(rng, len(case.positive), len(case.negative))
        best, _ = brute_force.best_interleaving(case.positive, case.negative, gain, case.weight)
        objective, n = programme.ranking(case.positive, case.negative, gain, case.weight)
        assert objective == pytest.approx(best, abs=case.tolerance)
        assert objective_of(case, gain, n) == pytest.approx(best, abs=case.tolerance)
        assert n.tolist() == sorted(n.tolist())


# Few distinct values make ties within and between the classes common.
SCORES = st.lists(st.integers(-6, 6).map(lambda k: k / 2), min_size=1, max_size=5)
WEIGHTS = st.floats(1e-3, 1e2).flatmap(lambda size: st.sampled_from([size, -size]))


@given(positive=SCORES, negative=SCORES, weight=WEIGHTS)
def test_no_list_beats_the_programme(
    positive: list[float], negative: list[float], weight: float
) -> None:
    gain = brute_force.average_precision_gain(len(positive), len(negative))
    best, _ = brute_force.best_interleaving(positive, negative, gain, weight)
    objective, _ = programme.average_precision(positive, negative, weight)
    assert objective == pytest.approx(best, abs=1e-12 * max(1.0, abs(weight)))


@pytest.mark.parametrize("style", ["normal", "few values", "all tied", "two clusters"])
@pytest.mark.parametrize(("positives", "negatives"), [(400, 1200), (1, 1200), (400, 1)])
@pytest.mark.parametrize("weight", [0.1, -0.1, 10.0, -10.0])
def test_both_forms_of_the_programme_agree_on_long_lists(
    style: str, positives: int, negatives: int, weight: float
) -> None:
    rng = np.random.default_rng(4)
    case = Case(
        draw_scores(rng, positives, style) + 0.5, draw_scores(rng, negatives, style), weight
    )
    gain = case.average_precision_gain
    first, n_first = programme.average_precision(case.positive, case.negative, weight)
    second, n_second = programme.ranking(case.positive, case.negative, gain, weight)
    tolerance = 1e-12 * max(1.0, abs(weight)) * max(1.0, np.abs(case.scores).max())
    assert first == pytest.approx(second, abs=tolerance)
    assert objective_of(case, gain, n_first) == pytest.approx(first, abs=tolerance)
    assert objective_of(case, gain, n_second) == pytest.approx(first, abs=tolerance)


def test_without_a_weight_the_programme_sorts() -> None:
    n = programme.average_precision([0.5, -1.5, 3.5], [1.0, -1.0, 2.0], 0.0)[1]
    assert n.tolist() == [0, 2, 3]


def test_along_the_edges_of_the_table_one_case_is_left() -> None:
    """With scores 0 the objective is weight * Delta: all positives first for -1, last for +1."""
    gain = brute_force.average_precision_gain(3, 2)
    best_first, n_first = programme.average_precision(np.zeros(3), np.zeros(2), -1.0)
    assert (best_first, n_first.tolist()) == (pytest.approx(0.0, abs=1e-15), [0, 0, 0])
    best_last, n_last = programme.average_precision(np.zeros(3), np.zeros(2), 1.0)
    assert n_last.tolist() == [2, 2, 2]
    assert best_last == pytest.approx(brute_force.ranking_task_loss(gain, n_last), abs=1e-15)
    assert best_last == pytest.approx(1 - (1 / 3 + 2 / 4 + 3 / 5) / 3, abs=1e-15)


@pytest.mark.parametrize(
    ("positive", "negative", "weight", "message"),
    [
        ([], [0.0], 1.0, r"positive_scores must be one-dimensional and not empty, got shape \(0,"),
        ([0.0], [[0.0]], 1.0, r"negative_scores must be one-dimensional .* got shape \(1, 1\)"),
        ([0.0], [0.0, np.inf], 1.0, "negative_scores must be finite, got 1 of 2 that are not"),
        ([np.nan], [0.0], 1.0, "positive_scores must be finite, got 1 of 1 that are not"),
        ([0.0], [0.0], -np.inf, "weight must be finite, got -inf"),
    ],
)
def test_input_that_has_no_answer_is_refused(
    positive: list[float], negative: list[float], weight: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        programme.average_precision(positive, negative, weight)
    with pytest.raises(ValueError, match=message):
        programme.ranking(positive, negative, np.ones((1, 2)), weight)


def test_a_gain_table_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"gain must have shape \(1, 3\), got \(2, 3\)"):
        programme.ranking([0.0], [0.0, 1.0], np.ones((2, 3)), 1.0)
