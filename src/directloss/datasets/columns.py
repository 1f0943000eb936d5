"""What each column of features is: numbers, categories or dates; decided by training rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from directloss.datasets import cells
from directloss.datasets.cells import Kind, encode, kind_of
from directloss.datasets.dated import is_date, is_time
from directloss.datasets.errors import DataError, listed
from directloss.datasets.notation import advice_on_numbers
from directloss.datasets.reading import FeatureRules, Reading

FEWEST_ROWS = 5
"""A category (or label) of fewer training rows is not written down: it may tell who they are."""

WANTED_DATES = "2024-12-31 or 2024-12-31 18:30"

_NEARLY_UNIQUE = 0.7  # distinct texts a row, from which on they are no categories
_FEW_ROWS = 20  # of which nobody can tell


@dataclass(frozen=True)
class Columns:
    """Names of columns, by what they are.

    Attributes:
        numbers, dates: they are.
        categories: name -> what their values are.
        empty: without a single value.
    """

    numbers: list[str]
    categories: dict[str, Kind]
    dates: list[str]
    empty: list[str]


def sort_columns(features: pd.DataFrame, rules: FeatureRules) -> Columns:
    """Decides what each column is.

    Texts are categories if none of them is a number. Texts that mix numbers and others could be
    either, dates could be categories, and texts that hardly occur twice are no categories: there
    the user must say.

    Raises:
        DataError: with every column that cannot be used as it is; an infinite number; a rule for
            no column.
    """
    found = Columns([], {}, [], [])
    reasons = [
        f"{option}: there is no feature column {name!r}"
        for option, names in (("categorical", rules.categorical), ("date", rules.date))
        for name in names
        if name not in features
    ]
    for name in features:
        try:
            _sort(features[name], name, rules, found)
        except DataError as error:
            reasons.append(str(error))
    if reasons:
        raise DataError(listed(reasons))
    return found


def _sort(column: pd.Series, name: str, rules: FeatureRules, found: Columns) -> None:
    if name in rules.date:
        _refuse_no_dates(column, name, rules)
        found.dates.append(name)
        return
    array = cells.present(column, rules)
    if not cells.is_known(array.type):
        raise DataError(
            f"data: column {name!r} is of type {array.type}; leave it out: `drop` {name!r}"
        )
    if array.null_count == len(array):
        found.empty.append(name)
        return
    if name in rules.categorical:
        found.categories[name] = kind_of(encode([column], rules).cells)
        return
    if cells.is_dated(array.type):
        raise _undecided_dates(name, str(array.type))
    values, wrong = cells.numbers(column, rules)
    infinite = int(np.isinf(values).sum())
    if infinite:
        raise DataError(f"data: column {name!r} holds {infinite} infinite values")
    if not wrong.any():
        found.numbers.append(name)
        return
    found.categories[name] = _kind_of_texts(name, column, rules)


def _kind_of_texts(name: str, column: pd.Series, rules: FeatureRules) -> Kind:
    kind = kind_of(encode([column], rules).cells)
    written = encode([column], Reading(missing=rules.missing))
    distinct = pd.Series(written.cells, dtype="str")
    counts = np.bincount(written.codes[written.codes >= 0], minlength=len(distinct))
    _, no_number = cells.numbers(distinct, rules)
    advice = advice_on_numbers(written.cells, counts, ~no_number, rules)
    if advice is not None:
        raise DataError(f"data: column {name!r} holds {advice}")
    _refuse_dates(name, distinct, counts, no_number, rules)
    if kind in (Kind.MIXED, Kind.NUMBER):
        text = written.cells[int(np.argmax(no_number))]
        raise DataError(
            f"data: column {name!r} holds numbers, but also the text {text!r}; say "
            f"`categorical` {name!r}, or `missing` {text!r} if it stands for a missing value"
        )
    rows = int(counts.sum())
    nearly_unique = len(distinct) > _NEARLY_UNIQUE * rows or counts.max() < FEWEST_ROWS
    if rows >= _FEW_ROWS and nearly_unique:
        raise DataError(
            f"data: column {name!r} holds {len(distinct)} different texts in {rows} rows, as an "
            f"id or free text does; leave it out: `drop` {name!r}, or say that they are "
            f"categories: `categorical` {name!r}"
        )
    return kind


def _refuse_dates(
    name: str,
    distinct: pd.Series,
    counts: NDArray[np.int64],
    no_number: NDArray[np.bool_],
    rules: FeatureRules,
) -> None:
    """Most rows hold dates or times: what is to be made of them, the user must say."""
    texts = distinct.tolist()
    _, other = cells.days(distinct, rules)
    dates = no_number & (~other | np.array([is_date(text) for text in texts], bool))
    times = no_number & np.array([is_time(text) for text in texts], bool)
    either = dates | times
    if 2 * counts[either].sum() < counts.sum():
        return
    rest = f", but also {texts[int(np.argmin(either))]!r}" if not either.all() else ""
    if not (dates & other).any() and not times.any():
        raise _undecided_dates(name, f"{texts[int(np.argmax(dates))]!r}{rest}")
    shown = texts[int(np.argmax(dates & other if (dates & other).any() else times))]
    kept = f"or say `categorical` {name!r} or `drop` {name!r}"
    if not dates.any():
        raise DataError(
            f"data: column {name!r} holds times ({shown!r}{rest}); write them as hours (12.5) or "
            f"with their dates (2024-12-31 12:30, for `date` {name!r}), {kept}"
        )
    raise DataError(
        f"data: column {name!r} holds dates ({shown!r}{rest}) in a spelling that `date` does not "
        f"read, since it guesses no order of day and month; write them as {WANTED_DATES} and say "
        f"`date` {name!r}, {kept}"
    )


def _undecided_dates(name: str, what: str) -> DataError:
    return DataError(
        f"data: column {name!r} holds dates ({what}); say `date` {name!r} for days, hour and "
        f"weekday, `categorical` {name!r}, or `drop` {name!r}"
    )


def _refuse_no_dates(column: pd.Series, name: str, rules: FeatureRules) -> None:
    _, wrong = cells.days(column, rules)
    if wrong.any():
        came = column.iloc[int(np.argmax(wrong))]
        raise DataError(
            f"date: column {name!r} holds {str(came)!r}; wanted dates such as "
            f"{WANTED_DATES}: year, month, day, for no other order is guessed"
        )
