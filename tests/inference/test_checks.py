"""The checks of a whole array, against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from directloss.inference.checks import (
    binary_labels,
    count_classes,
    count_odd,
    count_odd_of_both,
    silence_infinite,
)


@given(st.lists(st.lists(st.booleans(), max_size=9), max_size=6))
def test_class_sizes_of_ragged_lists(lists: list[list[bool]]) -> None:
    labels = np.array([label for one in lists for label in one], np.uint8)
    offsets = np.append(0, np.cumsum([len(one) for one in lists], dtype=np.int64))
    positives, negatives = np.full((2, len(lists)), -1, np.int64)
    most = count_classes(labels, offsets, positives, negatives)
    ones = [sum(one) for one in lists]
    zeros = [len(one) - sum(one) for one in lists]
    assert positives.tolist() == ones and negatives.tolist() == zeros
    assert most == (max(ones, default=0), max(zeros, default=0), max(map(len, lists), default=0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_are_counted(dtype: type) -> None:
    scores = np.array([1.0, np.nan, np.inf, -np.nan, -np.inf], dtype)
    targets = np.array([0.0, 1.0, np.nan])
    assert count_odd(scores)[0] == 2 and count_odd(scores[:0]) == (0, 0)
    assert count_odd_of_both(scores, targets)[::2] == (2, 1)
    assert count_odd_of_both(scores[:1], targets[:0])[::2] == (0, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("scores", "combination", "left"),
    [
        ([1.0, 2.0], [0.0, 3.0], [0.0, 3.0]),
        ([1.0, 2.0], [0.0, -0.0], [0.0, 0.0]),
        ([np.inf, 2.0], [5.0, 3.0], [0.0, 3.0]),
        ([np.inf, -np.inf], [5.0, 3.0], [0.0, 0.0]),
        ([np.inf, 1.0], [5.0, 0.0], [0.0, 0.0]),
        ([], [], []),
    ],
)
def test_infinite_scores_are_silenced(
    scores: list[float], combination: list[float], left: list[float], dtype: type
) -> None:
    array = np.array(combination, dtype)
    silence_infinite(np.array(scores, dtype), array)
    assert array.tolist() == left


def test_the_first_target_that_is_no_label_is_named() -> None:
    labels = np.empty(4, np.uint8)
    assert binary_labels(np.array([0, 1, 1, 0]), labels) == -1 and labels.tolist() == [0, 1, 1, 0]
    assert binary_labels(np.array([0.0, 1.0, 0.5, np.nan]), labels) == 2
    assert binary_labels(np.array([np.nan, 1.0, 1.0, 1.0]), labels) == 0
