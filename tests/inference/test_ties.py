"""The metric of tied scores: a tie is one threshold, as scikit-learn has it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from directloss.inference.ties import average_precisions
from tests.harness import Floats


def average_precision(scores: Floats, labels: Floats) -> tuple[float, bool]:
    values, defined = np.full(1, np.nan), np.zeros(1, np.bool_)
    offsets = np.array([0, len(scores)], np.int64)
    average_precisions(0, 1, scores, labels.astype(np.uint8), offsets, values, defined)
    return float(values[0]), bool(defined[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("levels", [1, 2, 5, 1000])
def test_it_is_that_of_scikit_learn(levels: int, dtype: type) -> None:
    rng = np.random.default_rng(0)
    for n in (2, 3, 10, 400, 3000):
        scores = (rng.integers(-levels, 1, size=n) / 4 - 0.5).astype(dtype)  # all of them negative
        labels = (rng.random(n) < 0.3).astype(np.float64)
        labels[:2] = 0, 1
        value, defined = average_precision(scores, labels)
        assert defined
        assert value == pytest.approx(average_precision_score(labels, scores), abs=1e-13)


def test_infinite_scores_tie_among_themselves() -> None:
    scores = np.array([np.inf, np.inf, 0.0, -np.inf, -np.inf])
    labels = np.array([1.0, 0.0, 0.0, 1.0, 0.0])
    # Thresholds +inf (1 of 2 found among 2), then -inf (the other, among 5).
    assert average_precision(scores, labels)[0] == pytest.approx(0.5 * (1 / 2) + 0.5 * (2 / 5))


def test_all_scores_equal_is_the_share_of_positives() -> None:
    value, _ = average_precision(np.full(8, -3.0), np.array([1, 0, 0, 1, 0, 0, 0, 0.0]))
    assert value == 2 / 8


@pytest.mark.parametrize("labels", [[], [0.0], [1.0], [0.0, 0.0], [1.0, 1.0]])
def test_one_class_has_no_average_precision(labels: list[float]) -> None:
    assert average_precision(np.zeros(len(labels)), np.array(labels)) == (0.0, False)


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=12))
def test_the_order_of_storage_does_not_enter(items: list[tuple[int, bool]]) -> None:
    scores = np.array([s for s, _ in items], np.float64)
    labels = np.array([t for _, t in items], np.float64)
    assert average_precision(scores, labels) == average_precision(
        scores[::-1].copy(), labels[::-1].copy()
    )


def test_only_the_lists_asked_for_are_written() -> None:
    scores, labels = np.arange(6.0), np.array([0, 1, 0, 1, 0, 1], np.uint8)
    values, defined = np.full(3, np.nan), np.zeros(3, np.bool_)
    average_precisions(1, 2, scores, labels, np.array([0, 2, 4, 6]), values, defined)
    assert np.isnan(values).tolist() == [True, False, True]
    assert defined.tolist() == [False, True, False]
