"""Tables that do not fit into memory: Parquet and Arrow files, read a block of rows at a time."""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from directloss.datasets.cells import Coded, decoded, encode
from directloss.datasets.errors import DataError
from directloss.datasets.names import refuse_equal_names
from directloss.datasets.reading import Reading

PARQUET = (".parquet", ".pq")
ARROW = (".arrow", ".feather", ".ipc")
ENDINGS = (*PARQUET, *ARROW)

_DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError)
"""What Arrow raises on a damaged file; the last for names of columns."""

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"  # in place of the value of a folder `key=value`

_INDEX = re.compile(r"__index_level_\d+__")  # what pandas adds for the index of a frame


@dataclass(frozen=True)
class Block:
    """A row group of a Parquet file, or a record batch of an Arrow file.

    Attributes:
        file: the file.
        index: number of the block in its file.
        first: number of its first row in the whole stream.
        rows: how many rows it has.
        partition: columns that the names of its folders hold (`year=2024`), and their value.
    """

    file: Path
    index: int
    first: int
    rows: int
    partition: tuple[tuple[str, str | None], ...] = ()

    @property
    def slice(self) -> slice:
        """Its rows among all rows of the stream."""
        return slice(self.first, self.first + self.rows)


class TableStream:
    """One table in one file, or in all Parquet and Arrow files of a folder, by order of name.

    Only the blocks that are asked for are in memory. Arrow files are mapped, not read. A folder
    `key=value` gives the rows of its files a column `key`.

    Attributes:
        path: as given.
        columns: names; all files have them, in any order.
        blocks: in order.

    Raises:
        DataError: no such files, unreadable ones, or files with different columns.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns: list[str] = []
        blocks: list[Block] = []
        first = 0
        for file in _files(path):
            columns, sizes = _contents(file)
            partition = _partition(path, file)
            columns = [*columns, *(key for key, _ in partition)]
            refuse_equal_names(file.name, columns)
            self.columns = self.columns or columns
            if set(columns) != set(self.columns):
                odd = sorted(set(columns) ^ set(self.columns))[0]
                raise DataError(f"data: column {odd!r} is not in all files of {path} ({file.name})")
            for index, rows in enumerate(sizes):
                if rows:
                    blocks.append(Block(file, index, first, rows, partition))
                    first += rows
        if not first:
            raise DataError(f"data: {path} has no rows")
        self.blocks = tuple(blocks)

    def __len__(self) -> int:
        last = self.blocks[-1]
        return last.first + last.rows

    def read(self, block: Block, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The rows of a block, numbered as in the stream.

        Raises:
            DataError: the file has become unreadable.
        """
        return self.frame(self.read_arrow(block, columns), block)

    def frame(self, table: pa.Table, block: Block) -> pd.DataFrame:
        """What `read_arrow` gave, as `read` gives it."""
        try:
            return frame_of(table, block.first)
        except (pa.ArrowException, ValueError, OverflowError) as error:
            raise _unreadable(block.file, error) from error

    def read_arrow(self, block: Block, columns: Sequence[str] | None = None) -> pa.Table:
        """The same in the types of the file."""
        names = list(self.columns if columns is None else columns)
        folders = dict(block.partition)
        inside = [name for name in names if name not in folders]
        try:
            reader = _open(block.file)
            if isinstance(reader, pa.parquet.ParquetFile):
                table = reader.read_row_group(block.index, columns=inside, use_threads=False)
            else:
                table = pa.Table.from_batches([reader.get_batch(block.index)]).select(inside)
            # A damaged file may point outside of itself, and its texts be no UTF-8.
            table.validate(full=True)
        except _DAMAGE as error:
            raise _unreadable(block.file, error) from error
        if inside and table.num_rows != block.rows:
            raise DataError(f"data: {block.file} has changed while it was read")
        columns_of = [
            pa.repeat(pa.scalar(folders[name], pa.string()), block.rows)
            if name in folders
            else table.column(name)
            for name in names
        ]
        return pa.Table.from_arrays(columns_of, names=names)

    def encode(self, name: str, reading: Reading) -> Coded:
        """One column of all rows: the only thing that is ever held for the whole stream."""
        return encode((self.read(block, [name])[name] for block in self.blocks), reading)


def frame_of(table: pa.Table, first: int) -> pd.DataFrame:
    """The rows as a frame in Arrow's types, numbered from `first`; categories are texts again."""
    columns = {
        name: pd.Series(pd.arrays.ArrowExtensionArray(_decoded(column)))
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    index = pd.RangeIndex(first, first + table.num_rows)
    return pd.DataFrame(columns, copy=False).set_axis(index)


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array(
        [decoded(chunk) for chunk in column.chunks] or [decoded(pa.nulls(0, column.type))]
    )


def is_stream(data: str) -> bool:
    """Whether `data` is a folder, or a file that can be read in blocks."""
    path = Path(data)
    return path.is_dir() or path.name.lower().endswith(ENDINGS)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"data: no file or folder {str(path)!r}")
    found = sorted(
        file
        for file in path.rglob("*")
        if file.name.lower().endswith(ENDINGS) and not _is_hidden(path, file) and file.is_file()
    )
    if not found:
        raise DataError(f"data: {path} holds no file whose name ends in {', '.join(ENDINGS)}")
    return found


def _is_hidden(path: Path, file: Path) -> bool:
    """Whether a program left it there for itself: `._a`, `.ipynb_checkpoints`, `_temporary`."""
    return any(part.startswith((".", "_")) for part in file.relative_to(path).parts)


def _partition(path: Path, file: Path) -> tuple[tuple[str, str | None], ...]:
    if path == file:
        return ()
    pairs = (part.split("=", 1) for part in file.relative_to(path).parts[:-1] if "=" in part)
    return tuple(
        (unquote(key), None if value == _NO_VALUE else unquote(value)) for key, value in pairs
    )


def _contents(file: Path) -> tuple[list[str], list[int]]:
    """Names of the columns, and rows of each block."""
    try:
        reader = _open(file)
        if isinstance(reader, pa.parquet.ParquetFile):
            meta = reader.metadata
            names = reader.schema_arrow.names
            sizes = [meta.row_group(k).num_rows for k in range(meta.num_row_groups)]
        else:
            names = reader.schema.names
            sizes = [reader.get_batch(k).num_rows for k in range(reader.num_record_batches)]
    except _DAMAGE as error:
        raise _unreadable(file, error) from error
    refuse_equal_names(file.name, names)
    return [name for name in names if not _INDEX.fullmatch(name)], sizes


def _open(file: Path) -> Any:
    """A `ParquetFile` or an Arrow `RecordBatchFileReader`."""
    found = file.stat()
    if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for one who writes
        raise OSError("it is a folder, a pipe or a device, no file")
    return _opened(file, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=8)
def _opened(file: Path, _changed: int, _size: int) -> Any:
    if file.name.lower().endswith(PARQUET):
        # Not mapped: what is read of a mapped file stays resident, the whole of it in the end.
        return pa.parquet.ParquetFile(file)
    return pa.ipc.open_file(pa.memory_map(str(file)))


def _unreadable(file: Path, error: Exception) -> DataError:
    return DataError(f"data: cannot read {file}: {' '.join(str(error).split())}")
