"""The preprocessing of a table as plain data: it can be stored, read and applied without pickle."""

from __future__ import annotations

from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_validator, model_validator

from directloss.datasets import cells
from directloss.datasets.cells import Kind, canonical, encode
from directloss.datasets.errors import DataError, Faults
from directloss.datasets.labels import KnownLabels
from directloss.datasets.reading import Reading

Array = NDArray[np.float64]
Moment = Literal["days", "hour", "weekday"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Scale(_Record):
    """Zero mean and unit variance: x -> (x - mean) / scale."""

    mean: FiniteFloat
    scale: FiniteFloat = Field(gt=0)

    def apply(self, values: Array) -> Array:
        """Scaled values."""
        scaled: Array = (values - self.mean) / self.scale
        return scaled


class Numbers(_Record):
    """A numeric column: the median for missing values, and an indicator where training had some.

    Of a column of dates `moment` is a number: days since 1970-01-01, the hour of the day with its
    fraction, or the day of the week from 0 (Monday) to 6.
    """

    name: str
    moment: Moment | None = None
    median: FiniteFloat
    values: Scale
    missing: Scale | None = None


class Categories(_Record):
    """A categorical column: an indicator a category, None being the missing one.

    `kind` tells what its values are, so that "03" is 3 in a column of numbers. With `others` one
    more indicator, behind those of `known`, stands for every other category, unknown ones too;
    without it those give zeros.
    """

    name: str
    kind: Kind
    known: tuple[str | None, ...]
    others: bool = False

    @field_validator("known")
    @classmethod
    def _once(cls, known: tuple[str | None, ...]) -> tuple[str | None, ...]:
        if len(set(known)) < len(known):
            raise ValueError("a category is known once")
        return known

    @property
    def width(self) -> int:
        """Number of its indicators."""
        return len(self.known) + self.others


class Recipe(_Record):
    """From columns of a table to features `(n, width)`, as training rows have fixed it.

    Order of the features: all numeric columns, then their indicators of missing values, then the
    indicators of each categorical column.
    """

    kind: Literal["table"] = "table"
    version: Literal[2] = Field(description="of this record")
    reading: Reading = Field(description="how the cells of tables are written")
    numbers: tuple[Numbers, ...] = ()
    categories: tuple[Categories, ...] = ()
    labels: KnownLabels | None = Field(default=None, description="None: relevances, or none")

    @model_validator(mode="after")
    def _has_features(self) -> Recipe:
        if not self.width:
            raise ValueError("a recipe gives at least one feature")
        names = [(each.name, each.moment) for each in self.numbers]
        names += [(each.name, None) for each in self.categories]
        if len(set(names)) < len(names):
            raise ValueError("a recipe names each column once")
        return self

    @property
    def columns(self) -> list[str]:
        """Names of the columns that are read."""
        names = [each.name for each in self.numbers] + [each.name for each in self.categories]
        return list(dict.fromkeys(names))

    @property
    def width(self) -> int:
        """Number of features."""
        indicators = sum(column.missing is not None for column in self.numbers)
        return len(self.numbers) + indicators + sum(each.width for each in self.categories)

    def apply(self, rows: pd.DataFrame) -> NDArray[np.float32]:
        """Features of rows, `(n, width)`.

        Raises:
            DataError: with every column that is missing, holds texts where numbers are wanted, or
                is infinite.
        """
        faults = Faults()
        for name in self.columns:
            if name not in rows:
                faults.add(f"data: there is no column {name!r}, which the model reads")
        faults.check()
        features = np.empty((len(rows), self.width), np.float32)
        indicator = len(self.numbers)
        for place, numbers in enumerate(self.numbers):
            values = faults.attempt(partial(self._numbers, rows, numbers))
            if values is not None:
                missing = np.isnan(values)
                with np.errstate(over="ignore"):  # told right below
                    filled = np.where(missing, numbers.median, values)
                    features[:, place] = numbers.values.apply(filled)
                if not np.isfinite(features[:, place]).all():
                    faults.add(f"data: a value of column {numbers.name!r} is too large")
                if numbers.missing is not None:
                    features[:, indicator] = numbers.missing.apply(missing.astype(np.float64))
            indicator += numbers.missing is not None
        place = indicator
        for categories in self.categories:
            end = place + categories.width
            features[:, place:end] = _one_hot(categories, rows[categories.name], self.reading)
            place = end
        faults.check()
        return features

    def positives(self, column: pd.Series, positive: str) -> NDArray[np.bool_]:
        """Which rows of a target column are positive, compared by value as in the training.

        Raises:
            DataError: a label is missing, or the training did not know it.
        """
        if self.labels is None:
            raise DataError("target: the model was not trained on labels")
        return self.labels.read(column, positive, self.reading)

    def _numbers(self, rows: pd.DataFrame, numbers: Numbers) -> Array:
        column = rows[numbers.name]
        if numbers.moment is not None:
            days, wrong = cells.days(column, self.reading)
            _refuse(column, wrong, "a date such as 2024-12-31 or 2024-12-31 18:30")
            return moment_of(days, numbers.moment)
        values, wrong = cells.numbers(column, self.reading)
        _refuse(column, wrong, _number_words(self.reading))
        infinite = np.isinf(values)
        if infinite.any():
            raise DataError(f"data: column {numbers.name!r} holds {infinite.sum()} infinite values")
        return values


def moment_of(days: Array, moment: Moment) -> Array:
    """One number of dates in days since 1970-01-01, NaN where they are missing."""
    whole = np.floor(days)
    if moment == "days":
        return whole
    if moment == "hour":
        return (days - whole) * 24.0
    weekday: Array = (whole + 3.0) % 7.0  # 1970-01-01 was a Thursday
    return weekday


def _number_words(reading: Reading) -> str:
    signs = [
        f"{sign!r} {place}"
        for sign, usual, place in (
            (reading.decimal, ".", "before decimals"),
            (reading.thousands, None, "between thousands"),
        )
        if sign != usual
    ]
    return f"a number with {' and '.join(signs)}" if signs else "a number"


def _refuse(column: pd.Series, wrong: NDArray[np.bool_], wanted: str) -> None:
    if wrong.any():
        place = int(np.argmax(wrong))
        label = column.index[place]
        # As an editor counts: rows of a file are numbered from 0, below the header.
        row = f"{label + 2}, the header is row 1" if isinstance(label, int) else f"{label!r}"
        raise DataError(
            f"data: column {str(column.name)!r} holds {str(column.iloc[place])!r} (row {row}), "
            f"where the model wants {wanted}"
        )


def _one_hot(categories: Categories, column: pd.Series, reading: Reading) -> NDArray[np.float32]:
    places: dict[str | None, int] = {each: k for k, each in enumerate(categories.known)}
    other = len(categories.known) if categories.others else -1
    coded = encode([column], reading)
    of_cell = [places.get(canonical(cell, categories.kind), other) for cell in coded.cells]
    place = np.asarray([*of_cell, places.get(None, other)])[coded.codes]  # missing ones have -1
    encoded = np.zeros((len(column), categories.width), np.float32)
    rows = np.flatnonzero(place >= 0)
    encoded[rows, place[rows]] = 1.0
    return encoded
