from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from directloss.datasets import DataError, FeatureRules
from directloss.datasets.columns import sort_columns
from directloss.datasets.fitting import fit_transform

NO_RULES = FeatureRules()


def transform(features: pd.DataFrame, train_rows: np.ndarray, rules: FeatureRules) -> np.ndarray:
    return fit_transform(features, train_rows, rules).features


def test_numbers_are_scaled_by_the_training_rows_only() -> None:
    features = pd.DataFrame({"a": [0.0, 2.0, 100.0]})
    result = transform(features, np.array([0, 1]), NO_RULES)
    assert result[:, 0].tolist() == [-1.0, 1.0, 99.0]
    assert result.dtype == np.float32


def test_missing_numbers_get_the_median_and_an_indicator() -> None:
    features = pd.DataFrame({"a": [1.0, 1.0, 4.0, np.nan]})
    result = transform(features, np.arange(4), NO_RULES)
    assert result.shape == (4, 2)
    assert result[3, 0] == result[0, 0]
    assert result[3, 1] > result[0, 1] == result[1, 1]


def test_a_column_that_is_missing_in_all_training_rows_is_left_out() -> None:
    features = pd.DataFrame({"a": [np.nan, np.nan, 3.0], "b": [1.0, 2.0, 3.0]})
    fitted = fit_transform(features, np.array([0, 1]), NO_RULES)
    assert fitted.recipe.columns == ["b"]
    assert fitted.notes == ("'a' is left out: it has no value in the training rows",)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_categories_missing_is_one_and_unseen_is_none(missing: object) -> None:
    cells = ["x", "y", missing] * 5 + ["z"]
    features = pd.DataFrame({"a": pd.Series(cells, dtype="object")})
    result = transform(features, np.arange(15), NO_RULES)
    assert result[[0, 1, 2, 15]].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["x", "y"]),
        pd.Series(["x", "y"], dtype="category"),
        pd.Series(["x", None], dtype="string"),
    ],
)
def test_texts_are_categories(column: pd.Series) -> None:
    found = sort_columns(column.to_frame("a"), NO_RULES)
    assert (found.numbers, list(found.categories)) == ([], ["a"])


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1, 2]),
        pd.Series([True, False]),
        pd.Series(["1", "2.5"]),
        pd.Series([1, None], dtype="Int64"),
        pd.Series([True, None], dtype="boolean"),
        pd.Series([1.0, np.nan]),
    ],
)
def test_numbers_are_numbers(column: pd.Series) -> None:
    features = column.to_frame("a")
    found = sort_columns(features, NO_RULES)
    assert (found.numbers, found.categories) == (["a"], {})
    assert np.isfinite(transform(features, np.arange(2), NO_RULES)).all()


def test_a_rule_makes_numbers_categories() -> None:
    features = pd.DataFrame({"zip": [1, 2, 1] * 5, "mixed": ["1", "a", "1"] * 5})
    rules = FeatureRules(categorical=("zip", "mixed"))
    found = sort_columns(features, rules)
    assert (found.numbers, list(found.categories)) == ([], ["zip", "mixed"])
    expected = [[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]]
    assert transform(features, np.arange(15), rules)[:3].tolist() == expected


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pd.Series(["1", "2", "n/k"]), "'a' holds numbers, but also the text 'n/k'; say --cat"),
        (pd.Series([1.0, np.inf]), "'a' holds 1 infinite"),
        (pd.Series(pd.to_datetime(["2020-01-01"])), "'a' holds dates .*; say --date 'a'"),
    ],
)
def test_columns_without_a_rule(column: pd.Series, message: str) -> None:
    with pytest.raises(DataError, match=message):
        sort_columns(column.to_frame("a"), NO_RULES)


def test_a_rule_for_no_column() -> None:
    with pytest.raises(DataError, match="--categorical: there is no feature column 'b'"):
        sort_columns(pd.DataFrame({"a": [1]}), FeatureRules(categorical=("b",)))
