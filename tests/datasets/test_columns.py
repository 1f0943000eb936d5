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
        (pd.Series(["1", "2", "n/k"]), "'a' holds numbers, but also the text 'n/k'; say `cat"),
        (pd.Series([1.0, np.inf]), "'a' holds 1 infinite"),
        (pd.Series(pd.to_datetime(["2020-01-01"])), "'a' holds dates .*; say `date` 'a'"),
    ],
)
def test_columns_without_a_rule(column: pd.Series, message: str) -> None:
    with pytest.raises(DataError, match=message):
        sort_columns(column.to_frame("a"), NO_RULES)


def test_a_rule_for_no_column() -> None:
    with pytest.raises(DataError, match="categorical: there is no feature column 'b'"):
        sort_columns(pd.DataFrame({"a": [1]}), FeatureRules(categorical=("b",)))


def texts(count: int, rows: int) -> pd.DataFrame:
    return pd.DataFrame({"a": [f"text {k % count}" for k in range(rows)]})


@pytest.mark.parametrize(("count", "rows"), [(100, 100), (75, 100), (30, 100)])
def test_ids_and_free_texts_are_no_categories(count: int, rows: int) -> None:
    features = texts(count, rows)
    with pytest.raises(DataError, match=f"'a' holds {count} different texts in 100 .*`drop` 'a'"):
        sort_columns(features, NO_RULES)
    rules = FeatureRules(categorical=("a",))
    recipe = fit_transform(features, None, rules).recipe
    assert recipe.categories[0].others
    assert "text" not in recipe.model_dump_json().replace('"kind":"text"', "")


def test_few_rows_and_few_texts_are_categories() -> None:
    assert sort_columns(texts(10, 10), NO_RULES).categories
    assert sort_columns(texts(20, 100), NO_RULES).categories


def test_rare_categories_are_not_written_down() -> None:
    features = pd.DataFrame({"a": ["x"] * 10 + ["y"] * 5 + ["Mr Smith"] * 4})
    fitted = fit_transform(features, None, NO_RULES)
    assert fitted.recipe.categories[0].known == ("x", "y")
    assert "Smith" not in fitted.recipe.model_dump_json()
    assert fitted.features[[0, 10, 15]].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_dates_are_days_hours_and_weekdays() -> None:
    cells = ["2024-01-01 18:30", "1969-12-31", None, "2024-02-29T12:00:00Z"]
    features = pd.DataFrame({"when": cells})
    recipe = fit_transform(features, None, FeatureRules(date=("when",))).recipe
    assert [each.moment for each in recipe.numbers] == ["days", "hour", "weekday"]
    assert recipe.columns == ["when"]
    day, hour, weekday = (each.values for each in recipe.numbers)
    made = recipe.apply(features)
    for place, scale, wanted in (
        (0, day, [19723, -1, 19782]),
        (1, hour, [18.5, 0, 12]),
        (2, weekday, [0, 2, 3]),
    ):
        back = made[[0, 1, 3], place] * scale.scale + scale.mean
        np.testing.assert_allclose(back, wanted, rtol=1e-5, atol=1e-5)
    typed = pd.DataFrame({"when": pd.to_datetime(pd.Series(cells), format="ISO8601", utc=True)})
    np.testing.assert_array_equal(recipe.apply(typed), made)
    with pytest.raises(DataError, match=r"'when' holds 'soon' \(row 2, .* a date such as"):
        recipe.apply(pd.DataFrame({"when": ["soon"]}))
    with pytest.raises(DataError, match="date: column 'when' holds 'soon'; wanted dates"):
        sort_columns(pd.DataFrame({"when": ["soon"]}), FeatureRules(date=("when",)))


@pytest.mark.parametrize("cells", [["2024-01-01"], ["2024-01-01", "2024-05-05", "?"]])
def test_dates_as_texts_want_a_word(cells: list[str]) -> None:
    with pytest.raises(DataError, match=r"column 'a' holds dates .*; say `date` 'a'"):
        sort_columns(pd.DataFrame({"a": cells}), NO_RULES)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ["1/7/2024", "2/7/2024"],
            r"dates \('1/7/2024'\) in a spelling that `date` does not",
        ),
        (
            ["07.01.2024", "?", "Jan 7, 2024"],
            r"dates \('07.01.2024', but also '\?'\) in a spelling",
        ),
        (["2024-01-07", "1/8/2024"], r"dates \('1/8/2024'\) in a spelling"),
        (["12:30", "18:00"], r"times \('12:30'\); write them as hours \(12.5\)"),
        (["2024-01-07", "12:30"], r"dates \('12:30'\) in a spelling"),
        (["1/7/2024", "1/7/2024", "5"], r"dates \('1/7/2024', but also '5'\) in a spelling"),
    ],
)
def test_dates_in_other_spellings_are_neither_guessed_nor_categories(
    cells: list[str], message: str
) -> None:
    features = pd.DataFrame({"a": cells * 20})
    with pytest.raises(DataError, match=f"column 'a' holds {message}.*`date` 'a'.*`drop` 'a'"):
        sort_columns(features, NO_RULES)
    assert sort_columns(features, FeatureRules(categorical=("a",))).categories
    with pytest.raises(DataError, match=r"^date: column 'a' holds .* year, month, day, for no"):
        sort_columns(features, FeatureRules(date=("a",)))


def test_a_few_dates_among_texts_and_numbers_that_look_like_dates() -> None:
    some = ["red", "green", "1/7/2024"] * 10
    assert sort_columns(pd.DataFrame({"a": some}), NO_RULES).categories
    with pytest.raises(DataError, match=r"'a' holds numbers, but also the text '\?'"):
        sort_columns(pd.DataFrame({"a": ["20240107", "20240108", "?"] * 10}), NO_RULES)


def test_types_without_a_meaning() -> None:
    lists = pd.DataFrame({"a": pd.Series([[1], [2]])})
    with pytest.raises(DataError, match=r"'a' is of type list.*`drop` 'a'"):
        sort_columns(lists, NO_RULES)


def test_everything_is_said_at_once() -> None:
    features = pd.DataFrame({"a": ["1", "x"], "b": ["3,5", "2"], "c": [1.0, np.inf], "d": [1, 2]})
    with pytest.raises(DataError, match=r"\(1\) .*'a' .*\(2\) .*'b' .*\(3\) .*'c'") as caught:
        sort_columns(features, NO_RULES)
    assert "'d'" not in str(caught.value)
    recipe = fit_transform(features[["d"]].assign(e=[3, 4]), None, NO_RULES).recipe
    wrong = pd.DataFrame({"d": ["x"], "e": ["y"]})
    with pytest.raises(DataError, match=r"'d' holds 'x' .*'e' holds 'y'"):
        recipe.apply(wrong)
