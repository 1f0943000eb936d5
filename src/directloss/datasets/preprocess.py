"""From columns of any kind to numbers a network can use; fitted on training rows only."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from directloss.datasets.errors import DataError
from directloss.datasets.source import FeatureRules

_MOST_CATEGORIES = 100  # a column's rarer categories share one indicator beyond this number


def numeric_and_categorical(
    features: pd.DataFrame, rules: FeatureRules
) -> tuple[list[str], list[str]]:
    """Names of the columns of either kind.

    A column of texts is categorical if none of them is a number. One that mixes numbers and texts
    could be either, so the user must say.

    Raises:
        DataError: a mixed column without a rule; dates; infinite numbers; a rule for no column.
    """
    unknown = [name for name in rules.categorical if name not in features]
    if unknown:
        raise DataError(f"--categorical: there is no feature column {unknown[0]!r}")
    kinds: dict[str, list[str]] = {"numeric": [], "categorical": []}
    for name in features:
        kind = "categorical" if name in rules.categorical else _kind(features[name])
        kinds[kind].append(name)
    return kinds["numeric"], kinds["categorical"]


def make_transformer(numeric: list[str], categorical: list[str]) -> ColumnTransformer:
    """Numbers: median for missing, an indicator of missingness, zero mean and unit variance.

    Categories: one indicator each, missing being a category of its own; a category that the
    training rows lack gives zeros.
    """
    numbers = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
    )
    categories = OneHotEncoder(
        handle_unknown="infrequent_if_exist", max_categories=_MOST_CATEGORIES, sparse_output=False
    )
    return ColumnTransformer(
        [("numeric", numbers, numeric), ("categorical", categories, categorical)]
    )


def as_numbers(column: pd.Series) -> pd.Series:
    """A numeric column as float64, missing values as NaN."""
    return pd.to_numeric(column).astype(np.float64)


def as_texts(column: pd.Series) -> pd.Series:
    """A categorical column as texts, missing values as None.

    A whole number is written without a point: the same column is one of floats where it has missing
    values, and one of integers where it has none.
    """
    missing = column.isna()
    if pd.api.types.is_float_dtype(column):
        whole = column.where(~missing, 0) % 1 == 0
        texts = column.astype("object").astype(str).str.removesuffix(".0")
        texts = texts.where(~whole, column.where(whole & ~missing, 0).map("{:.0f}".format))
    else:
        texts = column.astype("object").astype(str)
    return texts.astype("object").where(~missing, None)


def _kind(column: pd.Series) -> str:
    name = str(column.name)
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        infinite = int(np.isinf(column.astype(np.float64)).sum())
        if infinite:
            raise DataError(f"--data: column {name!r} holds {infinite} infinite values")
        return "numeric"
    if not (
        pd.api.types.is_object_dtype(column)
        or pd.api.types.is_string_dtype(column)
        or isinstance(column.dtype, pd.CategoricalDtype)
    ):
        raise DataError(
            f"--data: column {name!r} is of type {column.dtype}; give numbers or texts, or treat "
            f"it as categories: --categorical {name}"
        )
    given = column.dropna()
    is_number = pd.to_numeric(given.astype("object"), errors="coerce").notna()
    if is_number.all():
        return "numeric"
    if is_number.any():
        text = given[~is_number].iloc[0]
        raise DataError(
            f"--data: column {name!r} holds numbers, but also the text {str(text)!r}; say "
            f"--categorical {name}, or --missing {str(text)!r} if it stands for a missing value"
        )
    return "categorical"
