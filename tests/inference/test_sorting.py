"""The radix sort against numpy's stable sort on the same rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from directloss.inference.sorting import (
    INDEX,
    LABEL,
    ONE_BIT,
    SHORT,
    classes_of_keys,
    ranked,
    ranked_classes,
    sorted_keys,
)

DTYPES = (np.float32, np.float64)
# Insertion, both digit widths, and the lengths at which one takes over from the other.
SIZES = (1, 2, 3, 31, 32, 33, 100, 255, 257, SHORT - 1, SHORT, SHORT + 1, 70_000)


def check(scores: NDArray[np.floating], labels: NDArray[np.uint8]) -> None:
    """Highest score first; among equal scores label 0 before label 1, then by index."""
    n = scores.size
    sorted_scores, order = np.full(n, np.nan), np.zeros(n, np.uint32)
    before = scores.copy()
    ranked(scores, labels, sorted_scores, order)
    wanted = np.lexsort((np.arange(n), labels, -scores))
    np.testing.assert_array_equal(order & INDEX, wanted)
    np.testing.assert_array_equal((order & LABEL) != 0, labels[wanted] == 1)
    np.testing.assert_array_equal(sorted_scores, scores[wanted].astype(np.float64))
    np.testing.assert_array_equal(before, scores)


STYLES = {
    "normal": lambda rng, n: rng.normal(size=n),
    "few values": lambda rng, n: rng.integers(-2, 3, size=n) / 2,
    "all equal": lambda rng, n: np.full(n, -1.5),
    "ascending": lambda rng, n: np.arange(n),
    "descending": lambda rng, n: -np.arange(n),
    "every size": lambda rng, n: rng.choice([-1, 1], size=n) * 10.0 ** rng.uniform(-44, 38, size=n),
    "neighbours": lambda rng, n: 1.0 + rng.integers(0, 9, size=n) * 2.0**-23,
}


def lists(style: str, dtype: type) -> Iterator[tuple[NDArray[np.floating], NDArray[np.uint8]]]:
    """Scores and labels of every length, without positives, with some, with nothing else."""
    rng = np.random.default_rng(0)
    for n in SIZES:
        scores = np.asarray(STYLES[style](rng, n)).astype(dtype)
        for share in (0.0, 0.3, 1.0):
            yield scores, (rng.random(n) < share).astype(np.uint8)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("style", STYLES)
def test_scores_come_out_as_from_a_stable_sort(style: str, dtype: type) -> None:
    for scores, labels in lists(style, dtype):
        check(scores, labels)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [40, SHORT + 40])
def test_zeros_of_both_signs_tie_and_infinities_stand_at_the_ends(n: int, dtype: type) -> None:
    rng = np.random.default_rng(1)
    tiny, huge = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    special = np.array([0.0, -0.0, inf, -inf, tiny, -tiny, huge, -huge, 1.0, -1.0], dtype)
    scores = rng.choice(special, size=n)
    check(scores, rng.integers(0, 2, size=n).astype(np.uint8))


@pytest.mark.parametrize("dtype", DTYPES)
def test_sorted_scores_hold_no_negative_zero(dtype: type) -> None:
    sorted_scores, order = np.empty(2), np.empty(2, np.uint32)
    ranked(np.array([-0.0, 0.0], dtype), np.array([0, 1], np.uint8), sorted_scores, order)
    assert not np.signbit(sorted_scores).any()


@given(
    scores=st.lists(st.floats(allow_nan=False, width=32), min_size=1, max_size=30),
    seed=st.integers(0, 9),
    dtype=st.sampled_from(DTYPES),
)
def test_any_bits_are_ranked(scores: list[float], seed: int, dtype: type) -> None:
    labels = np.random.default_rng(seed).integers(0, 2, size=len(scores)).astype(np.uint8)
    check(np.array(scores, dtype), labels)


def test_a_slice_of_a_batch_is_ranked_alone() -> None:
    rng = np.random.default_rng(2)
    scores, labels = rng.normal(size=60), rng.integers(0, 2, size=60).astype(np.uint8)
    check(scores[17:43], labels[17:43])


Classes = tuple[NDArray[np.float64], NDArray[np.uint32], NDArray[np.int32], bool]


def of_keys(scores: NDArray[np.floating], labels: NDArray[np.uint8], count: int) -> Classes:
    """`classes_of_keys`, of a list that stands behind another of three items."""
    size, begin = scores.size, 3
    keys, spare = np.empty((2, begin + size), np.uint64)
    sorted_keys(0, 1, scores, labels, np.array([0, size]), ONE_BIT, keys[begin:], spare)
    outputs = [np.empty(begin + size, kind) for kind in (np.float64, np.uint32, np.int32)]
    bits = np.empty(2 * (begin + size), np.uint32)
    ends = begin, begin + count, begin + size
    tied = classes_of_keys(keys, *ends, *outputs, bits, bits.view(np.float32))
    found, items, above = (output[begin:] for output in outputs)
    return found, items, above, tied


def of_scores(scores: NDArray[np.floating], labels: NDArray[np.uint8], count: int) -> Classes:
    found, items, above = (np.empty(scores.size, t) for t in (np.float64, np.uint32, np.int32))
    return found, items, above, ranked_classes(scores, labels, count, found, items, above)


@pytest.mark.parametrize(
    ("apart", "dtype"), [(of_keys, np.float32), (of_scores, np.float32), (of_scores, np.float64)]
)
@pytest.mark.parametrize("style", STYLES)
def test_classes_apart_are_the_ranked_list_taken_apart(
    style: str, apart: Callable[..., Classes], dtype: type
) -> None:
    for scores, labels in lists(style, dtype):
        found, items, above, tied = apart(scores, labels, int(labels.sum()))
        order = np.lexsort((np.arange(scores.size), labels, -scores))
        is_one = labels[order] == 1
        wanted = np.concatenate([order[is_one], order[~is_one]])
        np.testing.assert_array_equal(items, wanted)
        np.testing.assert_array_equal(found, scores[wanted].astype(np.float64))
        assert tied == bool(np.isin(scores[labels == 1], scores[labels != 1]).any())
        others = np.concatenate([np.cumsum(~is_one)[is_one], np.cumsum(is_one)[~is_one]])
        np.testing.assert_array_equal(above, others)
