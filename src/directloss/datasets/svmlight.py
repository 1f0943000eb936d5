"""Sparse text (svmlight, LIBSVM, SVM-rank, LETOR) as a table with a column a feature.

    TARGET [qid:QUERY] INDEX:VALUE INDEX:VALUE ... # comment

A feature is the column of its index as it is written, `f7` for `7:0.5`, so that no base has to be
guessed to find it again in another file. An absent feature is 0.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
from sklearn.datasets import load_svmlight_file

from directloss.datasets.delimited import open_binary
from directloss.datasets.errors import DataError
from directloss.datasets.reading import Reading

TARGET = "target"
QUERY = "qid"

_MOST_VALUES = 500_000_000  # 4 GB of float64
_FEATURE = re.compile(r"f(\d+)")
_LINE = re.compile(rb"\s*[^\s:#]+(\s+qid:\S+)?(\s+\d+:[^\s:]+)+\s*(#.*)?")


def is_svmlight(path: Path) -> bool:
    """Whether the first line that says something is one of this format."""
    try:
        with open_binary(path) as file:
            beginning = file.read(1 << 20)
    except (OSError, EOFError):
        return False
    lines = re.split(rb"[\r\n]+", beginning.removeprefix(b"\xef\xbb\xbf"))
    says = (line for line in lines if line.split(b"#")[0].strip())
    return _LINE.fullmatch(next(says, b"")) is not None


def read_svmlight(path: Path, reading: Reading, wanted: Sequence[str] = ()) -> pa.Table:
    """All rows: `target`, `qid` where the file has queries, and the features.

    Args:
        path: of the file.
        reading: says from where features are counted; "auto": from the smallest index, 0 or 1.
        wanted: columns that a model reads; those which the file lacks are 0.

    Raises:
        DataError: an index below the base, queries in some rows only, too many values.
        ValueError, OverflowError: what the parser says of lines that it cannot read.
    """
    with open_binary(path) as file:
        content = file.read().removeprefix(b"\xef\xbb\xbf")
    content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    values, target, queries = load_svmlight_file(
        io.BytesIO(content), zero_based=True, query_id=True
    )
    smallest = int(values.indices.min()) if values.indices.size else 1
    base = min(smallest, 1) if reading.index_base == "auto" else int(reading.index_base)
    if smallest < base:
        raise DataError(
            f"data: {path.name} has a feature {smallest}, below the first one; "
            f"{reading.advice('index_base', str(smallest))}"
        )
    known = [int(match[1]) for name in wanted if (match := _FEATURE.fullmatch(name))]
    end = max([values.shape[1], *(index + 1 for index in known)])
    base = min([base, *known])
    rows = values.shape[0]
    if rows * (end - base) > _MOST_VALUES:
        raise DataError(
            f"data: {path.name} would have {rows} x {end - base} values when dense; at most "
            f"{_MOST_VALUES} fit"
        )
    if len(queries) not in (0, rows):
        raise DataError(f"data: {path.name} has qid: in {len(queries)} of {rows} rows")
    columns: dict[str, pa.Array] = {TARGET: pa.array(target)}
    if len(queries):
        columns[QUERY] = pa.array(queries)
    values.resize(rows, end)
    by_feature = values.tocsc()
    for index in range(base, end):
        columns[f"f{index}"] = pa.array(by_feature[:, [index]].toarray().ravel())
    return pa.table(columns)
