"""One table, one answer: every reader takes every cell for the same, in every format."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import HealthCheck, given, settings

from directloss.datasets import Reading, load
from directloss.datasets.cells import days, encode, kind_of, numbers
from directloss.datasets.rows import read_rows
from directloss.datasets.stream import TableStream, frame_of
from tests.datasets.tables import TEXTS, TYPED, tables, write_npz, write_pandas

PLAIN = Reading()


def meaning(frames: list[pd.DataFrame], name: str) -> tuple[object, ...]:
    """All that anything later asks of a column."""
    columns = [frame[name] for frame in frames]
    coded = encode(columns, PLAIN)
    by_value = coded.by_value()
    values = [None if code < 0 else by_value.cells[code] for code in by_value.codes]
    found, wrong = _joined([numbers(column, PLAIN) for column in columns])
    since, undated = _joined([days(column, PLAIN) for column in columns])
    return (
        kind_of(coded.cells),
        values,
        [None if np.isnan(value) else float(value) for value in found],
        wrong.tolist(),
        [None if np.isnan(value) else round(value, 9) for value in since],
        undated.tolist(),
    )


def _joined(pieces: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    values, masks = zip(*pieces, strict=True)
    return np.concatenate(values), np.concatenate(masks)


def readers(path: Path) -> dict[str, list[pd.DataFrame]]:
    """The table as each way in gives it."""
    whole = load(str(path), target="row")
    found = {
        "whole": [whole.features.assign(row=whole.target)],
        "pieces": [piece.values for piece in read_rows(str(path)).pieces],
    }
    if path.suffix in (".parquet", ".arrow"):
        stream = TableStream(path)
        found["blocks"] = [stream.read(block) for block in stream.blocks]
    return found


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(table=tables())
def test_every_reader_of_every_format_gives_one_table(table: pa.Table) -> None:
    wanted = {name: meaning([frame_of(table, 0)], name) for name in table.column_names}
    with TemporaryDirectory() as folder:
        files = []
        for name, write in {**TYPED, **TEXTS}.items():
            files.append(Path(folder) / name)
            write(table, files[-1])
        if write_npz(table, Path(folder) / "t.npz"):
            files.append(Path(folder) / "t.npz")
        if len(table) > 2 and pa.null() not in table.schema.types:
            files.append(Path(folder) / "indexed.parquet")
            write_pandas(table, files[-1])
        for file in files:
            for reader, frames in readers(file).items():
                for name in table.column_names:
                    assert meaning(frames, name) == wanted[name], (file.name, reader, name)
                assert [n for f in frames for n in f.index] == list(range(len(table)))
