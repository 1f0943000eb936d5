"""From a name or a file to columns of features, a target and perhaps a split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from directloss.datasets.cells import Coded, compact, encode
from directloss.datasets.delimited import between
from directloss.datasets.embedded import EMBEDDED, NAMES
from directloss.datasets.errors import DataError, Faults, quoted
from directloss.datasets.folders import find_images, is_image_folder
from directloss.datasets.names import plain
from directloss.datasets.reading import FeatureRules, Reading
from directloss.datasets.rows import read_rows
from directloss.datasets.stream import frame_of
from directloss.files import open_file

_TAIL = 65_536  # bytes at the end of a file, where Parquet and Arrow keep their table of contents


@dataclass(frozen=True)
class Source:
    """A table as it came: nothing has been fitted or split yet.

    Attributes:
        features: a column a feature, with names.
        target: one value a row.
        target_name: what to call it.
        split: the part that each row belongs to, if the data says so.
        groups: the query (list) that each row belongs to, if the data has queries.
        notes: what a user should know of it.
    """

    features: pd.DataFrame
    target: pd.Series
    target_name: str
    split: pd.Series | None
    groups: pd.Series | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Roles:
    """What the columns of a table are for.

    Attributes:
        target, split, groups: names; None where the table has no such column.
        features: names of the others, those that are left out aside.
        notes: what a user should know of it.
    """

    target: str
    split: str | None
    groups: str | None
    features: list[str]
    notes: tuple[str, ...] = ()


def load(
    data: str,
    *,
    target: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    rules: FeatureRules | None = None,
) -> Source:
    """Reads `data`: an embedded table, or a file whose ending tells its format, see `read_rows`.

    Arrays of an npz file are columns: `(n,)` by its own name, `(n, d)` as `NAME_0`, `NAME_1`, ...
    The target of sparse text is `target`, and its queries are `qid`.

    Raises:
        DataError: no such file, unknown format, unreadable content, unknown columns.
    """
    rules = rules or FeatureRules()
    if data not in EMBEDDED and Path(data).is_dir():
        raise DataError(f"data: {data!r} is a folder, and a file is wanted")
    rows = read_rows(data, rules)
    tables = [piece.given for piece in rows.pieces]
    if not tables:
        raise DataError(f"data: {Path(data).name} has 0 rows")
    frame = frame_of(pa.concat_tables(tables), 0)
    roles = assign_roles(
        Path(data).name,
        rows.columns,
        rules,
        target=target or rows.target,
        split_column=split_column,
        group_column=group_column,
        queries=rows.queries,
    )
    notes = roles.notes
    if rules.drop_missing_target:
        absent = encode([frame[roles.target]], rules).codes < 0
        frame = frame[~absent].reset_index(drop=True)
        notes += missing_note(roles.target, int(np.count_nonzero(absent)))
    features = {
        # Numbers take less room than their texts, and are read once; categories keep every digit.
        name: frame[name] if name in rules.categorical else compact(frame[name], rules)
        for name in roles.features
    }
    return Source(
        pd.DataFrame(features, copy=False),
        frame[roles.target],
        roles.target,
        None if roles.split is None else frame[roles.split],
        None if roles.groups is None else frame[roles.groups],
        notes,
    )


def assign_roles(
    file: str,
    columns: Sequence[str],
    rules: FeatureRules,
    *,
    target: str | None,
    split_column: str | None,
    group_column: str | None = None,
    queries: str | None = None,
) -> Roles:
    """What each column is for.

    A column without a name, such as numbers of rows, and column `queries`, those of lists, are no
    features.

    Raises:
        DataError: with everything that does not fit.
    """
    faults = Faults()
    if target is None:
        faults.add(f"target: say which column of {file} is the target: {quoted(columns)}")
    options = {"target": target, "split_column": split_column, "group": group_column}
    named = {option: column for option, column in options.items() if column is not None}
    lists = {"drop": rules.drop, "categorical": rules.categorical, "date": rules.date}
    every = [*named.items(), *((option, name) for option, names in lists.items() for name in names)]
    shown = columns_and_advice(columns, rules)
    for option, name in every:
        if name not in columns:
            faults.add(f"{option}: {file} has no column {name!r}; it has {shown}")
        elif option in lists and name in named.values():
            (other,) = (each for each, column in named.items() if column == name)
            faults.add(f"{option}: {name!r} is named by `{other}`")
        elif option in ("split_column", "group") and name == target:
            faults.add(f"{option}: {name!r} is the target")
    if group_column is not None and group_column == split_column:
        faults.add(f"group: {group_column!r} is the split column")
    for name in sorted({*rules.drop, *rules.date, *rules.categorical}):
        said = [option for option, names in lists.items() if name in names]
        if len(said) > 1:
            faults.add(f"{said[1]}: {name!r} is named by `{said[0]}`, too")
    used = {*named.values(), *rules.drop}
    unnamed = [name for name in columns if not plain(name) and name not in used]
    aside = {*used, *unnamed, *([] if queries is None else [queries])}
    features = [name for name in columns if name not in aside]
    if not features:
        faults.add(f"data: {file} has no feature column to use")
    faults.check()
    assert target is not None
    notes: tuple[str, ...] = ()
    if queries is not None and queries not in named.values():
        notes = (f"{queries!r} is no feature; named as the group, each of its values is a list",)
    cased = [name for name in features if plain(name).lower() == plain(target).lower()]
    if cased:
        notes += (
            f"{cased[0]!r} is a feature beside the target {target!r}; drop it if it holds the same",
        )
    if unnamed:
        notes += (f"column {columns.index(unnamed[0]) + 1} is left out: it has no name",)
    return Roles(target, split_column, group_column, features, notes)


def missing_note(target: str, rows: int) -> tuple[str, ...]:
    """What to say of rows that were left out."""
    return (f"{rows} rows without a {target!r} are left out",) if rows else ()


def fingerprint(data: str) -> str:
    """What identifies the data's content: "embedded", or the SHA-256 of the file.

    Of a folder of images it is that of the names, sizes and last bytes of its files.

    Raises:
        DataError: there is no such file or folder.
    """
    if data in EMBEDDED:
        return "embedded"
    path = Path(data)
    if is_image_folder(data):
        return fingerprint_of_files(path, find_images(path).files)
    if not path.is_file():
        raise DataError(f"data: no file {data!r} (and embedded are {NAMES} only)")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint_of_files(path: Path, files: Iterable[Path]) -> str:
    """The SHA-256 of names, sizes and last bytes of files, which may be huge.

    Raises:
        DataError: one of them cannot be read.
    """
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        name = file.relative_to(path) if path.is_dir() else file.name
        digest.update(f"{name}\0{size}\0".encode())
        try:
            with open_file(file) as opened:
                opened.seek(max(0, size - _TAIL))
                digest.update(opened.read())
        except OSError as error:
            raise DataError(f"data: cannot read {file}: {error.strerror}") from error
    return digest.hexdigest()


def groups_of(coded: Coded, name: str) -> NDArray[np.int64]:
    """Number of the list of each row, from 0 without a gap.

    Raises:
        DataError: a row has none.
    """
    if coded.missing:
        raise DataError(f"group: {name!r} is missing in {coded.missing} of {len(coded.codes)} rows")
    codes: np.ndarray = coded.by_value().codes
    return codes


def columns_and_advice(columns: Sequence[str], reading: Reading) -> str:
    """The columns of a file, and what to do where its whole header was taken for one name."""
    shown = quoted(columns)
    sign = between(columns)
    if sign is None:
        return shown
    return f"{shown}; if {sign} stands between two names, {reading.advice('sep', sign)}"
