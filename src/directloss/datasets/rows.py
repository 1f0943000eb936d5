"""Rows of any table, in pieces, as they stand in the file: the one way in for all readers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from directloss.datasets.cells import is_dated, is_numeric
from directloss.datasets.delimited import read_head, text_pieces
from directloss.datasets.embedded import EMBEDDED, NAMES, read_embedded
from directloss.datasets.errors import DataError
from directloss.datasets.names import refuse_equal_names
from directloss.datasets.reading import Reading
from directloss.datasets.stream import ENDINGS, TableStream, frame_of, is_stream
from directloss.datasets.svmlight import QUERY, TARGET, is_svmlight, read_svmlight

DELIMITED = (".csv", ".tsv")
SPARSE = (".svm", ".svmlight", ".libsvm")
PLAIN = (".txt", ".dat")  # delimited with `sep`, else sparse
FORMATS = (*DELIMITED, *SPARSE, ".npz", *ENDINGS, *PLAIN)

_PIECE = 65_536  # rows of a text file that are in memory at a time


@dataclass(frozen=True)
class Piece:
    """Some rows of a table.

    Attributes:
        given: as they stand in the file: texts of a text file stay texts.
        values: the same as a frame in Arrow's types, numbered from the first row (0).
    """

    given: pa.Table
    values: pd.DataFrame


@dataclass(frozen=True)
class Rows:
    """All rows of a table.

    Attributes:
        columns: their names, all different; "" is the one of a column without a name.
        count: how many rows there are, where it is known before they are read.
        pieces: the rows; goes through them once.
        target: name of the target, where the format fixes it.
        queries: name of the column of queries, where the format has one.
        texts: whether every cell is a text, as in a CSV file.
    """

    columns: list[str]
    count: int | None
    pieces: Iterator[Piece]
    target: str | None = None
    queries: str | None = None
    texts: bool = False


def read_rows(data: str, reading: Reading | None = None, wanted: Sequence[str] = ()) -> Rows:
    """The rows of a table; only Parquet, Arrow and delimited files may be larger than memory.

    Args:
        data: an embedded table, a file, or a folder of Parquet and Arrow files.
        reading: how cells are written.
        wanted: columns that a model reads; those which a sparse file lacks are 0.

    Raises:
        DataError: no such file, unknown format, unreadable content (the last also while reading).
    """
    reading = reading or Reading()
    path = Path(data)
    if data in EMBEDDED:
        table, target = read_embedded(data)
        return _in_memory(table, target=target)
    if is_stream(data):
        stream = TableStream(path)
        return Rows(stream.columns, len(stream), _from_stream(stream))
    if not path.is_file():
        raise DataError(f"data: no file {data!r} (and embedded are {NAMES} only)")
    name = path.name.lower().removesuffix(".gz")
    plain = name.endswith(PLAIN)
    if name.endswith(DELIMITED) or (plain and reading.sep is not None):
        head = read_head(path, reading)
        columns = head.names[:-1] if head.hollow else head.names
        pieces = text_pieces(path, reading, head, _PIECE)
        return Rows(columns, None, _numbered(pieces), texts=True)
    if plain and not is_svmlight(path):
        advice = reading.advice("sep", "';' or `sep` tab")
        raise DataError(
            f"data: {path.name} is no sparse text (TARGET qid:QUERY INDEX:VALUE ...); if a "
            f"sign stands between two cells, {advice}"
        )
    if name.endswith((*SPARSE, *PLAIN)):
        table = _whole(path, lambda: read_svmlight(path, reading, wanted))
        queries = QUERY if QUERY in table.column_names else None
        return _in_memory(table, target=TARGET, queries=queries)
    if name.endswith(".npz"):
        return _in_memory(_whole(path, lambda: _npz(path)))
    raise DataError(
        f"data: {path.name} is of no known format; its name must end in one of "
        f"{', '.join(FORMATS)} (text formats also with .gz)"
    )


def unread(data: str, reading: Reading) -> tuple[tuple[str, ...], str]:
    """The options of reading that say nothing of a table, and what it is, in words.

    Args:
        data: as for `read_rows`.
        reading: how cells are said to be written.

    Raises:
        DataError: there is no such table, or it cannot be read; seen only where its types matter.
    """
    name = Path(data).name.lower().removesuffix(".gz")
    texts, numbers, sparse = ("sep", "encoding"), ("decimal", "thousands"), ("index_base",)
    if data in EMBEDDED:
        return (*texts, *numbers, *sparse), "an embedded table"
    if is_stream(data) or name.endswith(".npz"):
        words = "an npz file" if name.endswith(".npz") else "Parquet and Arrow files"
        said = (reading.decimal, reading.thousands) != (".", None)
        if said and not reading.missing and not _has_texts(data):
            return (*texts, *numbers, *sparse), f"{words} without texts"
        return (*texts, *sparse), words
    if name.endswith(DELIMITED) or (name.endswith(PLAIN) and reading.sep is not None):
        return sparse, "delimited text"
    return (*texts, *numbers) if name.endswith((*SPARSE, *PLAIN)) else (), "sparse text"


def _has_texts(data: str) -> bool:
    """Whether a column of a table with types is one of texts, which may be numbers."""
    piece = next(read_rows(data).pieces, None)
    kinds = () if piece is None else piece.values.dtypes
    return not all(is_numeric(kind.pyarrow_dtype) or is_dated(kind.pyarrow_dtype) for kind in kinds)


def _in_memory(table: pa.Table, *, target: str | None = None, queries: str | None = None) -> Rows:
    refuse_equal_names("the file", table.column_names)
    pieces = (table.slice(first, _PIECE) for first in range(0, table.num_rows, _PIECE))
    return Rows(table.column_names, table.num_rows, _numbered(pieces), target, queries)


def _numbered(pieces: Iterator[pa.Table]) -> Iterator[Piece]:
    first = 0
    for table in pieces:
        yield Piece(table, frame_of(table, first))
        first += table.num_rows


def _from_stream(stream: TableStream) -> Iterator[Piece]:
    for block in stream.blocks:
        given = stream.read_arrow(block)
        yield Piece(given, stream.frame(given, block))


def _whole(path: Path, read: Callable[[], pa.Table]) -> pa.Table:
    try:
        return read()
    except DataError:
        raise
    except Exception as error:  # parsers raise whatever they stumble over
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"data: cannot read {path}: {reason}") from error


def _npz(path: Path) -> pa.Table:
    columns: list[tuple[str, np.ndarray]] = []
    with np.load(path, allow_pickle=False) as arrays:
        for name in arrays.files:
            array = arrays[name]
            if array.ndim == 1:
                columns.append((name, array))
            elif array.ndim == 2:
                columns += [(f"{name}_{k}", array[:, k]) for k in range(array.shape[1])]
            else:
                raise DataError(f"data: array {name!r} has shape {array.shape}, not (n,) or (n, d)")
    lengths = {name: len(column) for name, column in columns}
    if len(set(lengths.values())) > 1:
        raise DataError(f"data: the arrays of {path.name} have different lengths: {lengths}")
    names = [name for name, _ in columns]
    refuse_equal_names(path.name, names)
    return pa.Table.from_arrays([_cells(name, array) for name, array in columns], names=names)


def _cells(name: str, array: np.ndarray) -> pa.Array:
    if array.dtype.kind == "S":
        try:
            array = np.char.decode(array, "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"data: array {name!r} holds bytes that are no UTF-8") from error
    longer = array.dtype.kind == "f" and array.dtype.itemsize > 8  # no reader has such numbers
    if array.dtype.kind not in "biufUM" or longer:
        raise DataError(
            f"data: array {name!r} is of type {array.dtype}; texts and numbers of up to 64 bits fit"
        )
    if array.dtype.kind == "M":
        array = array.astype("datetime64[us]")  # Arrow has no hours, say
    return pa.array(array.astype(array.dtype.newbyteorder("=")))
