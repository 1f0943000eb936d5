"""The preprocessing of a table as plain data: it can be stored, read and applied without pickle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from directloss.datasets.errors import DataError
from directloss.datasets.preprocess import (
    as_numbers,
    as_texts,
    make_transformer,
    numeric_and_categorical,
)
from directloss.datasets.source import FeatureRules


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Scale(_Record):
    """Zero mean and unit variance: x -> (x - mean) / scale."""

    mean: FiniteFloat
    scale: FiniteFloat = Field(gt=0)

    def apply(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Scaled values."""
        scaled: npt.NDArray[np.float64] = (values - self.mean) / self.scale
        return scaled


class Numbers(_Record):
    """A numeric column: the median for missing values, and an indicator where training had some."""

    name: str
    median: FiniteFloat
    values: Scale
    missing: Scale | None = None


class Categories(_Record):
    """A categorical column: an indicator a category, None being the missing one.

    `rare` categories share one indicator, behind the others, which unknown ones get too; without
    rare ones an unknown category gives zeros. `numeric` tells that the column held numbers (or true
    and false), so that in a text file "03" is 3.
    """

    name: str
    numeric: bool = False
    known: tuple[str | None, ...]
    rare: tuple[str | None, ...] = ()


class Recipe(_Record):
    """From columns of a table to features `(n, width)`, as training rows have fixed it.

    Order of the features: all numeric columns, then their indicators of missing values, then the
    indicators of each categorical column.
    """

    kind: Literal["table"] = "table"
    numbers: tuple[Numbers, ...] = ()
    categories: tuple[Categories, ...] = ()
    missing_texts: tuple[str, ...] = Field(
        default=(), description="texts that stand for a missing value, besides the usual ones"
    )

    @model_validator(mode="after")
    def _has_features(self) -> Recipe:
        if not self.width:
            raise ValueError("a recipe gives at least one feature")
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("a recipe names each column once")
        return self

    @classmethod
    def fit(
        cls,
        rows: pd.DataFrame,
        rules: FeatureRules,
        *,
        kinds: tuple[Sequence[str], Sequence[str]] | None = None,
    ) -> Recipe:
        """What training rows say.

        Args:
            rows: the training rows (or a sample of them).
            rules: what the user says about columns.
            kinds: names of numeric and of categorical columns, where more rows than these decide.

        Raises:
            DataError: columns that cannot be used as they are.
        """
        numeric, categorical = map(list, kinds or numeric_and_categorical(rows, rules))
        clean = pd.DataFrame(
            {name: as_numbers(rows[name]) for name in numeric}
            | {name: as_texts(rows[name]) for name in categorical}
        )
        fitted = make_transformer(numeric, categorical).fit(clean)
        return cls(
            numbers=_fitted_numbers(numeric, fitted.named_transformers_["numeric"]),
            categories=_fitted_categories(
                rows[categorical], fitted.named_transformers_["categorical"]
            ),
            missing_texts=rules.missing,
        )

    @classmethod
    def fit_transform(
        cls, features: pd.DataFrame, train_rows: npt.NDArray[np.int64], rules: FeatureRules
    ) -> tuple[Recipe, npt.NDArray[np.float32]]:
        """The recipe of the training rows and the features `(n, width)` of all rows.

        All rows decide of which kind a column is.
        """
        kinds = numeric_and_categorical(features, rules)
        recipe = cls.fit(features.iloc[train_rows], rules, kinds=kinds)
        return recipe, recipe.apply(features)

    @property
    def columns(self) -> list[str]:
        """Names of the columns that are read."""
        return [each.name for each in self.numbers] + [each.name for each in self.categories]

    @property
    def width(self) -> int:
        """Number of features."""
        indicators = sum(column.missing is not None for column in self.numbers)
        one_hot = sum(len(column.known) + bool(column.rare) for column in self.categories)
        return len(self.numbers) + indicators + one_hot

    def apply(self, rows: pd.DataFrame) -> npt.NDArray[np.float32]:
        """Features of rows, `(n, width)`.

        Raises:
            DataError: a column is missing, holds texts where numbers are wanted, or is infinite.
        """
        absent = [name for name in self.columns if name not in rows]
        if absent:
            raise DataError(f"--data: there is no column {absent[0]!r}, which the model reads")
        features = np.empty((len(rows), self.width), np.float32)
        indicator = len(self.numbers)
        for place, numbers in enumerate(self.numbers):
            values = self._numbers(rows[numbers.name])
            missing = np.isnan(values)
            with np.errstate(over="ignore"):  # told right below
                filled = np.where(missing, numbers.median, values)
                features[:, place] = numbers.values.apply(filled)
            if not np.isfinite(features[:, place]).all():
                raise DataError(f"--data: a value of column {numbers.name!r} is too large")
            if numbers.missing is not None:
                features[:, indicator] = numbers.missing.apply(missing.astype(np.float64))
                indicator += 1
        place = indicator
        for categories in self.categories:
            width = len(categories.known) + bool(categories.rare)
            features[:, place : place + width] = _one_hot(categories, self._texts(rows, categories))
            place += width
        return features

    def _numbers(self, column: pd.Series) -> npt.NDArray[np.float64]:
        if _is_numeric(column):
            numbers = as_numbers(column)
        else:
            numbers = self._read_numbers(column).fillna(np.nan).astype(np.float64)
        values: npt.NDArray[np.float64] = numbers.to_numpy(np.float64, na_value=np.nan)
        infinite = np.isinf(values)
        if infinite.any():
            raise DataError(
                f"--data: column {str(column.name)!r} holds {infinite.sum()} infinite values"
            )
        return values

    def _read_numbers(self, column: pd.Series) -> pd.Series:
        """Numbers in a column of texts, as they come from a text file that is read in pieces."""
        texts = column.astype("object").replace(dict.fromkeys(self.missing_texts, np.nan))
        numbers = pd.to_numeric(texts.replace(_TRUTHS), errors="coerce")
        wrong = numbers.isna() & texts.notna()
        if wrong.any():
            raise DataError(
                f"--data: column {str(column.name)!r} holds {str(texts[wrong].iloc[0])!r} (row "
                f"{wrong.idxmax()}), where the model wants a number"
            )
        return numbers

    def _texts(self, rows: pd.DataFrame, categories: Categories) -> pd.Series:
        column = rows[categories.name]
        texts = as_texts(column)
        if categories.numeric and not _is_numeric(column):
            numbers = pd.to_numeric(column.astype("object"), errors="coerce")
            as_number = as_texts(numbers).where(numbers.notna(), texts)
            texts = as_number.replace({text: str(bool(truth)) for text, truth in _TRUTHS.items()})
        return texts.where(~texts.isin(self.missing_texts), None) if self.missing_texts else texts


_TRUTHS = {"true": 1, "True": 1, "TRUE": 1, "false": 0, "False": 0, "FALSE": 0}


def _is_numeric(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column))


def _fitted_numbers(names: list[str], pipeline: object) -> tuple[Numbers, ...]:
    if not names:
        return ()
    imputer, scaler = (step for _, step in pipeline.steps)  # type: ignore[attr-defined]
    wild = ~(np.isfinite(scaler.mean_) & np.isfinite(scaler.scale_))
    if wild.any():
        name = names[int(np.flatnonzero(wild)[0]) % len(names)]
        raise DataError(f"--data: the values of column {name!r} are too large to be scaled")
    scales = [
        Scale(mean=float(mean), scale=float(scale))
        for mean, scale in zip(scaler.mean_, scaler.scale_, strict=True)
    ]
    with_missing = {names[k]: scales[len(names) + i] for i, k in _indicators(imputer)}
    return tuple(
        Numbers(name=name, median=float(median), values=scale, missing=with_missing.get(name))
        for name, median, scale in zip(
            names, imputer.statistics_, scales[: len(names)], strict=True
        )
    )


def _indicators(imputer: object) -> list[tuple[int, int]]:
    """(place among the indicators, place among the columns)."""
    return list(enumerate(imputer.indicator_.features_.tolist()))  # type: ignore[attr-defined]


def _fitted_categories(columns: pd.DataFrame, encoder: object) -> tuple[Categories, ...]:
    if not len(columns.columns):
        return ()
    return tuple(
        Categories(
            name=name,
            numeric=_is_numeric(columns[name]),
            known=tuple(each for each in categories.tolist() if each not in set(rare)),
            rare=tuple(rare),
        )
        for name, categories, rare in zip(
            columns,
            encoder.categories_,  # type: ignore[attr-defined]
            ([] if r is None else r.tolist() for r in encoder.infrequent_categories_),  # type: ignore[attr-defined]
            strict=True,
        )
    )


def _one_hot(categories: Categories, texts: pd.Series) -> npt.NDArray[np.float32]:
    places: dict[str | None, int] = {each: k for k, each in enumerate(categories.known)}
    others = len(categories.known) if categories.rare else -1
    codes, found = pd.factorize(texts.to_numpy(object), use_na_sentinel=True)
    of_value = [places.get(each, others) for each in found] + [places.get(None, others)]
    place = np.asarray(of_value)[codes]  # a missing value has code -1, which is the last entry
    encoded = np.zeros((len(texts), len(categories.known) + bool(categories.rare)), np.float32)
    rows = np.flatnonzero(place >= 0)
    encoded[rows, place[rows]] = 1.0
    return encoded
