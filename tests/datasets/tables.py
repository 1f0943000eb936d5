"""Random tables, and every file that can hold one."""

from __future__ import annotations

import datetime
import gzip
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
from hypothesis import strategies as st
from sklearn.datasets import dump_svmlight_file

from directloss.jobs.predict import _CSV

_TEXT = st.text(st.sampled_from("ab,;\"' \n\r\tü=#1.é"), max_size=6)

CELLS: Mapping[str, tuple[pa.DataType, st.SearchStrategy[object]]] = {
    "integers": (pa.int64(), st.integers(-(2**53), 2**53)),
    "small integers": (pa.int8(), st.integers(-3, 3)),
    "huge integers": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "floats": (pa.float64(), st.floats(allow_nan=False)),
    "whole floats": (pa.float64(), st.sampled_from([-0.0, 0.0, 1.0, -3.0, 1e16, 1e22, 1e300])),
    "single floats": (pa.float32(), st.floats(width=32, allow_nan=False)),
    "truths": (pa.bool_(), st.booleans()),
    "decimals": (
        pa.decimal128(20, 4),
        st.decimals(-1000, 1000, places=4, allow_nan=False),
    ),
    "dates": (pa.date32(), st.dates(datetime.date(1800, 1, 1), datetime.date(2200, 1, 1))),
    "moments": (
        pa.timestamp("us"),
        st.datetimes(datetime.datetime(1800, 1, 1), datetime.datetime(2200, 1, 1)),
    ),
    "texts": (pa.string(), _TEXT),
    "numbers as texts": (
        pa.string(),
        st.sampled_from(["03", "3", "3.0", "+3", " 3", "3 ", "1e3", "-0", ".5", "5.", "1E-3"]),
    ),
    "truths as texts": (pa.string(), st.sampled_from(["TRUE", "true", "False", " False"])),
    "dates as texts": (
        pa.string(),
        st.sampled_from(["2020-01-02", "2020/01/02", "2020-01-02 03:04", "2020-01-02T03:04:00Z"]),
    ),
    "missing texts": (pa.string(), st.sampled_from(["NA", "nan", "", " ", "x", "NULL", "n/a"])),
    "categories": (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["red", "green, dark"])),
    "nothing": (pa.null(), st.none()),
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """A few columns of any kinds, with gaps or without."""
    rows = draw(st.integers(1, 7))
    kinds = draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=4))
    columns = {}
    for place, kind in enumerate(kinds):
        cell_type, cells = CELLS[kind]
        gaps = draw(st.booleans())
        values = draw(st.lists(st.none() | cells if gaps else cells, min_size=rows, max_size=rows))
        plain = cell_type.value_type if pa.types.is_dictionary(cell_type) else cell_type
        array = pa.array(values, plain)
        columns[f"{place} {kind}"] = array if plain == cell_type else array.dictionary_encode()
    # A column of its own, so that no line of a text file is empty.
    return pa.table({"row": pa.array([k * k + 3 for k in range(rows)]), **columns})


def write_csv(table: pa.Table, path: Path) -> None:
    """A table as `predict` writes one: cells in quotes where they need them."""
    with path.open("wb") as file:
        writer = _CSV(file)
        writer.write_table(table)
        writer.close()


def write_csv_gz(table: pa.Table, path: Path) -> None:
    plain = path.with_name("packed.csv")
    write_csv(table, plain)
    path.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()


def write_with(sep: str, encoding: str, line: str) -> Callable[[pa.Table, Path], None]:
    """A writer of delimited text as other programs write it."""

    def write(table: pa.Table, path: Path) -> None:
        import csv

        plain = path.with_name("plain.csv")
        write_csv(table, plain)
        with plain.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        plain.unlink()
        with path.open("w", encoding=encoding, newline="") as file:
            csv.writer(file, delimiter=sep, lineterminator=line, quoting=csv.QUOTE_ALL).writerows(
                rows
            )

    return write


def write_pandas(table: pa.Table, path: Path) -> None:
    """As pandas does, with the first column as an index of its own name."""
    table.to_pandas().set_index("row").to_parquet(path)


TYPED: Mapping[str, Callable[[pa.Table, Path], object]] = {
    "t.parquet": lambda table, path: pa.parquet.write_table(table, path, row_group_size=2),
    "t.arrow": lambda table, path: pa.feather.write_feather(table, path, chunksize=3),
}

TEXTS: Mapping[str, Callable[[pa.Table, Path], object]] = {
    "t.csv": write_csv,
    "t.csv.gz": write_csv_gz,
    "t.tsv": write_with("\t", "utf-8", "\n"),
    "mac.csv": write_with(",", "utf-8", "\r"),
    "windows.csv": write_with(",", "utf-8-sig", "\r\n"),
}


def write_npz(table: pa.Table, path: Path) -> bool:
    """Whether an npz file can hold the table: no gaps, and types of numpy."""
    arrays = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        fits = (
            pa.types.is_integer(kind)
            or pa.types.is_floating(kind)
            or pa.types.is_boolean(kind)
            or pa.types.is_string(kind)
        )
        # numpy takes zero bytes at the end of a text for none.
        if column.null_count or not fits:
            return False
        array = column.to_numpy()
        arrays[name] = array.astype(str) if pa.types.is_string(kind) else array
    np.savez(path, **arrays)
    return True


def write_svmlight(features: np.ndarray, target: np.ndarray, path: Path, base: int) -> None:
    dump_svmlight_file(features, target, str(path), zero_based=base == 0)
