"""Tables that do not fit into memory: Parquet and Arrow files, read a block of rows at a time."""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from directloss.datasets.errors import DataError

PARQUET = (".parquet", ".pq")
ARROW = (".arrow", ".feather", ".ipc")
ENDINGS = (*PARQUET, *ARROW)

_DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError)
"""What Arrow raises on a damaged file; the last for names of columns."""

_INDEX = re.compile(r"__index_level_\d+__")  # what pandas adds for the index of a frame


@dataclass(frozen=True)
class Block:
    """A row group of a Parquet file, or a record batch of an Arrow file.

    Attributes:
        file: the file.
        index: number of the block in its file.
        first: number of its first row in the whole stream.
        rows: how many rows it has.
    """

    file: Path
    index: int
    first: int
    rows: int

    @property
    def slice(self) -> slice:
        """Its rows among all rows of the stream."""
        return slice(self.first, self.first + self.rows)


class TableStream:
    """One table in one file, or in all Parquet and Arrow files of a folder, by order of name.

    Only the blocks that are asked for are in memory. Arrow files are mapped, not read.

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
            self.columns = self.columns or columns
            if set(columns) != set(self.columns):
                odd = sorted(set(columns) ^ set(self.columns))[0]
                raise DataError(
                    f"--data: column {odd!r} is not in all files of {path} ({file.name})"
                )
            for index, rows in enumerate(sizes):
                if rows:
                    blocks.append(Block(file, index, first, rows))
                    first += rows
        if not first:
            raise DataError(f"--data: {path} has no rows")
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
            frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
        except (pa.ArrowException, ValueError, OverflowError) as error:
            raise _unreadable(block.file, error) from error
        return frame.set_index(np.arange(block.first, block.first + block.rows))

    def read_arrow(self, block: Block, columns: Sequence[str] | None = None) -> pa.Table:
        """The same in the types of the file."""
        names = list(self.columns if columns is None else columns)
        try:
            reader = _open(block.file)
            if isinstance(reader, pa.parquet.ParquetFile):
                table = reader.read_row_group(block.index, columns=names, use_threads=False)
            else:
                table = pa.Table.from_batches([reader.get_batch(block.index)]).select(names)
            # A damaged file may point outside of itself, and its texts be no UTF-8.
            table.validate(full=True)
        except _DAMAGE as error:
            raise _unreadable(block.file, error) from error
        if table.num_rows != block.rows:
            raise DataError(f"--data: {block.file} has changed while it was read")
        return table

    def column(self, name: str) -> pd.Series:
        """One column of all rows: the only thing that is ever held for the whole stream."""
        # Without the numbers of the rows, which may take more room than the values.
        pieces = (self.read(block, [name])[name].reset_index(drop=True) for block in self.blocks)
        return pd.concat(pieces, ignore_index=True)


def is_stream(data: str) -> bool:
    """Whether `data` is a folder, or a file that can be read in blocks."""
    path = Path(data)
    return path.is_dir() or path.name.lower().endswith(ENDINGS)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"--data: no file or folder {str(path)!r}")
    found = sorted(
        file
        for file in path.rglob("*")
        if file.name.lower().endswith(ENDINGS) and not file.name.startswith((".", "_"))
    )
    if not found:
        raise DataError(f"--data: {path} holds no file whose name ends in {', '.join(ENDINGS)}")
    return found


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
    if len(set(names)) < len(names):
        raise DataError(f"--data: {file.name} has two columns of one name")
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
    return DataError(f"--data: cannot read {file}: {' '.join(str(error).split())}")
