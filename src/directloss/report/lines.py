"""Lines of CSV files that every reader reads as they were written."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from typing import TextIO

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a cell begins with that programs of tables take for a formula, also in full width."""


class Lines:
    """A text file that csv writers of Python and pandas write lines into.

    They put quotes around a cell with a line break only where it holds their own `TERMINATOR`, so
    that a lone carriage return needs one that has both signs; the file gets plain line feeds.
    """

    TERMINATOR = "\r\n"

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> int:
        """One line, with the terminator at its end."""
        return self._file.write(line.removesuffix(self.TERMINATOR) + "\n")


def write_rows(file: TextIO, rows: Iterable[Iterable[object]]) -> None:
    """Writes rows, None as an empty cell.

    A spreadsheet takes a text that begins with one of `FORMULA` for a formula, and calculates it
    when the file is opened. Such a text gets an apostrophe in front, which says there that it is
    none; a text that is a number stays as it is.
    """
    writer = csv.writer(Lines(file), lineterminator=Lines.TERMINATOR)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)


_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def _harmless(cell: object) -> object:
    if isinstance(cell, str) and cell.startswith(FORMULA) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell
