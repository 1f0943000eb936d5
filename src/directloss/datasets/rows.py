"""Rows of any table, a piece at a time, as they stand in the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from directloss.datasets.errors import DataError
from directloss.datasets.source import EMBEDDED, FeatureRules, load, read_table
from directloss.datasets.stream import TableStream, is_stream

_PIECE = 65_536  # rows of a text file that are in memory at a time

MISSING = frozenset(
    {
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"),
        *("1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    }
)
"""Texts that a text file may have for a missing value: those of pandas."""


@dataclass(frozen=True)
class Piece:
    """Some rows of a table.

    Attributes:
        given: as they stand in the file: texts of a text file stay texts.
        values: the same for a model: missing values are missing; numbered from the first row (0).
    """

    given: pa.Table
    values: pd.DataFrame


@dataclass(frozen=True)
class Rows:
    """All rows of a table.

    Attributes:
        columns: their names.
        count: how many rows there are, where it is known before they are read.
        pieces: the rows; goes through them once.
    """

    columns: list[str]
    count: int | None
    pieces: Iterator[Piece]


def read_rows(data: str) -> Rows:
    """The rows of a table; only Parquet, Arrow, CSV and TSV files may be larger than memory.

    Raises:
        DataError: no such file, unknown format, unreadable content (the last also while reading).
    """
    if data != EMBEDDED and is_stream(data):
        stream = TableStream(Path(data))
        return Rows(stream.columns, len(stream), _from_stream(stream))
    name = Path(data).name.lower().removesuffix(".gz")
    if data != EMBEDDED and name.endswith((".csv", ".tsv")) and Path(data).is_file():
        return _from_text(Path(data), "\t" if name.endswith(".tsv") else ",")
    if data == EMBEDDED:
        source = load(data)
        frame = source.features.assign(**{source.target_name: source.target})
    else:
        frame, _ = read_table(data, FeatureRules())
    return Rows(list(frame.columns), len(frame), _from_frame(frame))


def _from_stream(stream: TableStream) -> Iterator[Piece]:
    for block in stream.blocks:
        given = stream.read_arrow(block)
        yield Piece(given, stream.frame(given, block))


def _from_frame(frame: pd.DataFrame) -> Iterator[Piece]:
    for first in range(0, len(frame), _PIECE):
        values = frame.iloc[first : first + _PIECE]
        yield Piece(pa.Table.from_pandas(values, preserve_index=False), values)


def _from_text(path: Path, separator: str) -> Rows:
    try:
        columns = list(pd.read_csv(path, sep=separator, nrows=0).columns)
    except Exception as error:  # the parser raises errors of many kinds
        raise _unreadable(path, error) from error
    return Rows(columns, None, _text_pieces(path, separator))


def _text_pieces(path: Path, separator: str) -> Iterator[Piece]:
    try:
        with pd.read_csv(
            path, sep=separator, dtype=str, na_filter=False, chunksize=_PIECE
        ) as pieces:
            for texts in pieces:
                given = pa.Table.from_pandas(texts, preserve_index=False)
                yield Piece(given, texts.astype("object").mask(texts.isin(MISSING), None))
    except (ValueError, OSError, EOFError) as error:
        if isinstance(error, DataError):
            raise
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"--data: cannot read {path}: {' '.join(str(error).split())}")
