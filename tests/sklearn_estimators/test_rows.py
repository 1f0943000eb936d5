"""Weights as counts, and a validation part that depends on what rows hold alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from directloss.errors import ArgumentError
from directloss.sklearn._rows import (
    MOST,
    arranged,
    check_weights,
    counts_of,
    fingerprints,
    split,
    split_lists,
)


def drawn() -> np.random.Generator:
    return np.random.default_rng(0)


def test_whole_weights_are_counts() -> None:
    assert counts_of(np.array([0.0, 1.0, 3.0])).tolist() == [0, 1, 3]


@pytest.mark.parametrize("unit", [0.1, 1e9, 1 / 3])
def test_weights_in_units_of_the_smallest_are_counts(unit: float) -> None:
    assert counts_of(np.array([0.0, 1.0, 3.0, 1.0]) * unit).tolist() == [0, 1, 3, 1]


def test_whole_weights_stand_for_so_many_rows_at_most() -> None:
    weights = np.ones(1000)
    weights[0] = 1e6
    assert counts_of(weights).sum() == MOST
    assert counts_of(weights, most=2_000_000).tolist() == weights.tolist()
    assert counts_of(np.array([1.5e300, 1e308, 1e308])).sum() == MOST


def test_a_class_of_light_rows_has_rows() -> None:
    weights = np.repeat([1.5, 1e5], [640, 160])
    counts = counts_of(weights, weights > 2.0)
    share = weights * (counts.sum() / weights.sum())
    assert counts.sum() == MOST
    assert counts[:640].sum() == pytest.approx(share[:640].sum(), abs=1.0)
    assert counts[:640].sum() > 10
    assert (np.abs(counts - share) <= 1.0 + 1e-6).all()


def test_other_weights_are_drawn_to_the_floor_or_the_ceiling() -> None:
    weights = drawn().uniform(0.0, 2.0, 1000)
    counts, share = counts_of(weights), weights * 4000 / weights.sum()
    assert counts.sum() == 4000
    assert (np.abs(counts - share) <= 1.0 + 1e-9).all()


@pytest.mark.parametrize(
    "weights",
    [
        [1.0],
        [1.0, -1.0],
        [1.0, np.nan],
        [[1.0], [1.0]],
        [0.0, 0.0],
        ["a", "a"],
        {0: 1.0},
        [[1.0], [1.0, 2.0]],
    ],
    ids=str,
)
def test_weights_that_do_not_fit_are_refused(weights: object) -> None:
    with pytest.raises(ArgumentError, match=r"^sample_weight: got"):
        check_weights(weights, 2)


def test_weights_that_are_no_numbers_are_named() -> None:
    with pytest.raises(ArgumentError, match=r"no number .*'a'.*, wanted numbers of shape \(2,\)"):
        check_weights(["a", "a"], 2)


def test_equal_rows_have_equal_fingerprints_dense_or_sparse() -> None:
    X = np.round(drawn().normal(size=(500, 3)))
    keys = fingerprints(X, drawn())
    _, rows = np.unique(X, axis=0, return_inverse=True)
    _, groups = np.unique(keys, return_inverse=True)
    assert len(np.unique(np.stack([rows, groups]), axis=1).T) == rows.max() + 1 == groups.max() + 1
    assert (fingerprints(sparse.csr_array(X), drawn()) == keys).all()
    assert (fingerprints(-0.0 * X, drawn()) == 0).all()


def test_a_bit_of_single_precision_makes_another_fingerprint_and_one_of_double_none() -> None:
    X = np.ones((64, 2))
    X[:, 1] += np.arange(64) * 2.0**-23
    keys = fingerprints(X, drawn())
    assert np.unique(keys).size == 64
    assert (fingerprints(np.nextafter(X, 2.0), drawn()) == keys).all()
    assert np.unique(fingerprints(np.array([[1e300], [-1e300], [1e-300]]), drawn())).size == 3


def test_the_parts_have_the_same_rows_in_any_order() -> None:
    X = drawn().normal(size=(400, 2))
    y = X[:, 0] > 0.5
    shuffled = drawn().permutation(400)
    first, second = (
        split(keys, labels, arranged(keys, labels, None), 0.25, 5)
        for keys, labels in (
            (fingerprints(X, drawn()), y),
            (fingerprints(X[shuffled], drawn()), y[shuffled]),
        )
    )
    for own, other in zip(first, second, strict=True):
        assert (X[own] == X[shuffled][other]).all()
    assert len(first.validation) == round(0.25 * y.sum()) + round(0.25 * (~y).sum())
    assert not np.intersect1d(*first).size


def test_equal_rows_of_a_class_lie_on_one_side() -> None:
    X = np.repeat(drawn().normal(size=(40, 2)), 5, axis=0)
    y = np.repeat(np.arange(40) % 2 == 0, 5)
    keys = fingerprints(X, drawn())
    train, validation = split(keys, y, arranged(keys, y, None), 0.33, 5)
    assert validation.size
    assert not np.intersect1d(keys[train], keys[validation]).size


def test_too_few_rows_of_a_class_all_train() -> None:
    X = drawn().normal(size=(100, 2))
    y = np.arange(100) < 10
    keys = fingerprints(X, drawn())
    train, validation = split(keys, y, arranged(keys, y, None), 0.2, 3)
    assert len(train) == 100
    assert not validation.size


def test_lists_are_not_cut() -> None:
    X = drawn().normal(size=(200, 2))
    lists = np.arange(200) % 20
    train, validation = split_lists(fingerprints(X, drawn()), np.ones(200), lists, 0.3, 2)
    assert np.unique(lists[validation]).size == 6
    assert not np.intersect1d(lists[train], lists[validation]).size
    for part in (train, validation):
        assert np.count_nonzero(np.diff(lists[part])) == np.unique(lists[part]).size - 1
