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
from directloss.datasets.cells import numbers
from directloss.datasets.names import is_named, plain
from directloss.datasets.reading import PLAIN, Reading
from directloss.errors import ArgumentError
from directloss.files import whole_file
from directloss.jobs.kinds import Unlabelled
from directloss.jobs.model import Model
from directloss.jobs.output import refuse_no_file
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

    A CSV file is written as the model reads one: its separator, encoding and decimal sign. In a
    Parquet file, columns of a text file that the model reads as numbers are numbers.
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
    refuse_no_file("out", out)
    if not plain(column):
        raise ArgumentError("column", repr(column), "a name")
    if out.is_file() and Path(data).is_file() and out.samefile(data):
        raise ArgumentError("out", repr(str(out)), "another file than that of the data")
    rows = model.kind.unlabelled(model.recipe, data)
    for name in (column, f"{column}_probability", f"{column}_positive"):
        if is_named(name, rows.columns):
            raise ArgumentError("column", repr(column), f"another name: {data} has {name!r}")
    done = 0
    parquet = out.name.lower().endswith(".parquet")
    with _output(out, None if parquet else rows.reading) as write:
        for piece, features in rows.pieces:
            given = _with_numbers(piece, rows) if parquet else piece
            write(_with_scores(model, given, features, column))
            done += given.num_rows
            on_rows(done, rows.count)
    return done


def _with_numbers(given: pa.Table, rows: Unlabelled) -> pa.Table:
    """Numbers in place of the texts that the model reads as such; another text may be an id."""
    for place, name in enumerate(given.column_names):
        if name in rows.numbers:
            values, _ = numbers(given.column(place).to_pandas(), rows.reading)
            given = given.set_column(place, name, pa.array(values, from_pandas=True))
    return given


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

    def __init__(self, file: BinaryIO, reading: Reading = PLAIN) -> None:
        self._reading = reading
        self._file = io.TextIOWrapper(file, encoding=reading.encoding, newline="")
        self._lines = Lines(self._file)
        self._header = True

    def write_table(self, table: pa.Table) -> None:
        # Arrow's types, so that whole numbers beside missing ones stay whole.
        rows = table.to_pandas(types_mapper=pd.ArrowDtype)
        try:
            rows.to_csv(
                self._lines,
                index=False,
                header=self._header,
                sep=self._reading.sep or ",",
                decimal=self._reading.decimal,
                lineterminator=Lines.TERMINATOR,
            )
        except UnicodeEncodeError as error:
            sign, code = error.object[error.start], self._reading.encoding
            wanted = f"a .parquet file: as the model reads CSV, in {code}, there is no {sign!r}"
            raise ArgumentError("out", "a .csv file", wanted) from error
        self._header = False

    def close(self) -> None:
        self._file.flush()
        self._file.detach()  # the file under it is closed by whoever opened it


@contextmanager
def _output(path: Path, reading: Reading | None) -> Iterator[Callable[[pa.Table], None]]:
    """What adds rows to a CSV or Parquet file, in the types of the first ones.

    The file appears under its name when it is complete.

    Args:
        path: of the file.
        reading: how a CSV file is written; None for a Parquet file.
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
                if reading is None:
                    writer = pyarrow.parquet.ParquetWriter(file, schema)
                else:
                    writer = _CSV(file, reading)
                stack.callback(writer.close)  # before the file is closed and named
            try:
                writer.write_table(table.select(schema.names).cast(schema))
            except pa.ArrowInvalid as error:
                raise DataError(
                    f"data: the files have columns of different types: {error}"
                ) from error

        yield write
