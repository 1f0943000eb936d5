"""`directloss predict`: scores beside the rows of a table, in a stream."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import torch

from directloss.datasets import DataError
from directloss.datasets.images import ImageRecipe, find_images
from directloss.datasets.names import is_named
from directloss.datasets.rows import Piece
from directloss.errors import ArgumentError
from directloss.files import whole_file
from directloss.jobs.model import Model
from directloss.jobs.tables import read_table
from directloss.report.lines import FORMULA, Lines

ENDINGS = (".csv", ".parquet")

_IMAGES = 64  # that are in memory at a time


def predict(
    model: Model,
    data: str,
    out: Path,
    *,
    column: str = "score",
    on_rows: Callable[[int, int | None], None] = lambda *_: None,
) -> int:
    """Writes every row of `data` as it came, and its score behind it; returns how many rows.

    Where the model has a threshold, a column `COLUMN_positive` says whether the score is above it.
    The file appears when it is complete. Memory does not grow with the number of rows for CSV, TSV,
    Parquet and Arrow files.

    Args:
        model: see `open_model`.
        data: a table with the columns that the model reads; for a model of images, a folder.
        out: a `.csv` or `.parquet` file.
        column: name of the scores.
        on_rows: called with the number of rows done, and of all rows where that is known.

    Raises:
        DataError, ArgumentError: data or names do not fit.
        OSError: the file cannot be written; no part of it is left.
    """
    if not out.name.lower().endswith(ENDINGS):
        raise ArgumentError("--out", repr(out.name), f"a name that ends in {' or '.join(ENDINGS)}")
    count: int | None
    if isinstance(model.recipe, ImageRecipe):
        columns, count, pieces = _images(model.recipe, Path(data))
    else:
        rows = read_table(model.recipe, data)
        columns, count = rows.columns, rows.count
        pieces = ((piece.given, _features(model, piece)) for piece in rows.pieces)
    for name in (column, f"{column}_positive"):
        if is_named(name, columns):
            raise ArgumentError("--column", repr(column), f"another name: {data} has {name!r}")
    done = 0
    with _Output(out) as output:
        for given, features in pieces:
            output.write(_with_scores(model, given, features, column))
            done += given.num_rows
            on_rows(done, count)
    return done


def _features(model: Model, piece: Piece) -> torch.Tensor:
    assert not isinstance(model.recipe, ImageRecipe)
    return torch.from_numpy(model.recipe.apply(piece.values))


def _images(
    recipe: ImageRecipe, path: Path
) -> tuple[list[str], int, Iterator[tuple[pa.Table, torch.Tensor]]]:
    if not path.is_dir():
        raise DataError(f"--data: the model scores images, and {str(path)!r} is no folder")
    files = find_images(path).files

    def pieces() -> Iterator[tuple[pa.Table, torch.Tensor]]:
        for first in range(0, len(files), _IMAGES):
            some = files[first : first + _IMAGES]
            names = [_harmless(file.relative_to(path)) for file in some]
            yield pa.table({"file": names}), recipe.load(some)

    return ["file"], len(files), pieces()


def _with_scores(model: Model, given: pa.Table, features: torch.Tensor, column: str) -> pa.Table:
    scores = model.scores(features).double()
    table = given.append_column(column, pa.array(scores.numpy()))
    if model.about.threshold is not None:
        above = (scores > model.about.threshold).numpy()
        table = table.append_column(f"{column}_positive", pa.array(above))
    return table


class _Writer(Protocol):
    def write_table(self, table: pa.Table) -> None: ...

    def close(self) -> None: ...


class _CSV:
    """Arrow's own writer would put quotes around every text."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = io.TextIOWrapper(file, encoding="utf-8", newline="")
        self._lines = Lines(self._file)
        self._header = True

    def write_table(self, table: pa.Table) -> None:
        # Arrow's types, so that whole numbers beside missing ones stay whole.
        rows = table.to_pandas(types_mapper=pd.ArrowDtype)
        rows.to_csv(self._lines, index=False, header=self._header, lineterminator=Lines.TERMINATOR)
        self._header = False

    def close(self) -> None:
        self._file.flush()
        self._file.detach()  # the file under it is closed by whoever opened it


def write_csv(table: pa.Table, path: Path) -> None:
    """A table as `predict` writes one: cells in quotes where they need them."""
    with path.open("wb") as file:
        writer = _CSV(file)
        writer.write_table(table)
        writer.close()


def _harmless(file: Path) -> str:
    """The path, which no program of tables takes for a formula."""
    path = file.as_posix()
    return f"./{path}" if path.startswith(FORMULA) else path


class _Output:
    """A CSV or Parquet file that appears under its name when it is complete."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = ExitStack()
        self._writer: _Writer | None = None
        self._schema: pa.Schema | None = None

    def __enter__(self) -> _Output:
        # A folder that cannot be written is found before the first row.
        self._file = self._stack.enter_context(whole_file(self._path))
        return self

    def write(self, table: pa.Table) -> None:
        """Adds rows, in the types of the first ones."""
        if self._writer is None or self._schema is None:
            self._schema = table.schema.remove_metadata()
            self._writer = self._open(self._schema)
            self._stack.callback(self._writer.close)  # before the file is closed and named
        try:
            self._writer.write_table(table.select(self._schema.names).cast(self._schema))
        except pa.ArrowInvalid as error:
            raise DataError(
                f"--data: the files have columns of different types: {error}"
            ) from error

    def _open(self, schema: pa.Schema) -> _Writer:
        if self._path.name.lower().endswith(".parquet"):
            return pyarrow.parquet.ParquetWriter(self._file, schema)  # type: ignore[no-any-return]
        return _CSV(self._file)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)
