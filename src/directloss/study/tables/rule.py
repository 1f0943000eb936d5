"""Which tables the study takes, fixed before its first run, and how they become 0/1 problems."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from directloss.inference._kernel import Array
from directloss.study.tables.sources import SOURCES, Source

__all__ = [
    "LEAST_POSITIVES",
    "MOST_COLUMNS",
    "MOST_ROWS",
    "SHARES",
    "TRAINING",
    "Refused",
    "Table",
    "chosen",
    "make",
]

TRAINING = 0.6
"""Share of the rows; validation and test have a fifth each."""

LEAST_POSITIVES = 60
"""Of the training part."""

SHARES = (0.005, 0.30)
"""Of positives."""

MOST_TOP = 0.15
"""Share of rows that the top values of a target of numbers may be."""

MOST_ROWS = 2_000
"""Of a longer table so many rows are drawn."""

MOST_COLUMNS = 300
"""Features, with a column a category."""

LEAST_ROWS = 300

PILOT = frozenset(("car", "digits", "pc4"))
"""Tables on which the recipe was tried before the rule was fixed; they are left out."""

_MOST_CATEGORIES = 50


@dataclass(frozen=True)
class Table:
    """A 0/1 problem.

    Attributes:
        name: of its source.
        features: float32 (n, d), NaN where a value is missing; categories are columns of 0/1.
        labels: bool (n,).
        positive: which values of the target are positive, in words.
    """

    name: str
    features: Array
    labels: Array
    positive: str


MISSING = "missing"
"""Why a table is left out that is not there."""


@dataclass(frozen=True)
class Refused:
    """A table that the rule leaves out, and why."""

    name: str
    why: str


def chosen(folder: Path | None) -> tuple[list[Table], list[Refused]]:
    """All tables that are there, by the rule."""
    tables: list[Table] = []
    refused: list[Refused] = []
    for source in SOURCES:
        made = make(source, folder) if source.is_there(folder) else Refused(source.name, MISSING)
        if isinstance(made, Table):
            tables.append(made)
        else:
            refused.append(made)
    return tables, refused


def make(source: Source, folder: Path | None) -> Table | Refused:
    """The 0/1 problem of a table, or why it is left out."""
    if source.name in PILOT:
        return Refused(source.name, "the recipe was tried on it")
    features, target = source.read(folder)
    known = target.notna()
    whole = pd.concat([features[known], target[known].rename("target")], axis=1)
    whole = whole.drop_duplicates(ignore_index=True)
    if len(whole) > MOST_ROWS:
        whole = whole.sample(MOST_ROWS, random_state=0).reset_index(drop=True)
    if len(whole) < LEAST_ROWS:
        return Refused(source.name, f"{len(whole)} different rows")
    features, target = whole.drop(columns="target"), whole["target"]
    found = _top(target) if source.kind == "top" else _rarest(target)
    if found is None:
        return Refused(source.name, "no value of the target has a fitting share of the rows")
    labels, words = found
    encoded = encode(features)
    if encoded.shape[1] > MOST_COLUMNS:
        return Refused(source.name, f"{encoded.shape[1]} columns")
    return Table(source.name, encoded, labels, words)


def encode(features: pd.DataFrame) -> Array:
    """Numbers as they are; a text of few values as a column a value, of many not at all."""
    columns: list[Array] = []
    for _, column in features.items():
        numbers = pd.to_numeric(column, errors="coerce")
        if numbers.notna().sum() == column.notna().sum():
            columns.append(numbers.to_numpy(np.float32)[:, None])
            continue
        texts = column.astype(str).str.strip()
        if texts.nunique() <= _MOST_CATEGORIES:
            columns.append(pd.get_dummies(texts).to_numpy(np.float32))
    stacked: Array = np.concatenate(columns, axis=1)
    return stacked


def _fits(count: int, rows: int) -> bool:
    return count >= LEAST_POSITIVES / TRAINING and SHARES[0] <= count / rows <= SHARES[1]


def _rarest(target: pd.Series) -> tuple[Array, str] | None:
    """The rarest class with enough rows."""
    texts = target.astype(str).str.strip().str.rstrip(".")
    counts = texts.value_counts()
    fitting = [(count, name) for name, count in counts.items() if _fits(count, len(texts))]
    if not fitting:
        return None
    _, name = min(fitting)
    return (texts == name).to_numpy(), f"{name}"


def _top(target: pd.Series) -> tuple[Array, str] | None:
    """The top values, as many as may be."""
    numbers = pd.to_numeric(target).to_numpy(np.float64)
    values = np.unique(numbers)
    above = np.array([(numbers >= value).mean() for value in values])
    fitting = np.flatnonzero(above <= MOST_TOP)
    if not fitting.size:
        return None
    least = values[fitting[0]]
    labels = numbers >= least
    return (labels, f"at least {least:g}") if _fits(int(labels.sum()), len(labels)) else None
