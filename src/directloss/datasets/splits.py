"""Training, validation and test rows."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from directloss.datasets.cells import Coded, encode
from directloss.datasets.errors import DataError
from directloss.datasets.reading import Reading
from directloss.training.batches import Rows
from directloss.training.data import SPLITS

VALIDATION_SHARE = 0.2
TEST_SHARE = 0.2

Split = Mapping[str, Rows]
"""Row numbers of each of `SPLITS`."""

PART_NAMES = MappingProxyType(
    {
        "train": "train",
        "training": "train",
        "validation": "validation",
        "valid": "validation",
        "val": "validation",
        "dev": "validation",
        "test": "test",
        "testing": "test",
    }
)


def refuse_one_kind(counts: Mapping[str, tuple[int, int]], which: str) -> None:
    """Raises `DataError` if a split lacks positives, or negatives.

    Args:
        counts: split -> its positives, and its rows.
        which: what is positive, in words.
    """
    for part, (found, size) in counts.items():
        if not 0 < found < size:
            raise DataError(
                f"data: the {part} part has {found} positives among {size} rows ({which}); "
                "both kinds are needed"
            )


def split_rows(column: pd.Series | None, codes: NDArray[np.int64], seed: int) -> Split:
    """`from_column`, or without a column `stratified`."""
    return stratified(codes, seed) if column is None else from_column(column, codes, seed)


def stratified(codes: NDArray[np.int64], seed: int) -> Split:
    """60 % training, 20 % validation, 20 % test, each with the same share of every class."""
    rows = np.arange(len(codes))
    rest, test = _two(rows, codes, TEST_SHARE, seed)
    train, validation = _two(rest, codes, VALIDATION_SHARE / (1 - TEST_SHARE), seed)
    return {"train": train, "validation": validation, "test": test}


def from_column(column: pd.Series, codes: NDArray[np.int64], seed: int) -> Split:
    """The parts that a column names; without validation rows, a fifth of training is taken for it.

    Raises:
        DataError: other values than train, validation (valid, val, dev) and test, or none of the
            training or of the test part.
    """
    rows = _named_parts(column)
    if not len(rows["validation"]):
        rows["train"], rows["validation"] = _two(rows["train"], codes, VALIDATION_SHARE, seed)
    return rows


def by_group(groups: NDArray[np.int64], column: pd.Series | None, seed: int) -> Split:
    """The shares of `stratified`, or the parts that a column names, with every group in one part.

    Args:
        groups: number of the group of each row, from 0 without a gap.
        column: train, validation or test of each row; without validation rows, a fifth of the
            training groups is taken for it.

    Raises:
        DataError: fewer groups than parts, a group in two parts, or what `from_column` raises.
    """
    shuffled = np.random.default_rng(seed).permutation(groups.max() + 1)
    if len(shuffled) < 3:
        raise DataError(f"group: {len(shuffled)} groups; a split needs at least 3")
    if column is None:
        return _cut(groups, shuffled, validation=VALIDATION_SHARE, test=TEST_SHARE)
    rows = _named_parts(column)
    parts = [np.unique(groups[part]) for part in rows.values()]
    if len(np.unique(np.concatenate(parts))) < sum(map(len, parts)):
        raise DataError(f"split_column: {str(column.name)!r} puts rows of one group into two parts")
    if not len(rows["validation"]):
        theirs = shuffled[np.isin(shuffled, groups[rows["train"]])]
        cut = _cut(groups, theirs, validation=VALIDATION_SHARE, test=0.0)
        rows = {**cut, "test": rows["test"]}
    return rows


def _cut(groups: Rows, order: Rows, *, validation: float, test: float) -> dict[str, Rows]:
    """Rows of the first, next and remaining groups of an order."""
    ends = np.ceil(np.cumsum([validation, test]) * len(order)).astype(np.int64)
    parts = np.split(order, ends)
    return {
        name: np.flatnonzero(np.isin(groups, part))
        for name, part in zip(("validation", "test", "train"), parts, strict=True)
    }


def part_numbers(coded: Coded, name: str) -> NDArray[np.uint8]:
    """Index into `SPLITS` of each row, by the part that a column names.

    Raises:
        DataError: a row has none, or something else.
    """
    parts = [PART_NAMES.get(cell.lower()) for cell in coded.cells]
    if coded.missing or None in parts:
        wrong = "a missing value" if coded.missing else repr(coded.cells[parts.index(None)])
        raise DataError(
            f"split_column: {name!r} holds {wrong}; every row must be train, validation or test"
        )
    of_cell = np.array([SPLITS.index(part) for part in parts if part is not None], np.uint8)
    numbers: NDArray[np.uint8] = of_cell[coded.codes]
    return numbers


def _named_parts(column: pd.Series) -> dict[str, Rows]:
    """Rows by the part that a column names; validation may be empty."""
    name = str(column.name)
    numbers = part_numbers(encode([column], Reading()), name)
    rows = {part: np.flatnonzero(numbers == index) for index, part in enumerate(SPLITS)}
    for part in ("train", "test"):
        if not len(rows[part]):
            raise DataError(f"split_column: {name!r} puts no row into {part}")
    return rows


def _two(rows: Rows, codes: NDArray[np.int64], second_share: float, seed: int) -> tuple[Rows, Rows]:
    try:
        first, second = train_test_split(
            rows, test_size=second_share, stratify=codes[rows], random_state=seed
        )
    except ValueError as error:  # a class with one row, or fewer rows than classes
        counts = np.unique(codes[rows], return_counts=True)[1]
        raise DataError(
            f"target: too few rows of a class to split them: {len(rows)} rows have {len(counts)} "
            f"values, the rarest of them {counts.min()} times, and each part needs all values"
        ) from error
    return np.sort(first), np.sort(second)
