"""Numbers in another notation than the one that was named: what to say of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from directloss.datasets.reading import Reading

_SPACES = "[ \u00a0\u202f]"
_SIGN = r"[+-]?"
_DASHES = dict.fromkeys(map(ord, "\u2212\u2013\u2014\u2012\ufe63\uff0d"), "-")

_UNITS = "[$€£¥₹]"

_GROUPED = re.compile(
    rf"{_SIGN}[1-9]\d{{0,2}}(?:(?P<group>[.,'\u2019_]|{_SPACES})\d{{3}})(?:(?P=group)\d{{3}})*"
    r"(?:(?P<point>[.,])\d+)?"
)
_COMMA = re.compile(rf"{_SIGN}\d*,\d+(?:[eE][+-]?\d+)?")
_POINT = re.compile(rf"{_SIGN}\d*\.\d*(?:[eE][+-]?\d+)?")
_NUMBER = re.compile(rf"{_SIGN}(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_UNIT = re.compile(
    rf"\(?{_SIGN}(?P<before>{_UNITS})?{_SPACES}?{_SIGN}\d[\d.,'\u2019 ]*"
    rf"{_SPACES}?(?P<after>%|\u2030|{_UNITS})?\)?"
)


def advice_on_numbers(
    cells: Sequence[str],
    counts: NDArray[np.int64],
    is_number: NDArray[np.bool_],
    reading: Reading,
) -> str | None:
    """What most cells of a column are and which option reads them, if they are numbers after all.

    Args:
        cells: distinct texts.
        counts: rows of each, shape `(len(cells),)`.
        is_number: which of them are numbers as they were said to be written.
        reading: how numbers are said to be written.

    Returns:
        Words behind "column 'a' holds", or None where fewer than half of the rows are numbers in
        any notation, or all of those are in the one that was said.
    """
    words = [
        "" if fits else _words(cell, reading) for cell, fits in zip(cells, is_number, strict=True)
    ]
    other = np.array([bool(word) for word in words])
    if not other.any() or 2 * counts[is_number | other].sum() < counts.sum():
        return None
    # The cell that says most: 1,234.5 tells what 1,234 leaves open.
    best = min(np.flatnonzero(other).tolist(), key=lambda place: _vagueness(cells[place]))
    rest = [cell for cell, known in zip(cells, is_number | other, strict=True) if not known]
    more = f", and also the text {rest[0]!r}" if rest else ""
    return f"{cells[best]!r}: {words[best]}{more}"


def _words(cell: str, reading: Reading) -> str:
    plain = cell.translate(_DASHES)
    if plain != cell and (_NUMBER.fullmatch(plain) or _words(plain, reading)):
        return "a number whose minus sign is no '-'; write it with '-'"
    options = _options(cell)
    if options:
        return f"a number in another notation; say {' or '.join(options)}"
    if reading.decimal != "." and _POINT.fullmatch(cell) and any(map(str.isdigit, cell)):
        return f"a number whose decimal sign is not {reading.decimal!r}; say `decimal` '.'"
    unit = _UNIT.fullmatch(cell)
    if unit and (unit["before"] or unit["after"]):
        sign = unit["before"] or unit["after"]
        return f"a number with the sign {sign!r}; write the column without it"
    if unit and cell.startswith("("):
        return "a number in parentheses; write it with a minus sign"
    return ""


def _vagueness(cell: str) -> tuple[int, int]:
    """Less for a cell that leaves one reading open, and names more signs."""
    options = _options(cell)
    return (len(options), -len(options[0])) if options else (9, 0)


def _options(cell: str) -> list[str]:
    grouped = _GROUPED.fullmatch(cell)
    if grouped:
        mark = "' '" if re.fullmatch(_SPACES, grouped["group"]) else repr(grouped["group"])
        thousands = f"`thousands` {mark}"
        if grouped["point"] == ",":
            return [f"{thousands} `decimal` ','"]
        if grouped["group"] == "." and not grouped["point"]:
            return [f"{thousands} `decimal` ','"]
        if grouped["group"] == "," and cell.count(",") == 1 and not grouped["point"]:
            return [thousands, "`decimal` ','"]
        return [thousands]
    if _COMMA.fullmatch(cell):
        return ["`decimal` ','"]
    return []
