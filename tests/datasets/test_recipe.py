from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from directloss.datasets import DataError, FeatureRules
from directloss.datasets.preprocess import as_numbers, as_texts, make_transformer
from directloss.datasets.recipe import Recipe
from directloss.datasets.rows import MISSING, read_rows


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


def test_features_are_those_of_scikit_learn() -> None:
    frame, train = table(), np.arange(0, 300, 2)
    recipe, features = Recipe.fit_transform(frame, train, RULES)
    numeric, categorical = ["a", "gap", "flag"], ["code", "colour", "many"]
    clean = pd.DataFrame(
        {name: as_numbers(frame[name]) for name in numeric}
        | {name: as_texts(frame[name]) for name in categorical}
    )
    reference = make_transformer(numeric, categorical).fit(clean.iloc[train])
    wanted = reference.transform(clean).astype(np.float32)
    np.testing.assert_array_equal(features, wanted)
    assert features.shape == (300, recipe.width)
    assert recipe.columns == [*numeric, *categorical]


def test_what_was_stored_gives_the_same_features() -> None:
    recipe, features = Recipe.fit_transform(table(), np.arange(200), RULES)
    again = Recipe.model_validate_json(recipe.model_dump_json())
    assert again == recipe
    np.testing.assert_array_equal(again.apply(table()), features)


def test_a_text_file_read_in_pieces_gives_the_features_of_the_whole(tmp_path: Path) -> None:
    frame = table()
    frame["code"] = frame["code"].astype(float)
    frame.loc[::7, "code"] = np.nan  # floats in memory, "3.0" in the file
    frame.to_csv(tmp_path / "t.csv", index=False)
    whole = pd.read_csv(tmp_path / "t.csv")
    recipe, wanted = Recipe.fit_transform(whole, np.arange(300), RULES)
    pieces = [recipe.apply(piece.values) for piece in read_rows(str(tmp_path / "t.csv")).pieces]
    np.testing.assert_allclose(np.concatenate(pieces), wanted, rtol=1e-6)


@pytest.mark.parametrize("text", ["03", "3.0", " 3", "3"])
def test_a_number_is_a_category_however_it_is_written(text: str) -> None:
    recipe = Recipe.fit(pd.DataFrame({"code": [1, 2, 3]}), FeatureRules(categorical=("code",)))
    assert recipe.apply(pd.DataFrame({"code": [text]})).tolist() == [[0, 0, 1]]


def test_a_text_stays_the_text_it_is() -> None:
    recipe = Recipe.fit(pd.DataFrame({"code": ["03", "3", "x"]}), FeatureRules(("code",)))
    assert recipe.apply(pd.DataFrame({"code": ["03", "3", "3.0"]})).tolist() == [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 0],
    ]


def test_missing_texts_are_missing_wherever_they_stand() -> None:
    rows = pd.DataFrame({"a": [1.0, 3.0, np.nan], "k": ["x", None, "y"]})
    recipe = Recipe.fit(rows, FeatureRules(missing=("n/k",)))
    given = pd.DataFrame({"a": ["n/k"], "k": ["n/k"]})
    plain = pd.DataFrame({"a": [np.nan], "k": [None]})
    np.testing.assert_array_equal(recipe.apply(given), recipe.apply(plain))


def test_truth_values() -> None:
    recipe = Recipe.fit(pd.DataFrame({"flag": [True, False, True, True]}), FeatureRules())
    texts = pd.DataFrame({"flag": ["True", "false", "TRUE"]}, dtype=object)
    typed = pd.DataFrame({"flag": [True, False, True]})
    np.testing.assert_array_equal(recipe.apply(texts), recipe.apply(typed))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (pd.DataFrame({"b": [1.0]}), "there is no column 'a', which the model reads"),
        (pd.DataFrame({"a": ["1", "many"]}), r"'a' holds 'many' \(row 1\)"),
        (pd.DataFrame({"a": [1.0, np.inf]}), "'a' holds 1 infinite values"),
        (pd.DataFrame({"a": [1.0, 1e200]}), "a value of column 'a' is too large"),
    ],
)
def test_rows_that_do_not_fit(rows: pd.DataFrame, message: str) -> None:
    recipe = Recipe.fit(pd.DataFrame({"a": [1.0, 2.0]}), FeatureRules())
    with pytest.raises(DataError, match=message):
        recipe.apply(rows)


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        '{"kind": "images"}',
        '{"numbers": [{"name": "a", "median": 0, "values": {"mean": 0, "scale": 0}}]}',
        '{"numbers": [{"name": "a", "median": NaN, "values": {"mean": 0, "scale": 1}}]}',
        '{"categories": [{"name": "a", "known": ["x"]}, {"name": "a", "known": ["x"]}]}',
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(content: str) -> None:
    with pytest.raises(ValidationError):
        Recipe.model_validate_json(content)


def test_the_texts_for_missing_values_are_those_of_pandas() -> None:
    for text in MISSING:
        # A line of its own for each, in a column that also holds a number.
        (value, _) = pd.read_csv(StringIO(f"a,b\n{text},1\n2,1\n"))["a"]
        assert np.isnan(value), text
