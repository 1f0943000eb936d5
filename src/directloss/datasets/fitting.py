"""What training rows say of the features of a table: medians, scales, known categories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from directloss.datasets import cells
from directloss.datasets.cells import Kind, encode
from directloss.datasets.columns import FEWEST_ROWS, sort_columns
from directloss.datasets.errors import DataError
from directloss.datasets.reading import FeatureRules
from directloss.datasets.recipe import Array, Categories, Moment, Numbers, Recipe, Scale, moment_of

MOST_CATEGORIES = 100
"""A column's rarer categories share one indicator beyond this number."""

_MOMENTS: tuple[Moment, ...] = ("days", "hour", "weekday")


@dataclass(frozen=True)
class Fitted:
    """A recipe and what it makes of all rows.

    Attributes:
        recipe: of the training rows.
        features: of all rows, `(n, width)`.
        notes: what a user should know.
    """

    recipe: Recipe
    features: NDArray[np.float32]
    notes: tuple[str, ...]


def fit_transform(
    features: pd.DataFrame, train_rows: NDArray[np.int64] | None, rules: FeatureRules
) -> Fitted:
    """The recipe of the training rows (all rows with None), and the features of all rows.

    Raises:
        DataError: with every column that cannot be used as it is.
    """
    train = features if train_rows is None else features.iloc[train_rows]
    recipe, notes = fit_recipe(train, rules)
    return Fitted(recipe, recipe.apply(features), notes)


def fit_recipe(rows: pd.DataFrame, rules: FeatureRules) -> tuple[Recipe, tuple[str, ...]]:
    """What training rows (or a sample of them) say, and what a user should know of it.

    A column without a single value says nothing and is left out.

    Raises:
        DataError: with every column that cannot be used as it is.
    """
    columns = sort_columns(rows, rules)
    names: list[tuple[str, Moment | None]] = [(name, None) for name in columns.numbers]
    values = [cells.numbers(rows[name], rules)[0] for name in columns.numbers]
    for name in columns.dates:
        days, _ = cells.days(rows[name], rules)
        names += [(name, moment) for moment in _MOMENTS]
        values += [moment_of(days, moment) for moment in _MOMENTS]
    categories = [
        fit_categories(rows[name], name, kind, rules) for name, kind in columns.categories.items()
    ]
    if not names and not categories:
        raise DataError("data: no feature column has a value in the training rows")
    notes = tuple(
        f"{name!r} is left out: it has no value in the training rows" for name in columns.empty
    )
    recipe = Recipe(
        version=2,
        reading=rules.reading,
        numbers=fit_numbers(names, values),
        categories=tuple(categories),
    )
    return recipe, notes


def fit_numbers(names: list[tuple[str, Moment | None]], values: list[Array]) -> tuple[Numbers, ...]:
    """Medians and scales: median for missing, an indicator of it, zero mean and unit variance.

    Raises:
        DataError: values too large to be scaled.
    """
    if not names:
        return ()
    with np.errstate(over="ignore", invalid="ignore"):  # what is wild is refused below
        pipeline = number_pipeline().fit(np.column_stack(values))
    imputer, scaler = (step for _, step in pipeline.steps)
    # Of an infinite variance the scale is 1, as if all values were one.
    wild = ~(np.isfinite(scaler.mean_) & np.isfinite(scaler.var_))
    if wild.any():
        name = names[int(np.flatnonzero(wild)[0]) % len(names)][0]
        raise DataError(f"data: the values of column {name!r} are too large to be scaled")
    scales = [
        Scale(mean=float(mean), scale=float(scale))
        for mean, scale in zip(scaler.mean_, scaler.scale_, strict=True)
    ]
    missing = dict(zip(imputer.indicator_.features_.tolist(), scales[len(names) :], strict=True))
    return tuple(
        Numbers(
            name=name,
            moment=moment,
            median=float(imputer.statistics_[k]),
            values=scales[k],
            missing=missing.get(k),
        )
        for k, (name, moment) in enumerate(names)
    )


def fit_categories(column: pd.Series, name: str, kind: Kind, rules: FeatureRules) -> Categories:
    """Known categories: those of `FEWEST_ROWS` or more, and of them the most frequent ones."""
    coded = encode([column], rules).by_value(kind)
    texts = np.array([*coded.cells, None], object)[coded.codes]
    encoder = category_encoder().fit(texts[:, None])
    (found,), (rare,) = encoder.categories_, encoder.infrequent_categories_
    hidden = set() if rare is None else set(rare.tolist())
    return Categories(
        name=name,
        kind=kind,
        known=tuple(each for each in found.tolist() if each not in hidden),
        others=bool(hidden),
    )


def number_pipeline() -> Any:
    """Median for missing numbers, an indicator of them, zero mean and unit variance."""
    return make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
    )


def category_encoder() -> OneHotEncoder:
    """An indicator a category, missing being one of them; rare ones share one."""
    return OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=FEWEST_ROWS,
        max_categories=MOST_CATEGORIES,
        sparse_output=False,
    )
