"""From a name or a file to columns of features, a target and perhaps a split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from directloss.datasets.errors import DataError

EMBEDDED = "digits"

_MAX_DENSE_VALUES = 500_000_000  # 2 GB of float32


@dataclass(frozen=True)
class FeatureRules:
    """What the user says about columns.

    Attributes:
        categorical: columns to treat as categories although they hold numbers.
        missing: texts that stand for a missing value, besides the usual ones (empty, NA, NaN, ...).
    """

    categorical: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A table as it came: nothing has been fitted or split yet.

    Attributes:
        features: a column a feature, with names.
        target: one value a row.
        target_name: what to call it.
        split: the part that each row belongs to, if the data says so.
        groups: the query (list) that each row belongs to, if the data has queries.
    """

    features: pd.DataFrame
    target: pd.Series
    target_name: str
    split: pd.Series | None
    groups: pd.Series | None = None


def load(
    data: str,
    *,
    target: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    rules: FeatureRules | None = None,
) -> Source:
    """Reads `data`: "digits", or a file whose ending tells its format.

    Formats: `.csv`, `.csv.gz`, `.tsv`, `.tsv.gz`, `.parquet`; `.npz` with one array of targets
    (named by `target`) and arrays of features `(n,)` or `(n, d)`; `.svm`, `.svmlight`, `.libsvm`
    (also `.gz`), whose target is in the file.

    Raises:
        DataError: no such file, unknown format, unreadable content, unknown column.
    """
    if data == EMBEDDED:
        if group_column is not None:
            raise DataError(f"--group: {EMBEDDED} has no column {group_column!r}")
        return _digits()
    table, found_target = read_table(data, rules or FeatureRules())
    return _take_apart(table, target or found_target, split_column, group_column, Path(data).name)


def read_table(data: str, rules: FeatureRules) -> tuple[pd.DataFrame, str | None]:
    """All columns of a file, and the name of its target where the format fixes it.

    Raises:
        DataError: no such file, unknown format, unreadable content.
    """
    path = _existing(data)
    name = path.name.lower().removesuffix(".gz")
    reader = next((read for ending, read in _READERS.items() if name.endswith(ending)), None)
    if reader is None:
        raise DataError(
            f"--data: {path.name} is of no known format; its name must end in one of "
            f"{', '.join(_READERS)} (text formats also with .gz)"
        )
    try:
        return reader(path, rules)
    except DataError:
        raise
    except Exception as error:  # readers raise whatever their parsers do
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"--data: cannot read {data}: {reason}") from error


def fingerprint(data: str) -> str:
    """What identifies the data's content: "embedded", or the SHA-256 of the file."""
    if data == EMBEDDED:
        return "embedded"
    with _existing(data).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _existing(data: str) -> Path:
    path = Path(data)
    if not path.is_file():
        raise DataError(f"--data: no file {data!r} (and the only embedded data is {EMBEDDED!r})")
    return path


def _take_apart(
    table: pd.DataFrame,
    target: str | None,
    split_column: str | None,
    group_column: str | None,
    file: str,
) -> Source:
    table.columns = table.columns.astype(str)
    if table.columns.has_duplicates:
        twice = table.columns[table.columns.duplicated()][0]
        raise DataError(f"--data: {file} has two columns named {twice!r}")
    if target is None:
        raise DataError(f"--target: say which column of {file} is the target: {_names(table)}")
    options = {"--target": target, "--split-column": split_column, "--group": group_column}
    named = {option: column for option, column in options.items() if column is not None}
    for option, column in named.items():
        if column not in table:
            raise DataError(f"{option}: {file} has no column {column!r}; it has {_names(table)}")
        if option != "--target" and column == target:
            raise DataError(f"{option}: {target!r} is the target")
    if group_column is not None and group_column == split_column:
        raise DataError(f"--group: {group_column!r} is the split column")
    features = table.drop(columns=list(named.values()))
    if features.empty:
        raise DataError(f"--data: {file} has {len(features)} rows and no feature column to use")
    split = table[split_column] if split_column is not None else None
    groups = table[group_column] if group_column is not None else None
    return Source(features, table[target], target, split, groups)


def _names(table: pd.DataFrame, most: int = 12) -> str:
    shown = ", ".join(table.columns[:most])
    more = len(table.columns) - most
    return f"{shown} and {more} more" if more > 0 else shown


def _read_text(path: Path, rules: FeatureRules) -> pd.DataFrame:
    separator = "\t" if ".tsv" in path.name.lower() else ","
    return pd.read_csv(path, sep=separator, na_values=list(rules.missing), low_memory=False)


def _read_parquet(path: Path, rules: FeatureRules) -> pd.DataFrame:
    return pd.read_parquet(path).replace(dict.fromkeys(rules.missing, np.nan))


def _read_npz(path: Path) -> pd.DataFrame:
    columns: dict[str, np.ndarray] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for name in arrays.files:
            array = arrays[name]
            if array.ndim == 1:
                columns[name] = array
            elif array.ndim == 2:
                columns.update({f"{name}_{k}": array[:, k] for k in range(array.shape[1])})
            else:
                raise DataError(
                    f"--data: array {name!r} has shape {array.shape}, not (n,) or (n, d)"
                )
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"--data: the arrays of {path.name} have different lengths: {lengths}")
    return pd.DataFrame(columns)


def _read_svmlight(path: Path) -> pd.DataFrame:
    from sklearn.datasets import load_svmlight_file

    values, target = load_svmlight_file(str(path))
    if values.shape[0] * values.shape[1] > _MAX_DENSE_VALUES:
        raise DataError(
            f"--data: {path.name} would have {values.shape[0]} x {values.shape[1]} values when "
            f"dense; at most {_MAX_DENSE_VALUES} fit"
        )
    table = pd.DataFrame(values.toarray().astype(np.float32))
    table.columns = [f"f{k}" for k in range(1, values.shape[1] + 1)]
    return table.assign(target=target)


Reader = Callable[[Path, FeatureRules], tuple[pd.DataFrame, str | None]]
"""A table, and the name of its target where the format fixes it."""

_READERS: Mapping[str, Reader] = {
    ".csv": lambda path, rules: (_read_text(path, rules), None),
    ".tsv": lambda path, rules: (_read_text(path, rules), None),
    ".parquet": lambda path, rules: (_read_parquet(path, rules), None),
    ".npz": lambda path, rules: (_read_npz(path), None),
    ".svm": lambda path, rules: (_read_svmlight(path), "target"),
    ".svmlight": lambda path, rules: (_read_svmlight(path), "target"),
    ".libsvm": lambda path, rules: (_read_svmlight(path), "target"),
}


def _digits() -> Source:
    from sklearn.datasets import load_digits

    digits = load_digits(as_frame=True)
    return Source(digits.data, digits.target, "digit", None)
