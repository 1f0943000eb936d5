from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from directloss.datasets import DataError
from directloss.datasets.splits import from_column, stratified


@given(st.integers(40, 300), st.integers(0, 5))
def test_stratified_parts_are_a_partition_with_equal_shares(n: int, seed: int) -> None:
    codes = (np.arange(n) % 4 == 0).astype(np.int64)
    split = stratified(codes, seed)
    assert sorted(np.concatenate(list(split.values()))) == list(range(n))
    assert len(split["test"]) == pytest.approx(0.2 * n, abs=1.5)
    assert len(split["validation"]) == pytest.approx(0.2 * n, abs=2.5)
    for rows in split.values():
        assert codes[rows].sum() == pytest.approx(codes.mean() * len(rows), abs=1.5)


def test_seed_decides_the_split() -> None:
    codes = np.arange(100) % 2
    first, same, other = (stratified(codes, seed) for seed in (0, 0, 1))
    assert np.array_equal(first["test"], same["test"])
    assert not np.array_equal(first["test"], other["test"])


def test_column_with_three_parts() -> None:
    column = pd.Series(["train", "Val", " test ", "TRAIN", "dev"])
    split = from_column(column, np.zeros(5, dtype=np.int64), seed=0)
    assert {part: rows.tolist() for part, rows in split.items()} == {
        "train": [0, 3],
        "validation": [1, 4],
        "test": [2],
    }


def test_validation_is_taken_from_training_where_the_column_has_none() -> None:
    column = pd.Series(["train"] * 100 + ["test"] * 20)
    codes = np.arange(120) % 2
    split = from_column(column, codes, seed=0)
    assert split["test"].tolist() == list(range(100, 120))
    assert len(split["validation"]) == 20
    assert sorted([*split["train"], *split["validation"]]) == list(range(100))
    assert codes[split["validation"]].mean() == 0.5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["train", "holdout"], "'part' holds 'holdout'"),
        (["train", None], "'part' holds"),
        (["train", "train"], "'part' puts no row into test"),
        (["test", "val"], "'part' puts no row into train"),
    ],
)
def test_bad_columns(values: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_column(pd.Series(values, name="part"), np.zeros(2, dtype=np.int64), seed=0)


def test_a_class_of_one_row_cannot_be_split() -> None:
    with pytest.raises(DataError, match="too few rows of a class"):
        stratified(np.array([0] * 30 + [1]), seed=0)


def test_a_few_rows_cannot_be_split() -> None:
    wanted = "4 rows have 2 values, the rarest of them 2 times, and each part needs all values$"
    with pytest.raises(DataError, match=wanted):
        stratified(np.array([0, 1, 0, 1]), seed=0)
