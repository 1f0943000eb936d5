"""Comma-separated values for programs that calculate: a text stays a text in them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def comma_separated(lines: Iterable[Sequence[object]]) -> str:
    """The lines, quoted where a reader needs it; None is an empty cell.

    A spreadsheet takes a text that begins with `=`, `+`, `-`, `@`, a tab or a line end for a
    formula, and calculates it when the file is opened. Such a text gets an apostrophe in front,
    which says there that it is none; a text that is a number stays as it is.
    """
    return "".join(_line([_inert(value) for value in line]) for line in lines)


def _line(values: Sequence[object]) -> str:
    file = io.StringIO()
    # The library quotes the signs that end a line here: both of them, whichever is written below.
    csv.writer(file, lineterminator="\r\n").writerow(values)
    return file.getvalue().removesuffix("\r\n") + "\n"


def _inert(value: object) -> object:
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    return f"'{value}" if value.startswith(_BEGINS_A_FORMULA) else value
