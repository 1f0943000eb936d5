"""Delimited text (CSV, TSV) as tables of texts, in pieces; every name over its own column."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.csv

from directloss.datasets.errors import DataError
from directloss.datasets.names import refuse_equal_names
from directloss.datasets.reading import Reading

_BLOCK = 8 << 20  # bytes of text that are parsed at a time; no row may be longer
_END = "\x1eend\x1e"  # in every cell of the row behind the last one

_MARKS = (  # byte order marks; that of UTF-32 begins as one of UTF-16 does
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8"),
)

_SIGNS = ((";", "';'"), ("\t", "tab"), ("|", "'|'"), (",", "','"))
"""What may stand between two names, and how an option has it."""

_DAMAGE = (pa.ArrowException, OSError, EOFError, UnicodeError, zlib.error, csv.Error)


@dataclass(frozen=True)
class Head:
    """What the beginning of a file says.

    Attributes:
        names: of the columns; a column of row numbers, such as pandas writes, has the name "".
        skip: lines up to the first row.
        hollow: whether a delimiter ends each row, so that an empty cell stands behind the last one.
    """

    names: list[str]
    skip: int
    hollow: bool


def open_binary(path: Path) -> IO[bytes]:
    """The bytes of a file, unpacked where its name ends in `.gz`."""
    if path.name.lower().endswith(".gz"):
        return gzip.GzipFile(path, "rb")  # type: ignore[return-value]
    return path.open("rb")


def separator(path: Path, reading: Reading) -> str:
    """What stands between two cells."""
    if reading.sep is not None:
        return reading.sep
    return "\t" if path.name.lower().removesuffix(".gz").endswith(".tsv") else ","


def between(names: Sequence[str]) -> str | None:
    """What seems to stand between the names of a header that was taken for one name."""
    inside = (name for sign, name in _SIGNS if len(names) == 1 and sign in names[0])
    return next(inside, None)


def read_head(path: Path, reading: Reading) -> Head:
    """Names of the columns.

    Raises:
        DataError: no text in the encoding, no names, equal names, or rows with one cell more.
    """
    limit = csv.field_size_limit(_BLOCK)
    try:
        with open_binary(path) as file:
            _refuse_encoding(path, file.read(1024), reading)
        with _open_text(path, reading) as file:
            encoding = "utf-8-sig" if _is_utf8(reading) else reading.encoding
            text = io.TextIOWrapper(file, encoding=encoding, newline="")
            lines = csv.reader(text, delimiter=separator(path, reading))
            blank, names = 0, next(lines, None)
            while names == []:
                blank, names = blank + 1, next(lines, None)
            first = next((cells for cells in lines if cells), None)
    except _DAMAGE as error:
        raise _unreadable(path, error, reading) from error
    finally:
        csv.field_size_limit(limit)
    if names is None:
        raise DataError(f"data: cannot read {path}: No columns, the file is empty")
    hollow = len(names) > 1 and names[-1] == "" and (first is None or first[-1] == "")
    if first is not None and len(first) == len(names) + 1:
        if first[-1]:
            advice = _other_dialect(path, names, reading)
            raise DataError(
                f"data: the rows of {path} have {len(first)} cells, and its header "
                f"{len(names)} names; "
                + (advice or "if the first cell is the name of a row, give it a name, too")
            )
        names, hollow = [*names, ""], True
    refuse_equal_names(path.name, names)
    return Head(names, blank + 1, hollow)


def text_pieces(path: Path, reading: Reading, head: Head, most_rows: int) -> Iterator[pa.Table]:
    """The rows, as texts.

    Raises:
        DataError: while it is read: a row with more or fewer cells than names, a quote that is
            never closed, text that is not in the encoding, a damaged archive.
    """
    wrong: list[pyarrow.csv.InvalidRow] = []

    def note(row: pyarrow.csv.InvalidRow) -> str:
        if not wrong:
            wrong.append(row)
        return "skip"

    inner = [str(place) for place in range(len(head.names))]
    sep = separator(path, reading)
    try:
        with (
            _open_text(path, reading) as file,
            _Lines(file, reading, sep.join([_END] * len(inner))) as lines,
        ):
            batches = pyarrow.csv.open_csv(
                pa.PythonFile(lines, "r"),
                read_options=pyarrow.csv.ReadOptions(
                    use_threads=False,
                    block_size=_BLOCK,
                    column_names=inner,
                    skip_rows_after_names=head.skip,
                ),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=sep, newlines_in_values=True, invalid_row_handler=note
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(inner, pa.string()), strings_can_be_null=False
                ),
            )
            last: pa.RecordBatch | None = None
            for batch in batches:
                _refuse_width(path, wrong, head, reading)
                if last is not None:
                    yield from _cut(path, last, head, most_rows)
                last = batch if batch.num_rows else last
            _refuse_width(path, wrong, head, reading)
            if last is None or any(column[-1].as_py() != _END for column in last.columns):
                raise DataError(f"data: {path} has a quote that is never closed")
            yield from _cut(path, last.slice(0, last.num_rows - 1), head, most_rows)
    except DataError:
        raise
    except _DAMAGE as error:
        raise _unreadable(path, error, reading) from error


class _Lines(io.RawIOBase):
    """The bytes of a file as UTF-8, and a last line behind them.

    The last line does not come out as a row of its own where a quote is still open: no parser
    reports that.
    """

    def __init__(self, file: IO[bytes], reading: Reading, last: str) -> None:
        self._file = file
        self._rest = f"\n{last}\n".encode()
        self._decoder = None
        if not _is_utf8(reading):
            self._decoder = codecs.getincrementaldecoder(reading.encoding)()
        self._ready = bytearray()
        self._ended = False

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """See `io.RawIOBase`."""
        while len(self._ready) < len(buffer) and not self._ended:  # the header is in the first one
            self._ready += self._more()
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        del self._ready[:size]
        return size

    def _more(self) -> bytes:
        while True:
            raw = self._file.read(1 << 20)
            text = raw
            if self._decoder is not None:
                text = self._decoder.decode(raw, final=not raw).encode()
            if not raw:
                self._ended = True
                return text + self._rest
            if text:
                return text


def _cut(path: Path, batch: pa.RecordBatch, head: Head, most_rows: int) -> Iterator[pa.Table]:
    table = pa.Table.from_batches([batch])
    names = head.names
    if head.hollow:
        behind = table.column(len(names) - 1)
        if pa.compute.any(pa.compute.not_equal(behind, "")).as_py():
            raise DataError(
                f"data: {path} has rows with a cell behind the last name; if the first cell is "
                "the name of a row, give it a name, too"
            )
        table, names = table.remove_column(len(names) - 1), names[:-1]
    table = table.rename_columns(names)
    for first in range(0, table.num_rows, most_rows):
        yield table.slice(first, most_rows)


def _other_dialect(path: Path, names: Sequence[str], reading: Reading) -> str:
    """What to do about a header of one name; commas in its rows may be decimal signs."""
    sign = between(names)
    if sign is None:
        return ""
    commas = separator(path, reading) == "," and reading.decimal != ","
    comma = " and `decimal` ','" if commas else ""
    return f"if {sign} stands between two names, {reading.advice('sep', sign + comma)}"


def _refuse_width(
    path: Path, wrong: list[pyarrow.csv.InvalidRow], head: Head, reading: Reading
) -> None:
    if not wrong:
        return
    row = wrong[0]
    place = "a row" if row.number is None else f"row {row.number}"
    if _END in row.text:
        raise DataError(f"data: {path} has a quote that is never closed")
    advice = _other_dialect(path, head.names, reading)
    raise DataError(
        f"data: cannot read {path}: {place} (the header is row 1) has {row.actual_columns} "
        f"cells, wanted {row.expected_columns}" + (f"; {advice}" if advice else "")
    )


def _open_text(path: Path, reading: Reading) -> IO[bytes]:
    """The bytes of a text without a byte order mark that its decoder would take for a letter."""
    file = open_binary(path)
    mark = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}.get(_codec(reading))
    if mark is not None and file.read(len(mark)) != mark:
        file.seek(0)
    return file


def _refuse_encoding(path: Path, beginning: bytes, reading: Reading) -> None:
    marked = next((name for mark, name in _MARKS if beginning.startswith(mark)), None)
    if marked is not None and not _codec(reading).startswith(marked):
        raise DataError(
            f"data: {path} is {marked.upper()} text; {reading.advice('encoding', marked)}"
        )
    if b"\0" in beginning and _is_utf8(reading):
        raise DataError(
            f"data: {path} holds zero bytes, as UTF-16 text does; if it is, "
            f"{reading.advice('encoding', 'utf-16-le')}"
        )


def _codec(reading: Reading) -> str:
    return codecs.lookup(reading.encoding).name


def _is_utf8(reading: Reading) -> bool:
    return _codec(reading) in ("utf-8", "utf-8-sig")


def _unreadable(path: Path, error: Exception, reading: Reading) -> DataError:
    reason = " ".join(str(error).split()) or type(error).__name__
    if "UTF8" in reason or isinstance(error, UnicodeError):
        likely = "latin-1 or `encoding` cp1252" if _is_utf8(reading) else "utf-8"
        reason += f"; {reading.advice('encoding', likely)}"
    if "straddling" in reason or "field limit" in reason:
        reason = f"a row is longer than {_BLOCK >> 20} MB, perhaps for want of a closing quote"
    return DataError(f"data: cannot read {path}: {reason}")
