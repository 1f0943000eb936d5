"""Relevances as grades, against numpy's unique."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from directloss import NDCG
from directloss.errors import ArgumentError
from directloss.inference.grades import MOST_GRADES, find_grades, find_values
from directloss.tasks._grades import Gains


def gains_of(relevance: Gains) -> np.ndarray:
    return relevance.gains[relevance.grades] if relevance.grades.size else relevance.gains


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8, np.int16])
@pytest.mark.parametrize("distinct", [1, 2, 5, MOST_GRADES])
@pytest.mark.parametrize("size", [1, 30, 20_000])
def test_values_and_grades_are_those_of_numpy(dtype: type, distinct: int, size: int) -> None:
    rng = np.random.default_rng(distinct)
    choices = rng.permutation(np.arange(100))[:distinct] / (4 if np.dtype(dtype).kind == "f" else 1)
    relevances = rng.choice(choices, size).astype(dtype)
    # A value that comes late, in a block of its own.
    relevances[-1] = choices[0]
    values, inverse = np.unique(relevances, return_inverse=True)
    np.testing.assert_array_equal(find_values(relevances), values)
    grades = np.full(size, 255, np.uint8)
    find_grades(relevances, values.astype(np.float64), grades)
    np.testing.assert_array_equal(grades, inverse)


@pytest.mark.parametrize("size", [MOST_GRADES + 1, 20_000])
def test_more_values_than_grades_are_none(size: int) -> None:
    relevances = np.zeros(size)
    relevances[-MOST_GRADES:] = np.arange(1.0, MOST_GRADES + 1)
    assert find_values(relevances).size == 0
    assert find_values(relevances[:-1]).size == MOST_GRADES
    many = Gains.of(relevances, lambda values: 2.0 * values)
    assert many.grades.size == 0
    np.testing.assert_array_equal(many.gains, 2.0 * relevances)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.sampled_from([bool, int, float]))
def test_gains_that_meet_or_cross_become_one_ascending_grade_each(
    relevances: list[int], dtype: type
) -> None:
    given_ones = np.array(relevances).astype(dtype)

    def gain(values: np.ndarray) -> np.ndarray:
        return np.abs(values - 3.0)

    found = Gains.of(given_ones, gain)
    assert (np.diff(found.gains) > 0).all()
    np.testing.assert_array_equal(gains_of(found), gain(given_ones.astype(np.float64)))


@pytest.mark.parametrize("extra", [0, 20])
def test_relevances_are_refused_by_grade_as_one_by_one(extra: int) -> None:
    fine = np.arange(float(extra + 2))
    for wrong in (-1.0, np.inf):
        with pytest.raises(ArgumentError, match=f"targets.*{wrong}.*relevances >= 0"):
            NDCG().read_targets(np.append(fine, wrong))
    with pytest.raises(ArgumentError, match="gain"):
        NDCG().read_targets(np.append(fine, 5000.0))
    with pytest.raises(ArgumentError, match="gain"):
        NDCG(gain=lambda values: -values).read_targets(fine)


def test_a_function_for_the_gain_sees_all_relevances_at_once() -> None:
    seen: list[np.ndarray] = []

    def gain(relevance: np.ndarray) -> np.ndarray:
        seen.append(relevance)
        return relevance / relevance.sum()

    relevances = np.array([1, 0, 2, 1])
    found = NDCG(gain=gain).read_targets(relevances)
    np.testing.assert_array_equal(seen, [relevances])
    np.testing.assert_array_equal(gains_of(found), relevances / 4)
