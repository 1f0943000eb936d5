"""`directloss predict`: scores beside the rows of a table, in a stream."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import torch

from directloss.datasets import DataError
from directloss.datasets.names import is_named
from directloss.errors import ArgumentError
from directloss.files import whole_file
from directloss.jobs.model import Model
from directloss.report.lines import Lines

ENDINGS = (".csv", ".parquet")


def predict(
    model: Model,
    data: str,
    out: Path,
    *,
    column: str = "score",
    on_rows: Callable[[int, int | None], None] = lambda *_: None,
) -> int:
    """Writes every row of `data` as it came, and its score behind it; returns how many rows.

    Where the model has a calibration, a column `COLUMN_probability` follows; where it has a
    threshold, a column `COLUMN_positive` says whether the score is above it.
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
        raise ArgumentError("out", repr(out.name), f"a name that ends in {' or '.join(ENDINGS)}")
    if out.is_file() and Path(data).is_file() and out.samefile(data):
        raise ArgumentError("out", repr(str(out)), "another file than that of the data")
    rows = model.kind.unlabelled(model.recipe, data)
    for name in (column, f"{column}_probability", f"{column}_positive"):
        if is_named(name, rows.columns):
            raise ArgumentError("column", repr(column), f"another name: {data} has {name!r}")
    done = 0
    with _output(out) as write:
        for given, features in rows.pieces:
            write(_with_scores(model, given, features, column))
            done += given.num_rows
            on_rows(done, rows.count)
    return done


def _with_scores(model: Model, given: pa.Table, features: torch.Tensor, column: str) -> pa.Table:
    scores = model.scores(features).double()
    table = given.append_column(column, pa.array(scores.numpy()))
    if model.calibration is not None:
        probabilities = model.calibration.apply(scores.numpy())
        table = table.append_column(f"{column}_probability", pa.array(probabilities))
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


@contextmanager
def _output(path: Path) -> Iterator[Callable[[pa.Table], None]]:
    """What adds rows to a CSV or Parquet file, in the types of the first ones.

    The file appears under its name when it is complete.
    """
    with ExitStack() as stack:
        # A folder that cannot be written is found before the first row.
        file = stack.enter_context(whole_file(path))
        writer: _Writer | None = None
        schema: pa.Schema | None = None

        def write(table: pa.Table) -> None:
            nonlocal writer, schema
            if writer is None or schema is None:
                schema = table.schema.remove_metadata()
                parquet = path.name.lower().endswith(".parquet")
                writer = pyarrow.parquet.ParquetWriter(file, schema) if parquet else _CSV(file)
                stack.callback(writer.close)  # before the file is closed and named
            try:
                writer.write_table(table.select(schema.names).cast(schema))
            except pa.ArrowInvalid as error:
                raise DataError(
                    f"data: the files have columns of different types: {error}"
                ) from error

        yield write
