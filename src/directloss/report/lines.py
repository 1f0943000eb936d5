"""Lines of CSV files that every reader reads as they were written."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import TextIO

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that programs of tables take for a formula."""


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
    """Writes rows, None as nothing; a text that a program could run begins with an apostrophe."""
    writer = csv.writer(Lines(file), lineterminator=Lines.TERMINATOR)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)


def _harmless(cell: object) -> object:
    if isinstance(cell, str) and cell.startswith(FORMULA) and not _is_number(cell):
        return f"'{cell}"
    return cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
