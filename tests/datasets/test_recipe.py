from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from directloss.datasets import DataError, FeatureRules
from directloss.datasets.cells import MISSING, numbers, spelled
from directloss.datasets.fitting import fit_recipe, fit_transform
from directloss.datasets.recipe import Recipe
from directloss.datasets.rows import read_rows


def table(rows: int = 300) -> pd.DataFrame:
    generator = np.random.default_rng(2)
    return pd.DataFrame(
        {
            "a": generator.normal(5, 3, rows),
            "code": generator.integers(0, 4, rows),
            "gap": np.where(generator.random(rows) < 0.2, np.nan, generator.normal(size=rows)),
            "colour": generator.choice(["red", "green", None], rows),
            "many": [f"c{int(value)}" for value in generator.exponential(60, rows)],
            "flag": generator.random(rows) < 0.5,
        }
    )


RULES = FeatureRules(categorical=("code",), missing=("n/k",))


def fit(rows: pd.DataFrame, rules: FeatureRules = FeatureRules()) -> Recipe:  # noqa: B008
    return fit_recipe(rows, rules)[0]


def test_features_are_those_of_scikit_learn() -> None:
    frame, train = table(), np.arange(0, 300, 2)
    fitted = fit_transform(frame, train, RULES)
    numeric, categorical = ["a", "gap", "flag"], ["code", "colour", "many"]
    clean = pd.DataFrame(
        {name: numbers(frame[name], RULES)[0] for name in numeric}
        | {name: spelled(frame[name], RULES).to_pylist() for name in categorical},
        dtype=object,
    )
    reference = ColumnTransformer(
        [
            (
                "numbers",
                make_pipeline(
                    SimpleImputer(strategy="median", add_indicator=True), StandardScaler()
                ),
                numeric,
            ),
            (
                "categories",
                OneHotEncoder(
                    handle_unknown="infrequent_if_exist", min_frequency=5, sparse_output=False
                ),
                categorical,
            ),
        ]
    ).fit(clean.iloc[train])
    wanted = reference.transform(clean).astype(np.float32)
    np.testing.assert_array_equal(fitted.features, wanted)
    assert fitted.features.shape == (300, fitted.recipe.width)
    assert fitted.recipe.columns == [*numeric, *categorical]


def test_what_was_stored_gives_the_same_features() -> None:
    fitted = fit_transform(table(), np.arange(200), RULES)
    recipe, features = fitted.recipe, fitted.features
    again = Recipe.model_validate_json(recipe.model_dump_json())
    assert again == recipe
    np.testing.assert_array_equal(again.apply(table()), features)


def test_a_text_file_read_in_pieces_gives_the_features_of_the_whole(tmp_path: Path) -> None:
    frame = table()
    frame["code"] = frame["code"].astype(float)
    frame.loc[::7, "code"] = np.nan  # floats in memory, "3.0" in the file
    frame.to_csv(tmp_path / "t.csv", index=False)
    whole = pd.read_csv(tmp_path / "t.csv")
    fitted = fit_transform(whole, np.arange(300), RULES)
    recipe, wanted = fitted.recipe, fitted.features
    pieces = [recipe.apply(piece.values) for piece in read_rows(str(tmp_path / "t.csv")).pieces]
    np.testing.assert_allclose(np.concatenate(pieces), wanted, rtol=1e-6)


@pytest.mark.parametrize("text", ["03", "3.0", " 3", "3"])
def test_a_number_is_a_category_however_it_is_written(text: str) -> None:
    recipe = fit(pd.DataFrame({"code": [1, 2, 3] * 5}), FeatureRules(categorical=("code",)))
    assert recipe.apply(pd.DataFrame({"code": [text]})).tolist() == [[0, 0, 1]]


def test_a_text_stays_the_text_it_is() -> None:
    recipe = fit(pd.DataFrame({"code": ["03", "3", "x"] * 5}), FeatureRules(categorical=("code",)))
    assert recipe.apply(pd.DataFrame({"code": ["03", "3", "3.0"]})).tolist() == [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 0],
    ]


def test_missing_texts_are_missing_wherever_they_stand() -> None:
    rows = pd.DataFrame({"a": [1.0, 3.0, np.nan] * 5, "k": ["x", None, "y"] * 5})
    recipe = fit(rows, FeatureRules(missing=("n/k",)))
    given = pd.DataFrame({"a": ["n/k"], "k": ["n/k"]})
    plain = pd.DataFrame({"a": [np.nan], "k": [None]})
    np.testing.assert_array_equal(recipe.apply(given), recipe.apply(plain))


def test_numbers_that_overflow_are_refused_without_words_of_numpy() -> None:
    for huge in (np.arange(6.0) * 1e300, np.random.default_rng(0).normal(size=6) * 1e300):
        frame = pd.DataFrame({"a": np.arange(6.0), "huge": huge})
        with pytest.raises(DataError, match=r"^data: the values of column 'huge' are too large"):
            fit(frame)


def test_truth_values() -> None:
    recipe = fit(pd.DataFrame({"flag": [True, False, True, True]}))
    texts = pd.DataFrame({"flag": ["True", "false", "TRUE"]}, dtype=object)
    typed = pd.DataFrame({"flag": [True, False, True]})
    np.testing.assert_array_equal(recipe.apply(texts), recipe.apply(typed))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (pd.DataFrame({"b": [1.0]}), "there is no column 'a', which the model reads"),
        (pd.DataFrame({"a": ["1", "many"]}), r"'a' holds 'many' \(row 3, the header is row 1\)"),
        (pd.DataFrame({"a": ["many"]}, index=["x"]), r"'a' holds 'many' \(row 'x'\)"),
        (pd.DataFrame({"a": [1.0, np.inf]}), "'a' holds 1 infinite values"),
        (pd.DataFrame({"a": [1.0, 1e200]}), "a value of column 'a' is too large"),
    ],
)
def test_rows_that_do_not_fit(rows: pd.DataFrame, message: str) -> None:
    recipe = fit(pd.DataFrame({"a": [1.0, 2.0]}))
    with pytest.raises(DataError, match=message):
        recipe.apply(rows)


def test_the_notation_that_a_model_reads_is_said() -> None:
    rules = FeatureRules(decimal=",", thousands=".")
    recipe = fit(pd.DataFrame({"a": ["1,5", "1.234"]}), rules)
    wanted = "'1.5' .* wants a number with ',' before decimals and '.' between thousands"
    with pytest.raises(DataError, match=wanted):
        recipe.apply(pd.DataFrame({"a": ["1.5"]}))


NUMBER = {"name": "a", "median": 0, "values": {"mean": 0, "scale": 1}}
CATEGORY = {"name": "b", "kind": "text", "known": ["x"]}


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"version": 1},
        {"kind": "images"},
        {"numbers": [{**NUMBER, "values": {"mean": 0, "scale": 0}}]},
        {"numbers": [{**NUMBER, "median": "NaN"}]},
        {"numbers": [NUMBER, NUMBER]},
        {"categories": [CATEGORY, CATEGORY]},
        {"numbers": [NUMBER], "reading": {"thousands": "."}},
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(content: dict[str, object]) -> None:
    whole = {"version": 2, "reading": {}}
    assert Recipe.model_validate({**whole, "numbers": [NUMBER], "categories": [CATEGORY]})
    with pytest.raises(ValidationError):
        Recipe.model_validate({**whole, **content})


def test_the_texts_for_missing_values_are_those_of_pandas() -> None:
    for text in MISSING:
        # A line of its own for each, in a column that also holds a number.
        (value, _) = pd.read_csv(StringIO(f"a,b\n{text},1\n2,1\n"))["a"]
        assert np.isnan(value), text
