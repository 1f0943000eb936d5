"""What a cell of a table means: missing, a number, a truth value, a date or a text.

The one place that decides it, for every reader, command and format. A typed cell (of a Parquet
file, say) means what its text means in a CSV file: an integer column with gaps, the same column as
floats, as decimals and as texts are one column. Space around a text does not count.
"""

from __future__ import annotations

import datetime
import decimal
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from directloss.datasets.reading import Reading

MISSING = frozenset(
    {
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"),
        *("1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    }
)
"""Texts that stand for a missing value in every table: those of pandas."""

NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:inf|infinity)$"
"""A number in plain notation, in the regular expressions that Arrow and Python share."""

DATE = (
    r"^\d{4}([-/])\d{2}[-/]\d{2}"
    r"([ T]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?( ?(Z|[+-]\d{2}:?\d{2}))?)?$"
)
"""A date, perhaps with a time, as ISO 8601 writes it."""

_WHOLE = re.compile(r"([+-]?)0*(\d+)(?:\.0*)?")
_TRUE, _FALSE = ("True", "true", "TRUE"), ("False", "false", "FALSE")

_Mask = NDArray[np.bool_]


class Kind(StrEnum):
    """What the cells of a column are, missing ones aside.

    Truth values are numbers, too: a column of both is one of numbers. `MIXED` are numbers and
    texts, `EMPTY` is nothing at all.
    """

    EMPTY = "empty"
    NUMBER = "number"
    TRUTH = "truth"
    DATE = "date"
    TEXT = "text"
    MIXED = "mixed"


@dataclass(frozen=True)
class Coded:
    """A column as numbers of its distinct cells.

    Attributes:
        codes: index into `cells` of each row, shape `(n,)`; -1 where the cell is missing.
        cells: distinct cells, spelled.
    """

    codes: NDArray[np.int64]
    cells: list[str]

    @property
    def missing(self) -> int:
        """How many rows have no cell."""
        return int(np.count_nonzero(self.codes < 0))

    def by_value(self, kind: Kind | None = None) -> Coded:
        """The same with cells of one value as one cell, in its canonical spelling.

        Args:
            kind: of the column; by default what its cells are.
        """
        kind = kind or kind_of(self.cells)
        names = [canonical(cell, kind) for cell in self.cells]
        places = {name: place for place, name in enumerate(dict.fromkeys(names))}
        new = np.array([*(places[name] for name in names), -1], np.int64)
        return Coded(new[self.codes], list(places))


def arrow(column: pd.Series) -> pa.Array:
    """The cells with Arrow's types; what has no type of its own becomes text."""
    values = column.array
    if isinstance(column.dtype, pd.ArrowDtype):
        array = values.__arrow_array__()
    else:
        try:
            array = pa.array(column, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            texts = [None if pd.isna(cell) else str(cell) for cell in column.astype(object)]
            array = pa.array(texts, pa.string())
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    return decoded(array)


def decoded(array: Any) -> Any:
    """Without dictionaries (categories) and with one type for texts."""
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if pa.types.is_large_string(array.type) or pa.types.is_string_view(array.type):
        array = array.cast(pa.string())
    return array


def is_known(kind: pa.DataType) -> bool:
    """Whether cells of a type have a meaning here; lists, structures and durations have none."""
    return bool(
        pa.types.is_null(kind) or pa.types.is_string(kind) or is_numeric(kind) or is_dated(kind)
    )


def is_numeric(kind: pa.DataType) -> bool:
    """Whether a type is one of numbers or truth values."""
    return bool(
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
    )


def is_dated(kind: pa.DataType) -> bool:
    """Whether a type is one of dates."""
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def present(column: pd.Series, reading: Reading) -> pa.Array:
    """The cells, null where they are missing; texts without space around them."""
    array = arrow(column)
    if pa.types.is_string(array.type):
        array = pc.utf8_trim_whitespace(array)
        array = _without(array, pc.is_in(array, pa.array(sorted(MISSING | _texts(reading)))))
    elif pa.types.is_floating(array.type):
        array = _without(array, pc.is_nan(array))
    if reading.missing and (pa.types.is_string(array.type) or is_numeric(array.type)):
        numbers = _missing_numbers(reading)
        if numbers and not pa.types.is_boolean(array.type):
            values, _ = _as_numbers(array, reading)
            array = _without(array, pa.array(np.isin(values, numbers)))
    return array


def numbers(column: pd.Series, reading: Reading) -> tuple[NDArray[np.float64], _Mask]:
    """The cells as float64, NaN where they are missing; truth values are 1 and 0.

    Returns:
        The numbers, and which cells are something else (NaN, too).
    """
    return _as_numbers(present(column, reading), reading)


def compact(column: pd.Series, reading: Reading) -> pd.Series:
    """The same column, with numbers in place of texts where every cell is a number.

    Whole numbers that no float64 holds stay texts.
    """
    array = present(column, reading)
    if (
        not pa.types.is_string(array.type)
        or pc.any(pc.is_in(array, pa.array(_TRUE + _FALSE))).as_py()
    ):
        return column
    values, wrong = _as_numbers(array, reading)
    if wrong.any() or (np.abs(values) > 2.0**53).any():
        return column
    typed = pa.array(values, from_pandas=True)
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([typed])), column.index)


def spelled(column: pd.Series, reading: Reading) -> pa.Array:
    """The cells as texts, null where they are missing: numbers in plain notation."""
    array = present(column, reading)
    kind = array.type
    if pa.types.is_string(kind):
        return array if _is_plain(reading) else _in_plain_notation(array, reading)[0]
    if pa.types.is_null(kind):
        return array.cast(pa.string())
    if pa.types.is_boolean(kind):
        return pc.if_else(array, "True", "False")
    if pa.types.is_integer(kind):
        return array.cast(pa.string())
    if pa.types.is_floating(kind):
        array = array.cast(pa.float64())
    coded = array.dictionary_encode()
    texts = pa.array([_spelled(cell) for cell in coded.dictionary.to_pylist()], pa.string())
    return texts.take(coded.indices)


class Encoder:
    """Numbers the distinct cells of one column that comes in pieces."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._places: dict[str, int] = {}

    @property
    def cells(self) -> list[str]:
        """Those that have come, spelled."""
        return list(self._places)

    def codes(self, piece: pd.Series) -> NDArray[np.int64]:
        """Index into `cells` of each row, -1 where the cell is missing."""
        coded = spelled(piece, self._reading).dictionary_encode()
        places = self._places
        found = [places.setdefault(cell, len(places)) for cell in coded.dictionary.to_pylist()]
        indices = pc.fill_null(coded.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
        codes: NDArray[np.int64] = np.array([*found, -1], np.int64)[indices]
        return codes


def encode(pieces: Iterable[pd.Series], reading: Reading) -> Coded:
    """One column, in one piece or several, as numbers of its distinct cells."""
    encoder = Encoder(reading)
    codes = [np.empty(0, np.int64), *(encoder.codes(piece) for piece in pieces)]
    return Coded(np.concatenate(codes), encoder.cells)


def kind_of(cells: Sequence[str]) -> Kind:
    """What distinct cells are, spelled as by `spelled`."""
    if not cells:
        return Kind.EMPTY
    texts = pa.array(cells, pa.string())
    truths = _mask(pc.is_in(texts, pa.array(_TRUE + _FALSE)))
    if truths.all():
        return Kind.TRUTH
    plain = _mask(pc.match_substring_regex(texts, NUMBER))
    if (plain | truths).all():
        return Kind.NUMBER
    if plain.any():
        return Kind.MIXED
    return Kind.DATE if not np.isnan(_days(texts)).any() else Kind.TEXT


def canonical(cell: str, kind: Kind) -> str:
    """The one spelling of all cells of a value: `03`, `3.0` and `+3` are the number 3."""
    cell = cell.strip()
    if kind in (Kind.NUMBER, Kind.TRUTH):
        cell = "1" if cell in _TRUE else "0" if cell in _FALSE else cell
        cell = _canonical_number(cell)
        if kind is Kind.TRUTH:
            return {"1": "True", "0": "False"}.get(cell, cell)
    if kind is Kind.DATE and re.match(DATE, cell):
        moment = pd.to_datetime(cell.replace("/", "-"), utc=True, errors="coerce")
        return cell if pd.isna(moment) else str(_spelled(moment))
    return cell


def days(column: pd.Series, reading: Reading) -> tuple[NDArray[np.float64], _Mask]:
    """Dates as days since 1970-01-01, with the time as the fraction; NaN where missing.

    A time with an offset counts in UTC. Whole numbers such as 20240131 are dates, too.

    Returns:
        The days, and which cells are no dates (NaN, too).
    """
    array = present(column, reading)
    given = _mask(array.is_valid())
    if is_dated(array.type):
        moments = pd.Series(array.to_pandas(types_mapper=None, date_as_object=False))
        found = _since_1970(pd.to_datetime(moments, utc=True))
    elif pa.types.is_string(array.type) or pa.types.is_integer(array.type):
        found = _days(array.cast(pa.string()), compact=True)
    else:
        found = np.full(len(array), np.nan)
    return found, given & np.isnan(found)


def _days(texts: pa.Array, *, compact: bool = False) -> NDArray[np.float64]:
    if compact:
        texts = pc.replace_substring_regex(texts, r"^(\d{4})(\d{2})(\d{2})$", r"\1-\2-\3")
    fits = pc.fill_null(pc.match_substring_regex(texts, DATE), False)
    found = np.full(len(texts), np.nan)
    if not pc.any(fits).as_py():
        return found
    mask = _mask(fits)
    some = pd.Series(pc.replace_substring(texts.filter(fits), "/", "-").to_pylist(), dtype=object)
    found[mask] = _since_1970(pd.to_datetime(some, format="ISO8601", errors="coerce", utc=True))
    return found


def _since_1970(moments: pd.Series) -> NDArray[np.float64]:
    since = (moments - pd.Timestamp("1970-01-01", tz="UTC")) / pd.Timedelta(days=1)
    values: NDArray[np.float64] = since.to_numpy(np.float64, na_value=np.nan)
    return values


def _spelled(cell: Any) -> str | None:
    """A float, decimal or date as text."""
    if cell is None:
        return None
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, decimal.Decimal):
        return _canonical_number(f"{cell:f}")
    if isinstance(cell, datetime.datetime):
        if cell.tzinfo is not None:
            cell = cell.astimezone(datetime.UTC).replace(tzinfo=None)
        midnight = cell.time() == datetime.time()
        return str(cell.date().isoformat() if midnight else cell.isoformat(" "))
    return str(cell)


def _canonical_number(text: str) -> str:
    whole = _WHOLE.fullmatch(text)
    if whole:
        return whole[2] if whole[2] == "0" or whole[1] != "-" else f"-{whole[2]}"
    try:
        return str(_spelled(float(text)))
    except (ValueError, OverflowError):  # no number, or an infinite one
        return text


def _as_numbers(array: pa.Array, reading: Reading) -> tuple[NDArray[np.float64], _Mask]:
    nothing = np.zeros(len(array), bool)
    kind = array.type
    if is_numeric(kind):
        if pa.types.is_decimal(kind):
            array = array.cast(pa.string())
        elif pa.types.is_boolean(kind):
            array = array.cast(pa.int8())
        return _floats(array), nothing
    given = _mask(array.is_valid())
    if not pa.types.is_string(kind):
        return np.full(len(array), np.nan), given
    if _is_plain(reading):
        try:
            values = _floats(array)
        except pa.ArrowInvalid:
            pass  # something else is there, too
        else:
            if not (np.isnan(values) & given).any():  # "nan(1)" is none in Arrow's eyes
                return values, nothing
    truths = pc.if_else(
        pc.is_in(array, pa.array(_TRUE)),
        "1",
        pc.if_else(pc.is_in(array, pa.array(_FALSE)), "0", pa.scalar(None, pa.string())),
    )
    plain, fits = _in_plain_notation(array, reading)
    found = pc.coalesce(truths, pc.if_else(fits, plain, pa.scalar(None, pa.string())))
    return _floats(found), given & ~_mask(found.is_valid())


def _floats(array: pa.Array) -> NDArray[np.float64]:
    if pa.types.is_string(array.type) or pa.types.is_floating(array.type):
        cast = array.cast(pa.float64())
    else:
        cast = array.cast(pa.float64(), safe=False)  # above 2^53 to the nearest float64
    values: NDArray[np.float64] = cast.to_numpy(zero_copy_only=False)
    return values


def _in_plain_notation(array: pa.Array, reading: Reading) -> tuple[pa.Array, pa.Array]:
    """Texts with their numbers in plain notation, and which of them are numbers."""
    if _is_plain(reading):
        return array, pc.fill_null(pc.match_substring_regex(array, NUMBER), False)
    point = re.escape(reading.decimal)
    whole = r"\d+"
    group = ""
    if reading.thousands is not None:
        # A space between thousands is often one that does not break.
        group = "[ \u00a0\u202f]" if reading.thousands == " " else re.escape(reading.thousands)
        whole = rf"([1-9]\d{{0,2}}({group}\d{{3}})+|\d+)"  # 0.704 is no 704
    number = rf"^[+-]?({whole}({point}\d*)?|{point}\d+)([eE][+-]?\d+)?$|^[+-]?(?i:inf|infinity)$"
    fits = pc.fill_null(pc.match_substring_regex(array, number), False)
    plain = pc.replace_substring_regex(array, group, "") if group else array
    return pc.if_else(fits, pc.replace_substring(plain, reading.decimal, "."), array), fits


def _is_plain(reading: Reading) -> bool:
    return reading.decimal == "." and reading.thousands is None


def _texts(reading: Reading) -> set[str]:
    return {text.strip() for text in reading.missing}


def _missing_numbers(reading: Reading) -> list[float]:
    texts = pa.array(sorted(_texts(reading)), pa.string())
    plain, fits = _in_plain_notation(texts, reading)
    return [float(text) for text in plain.filter(fits).to_pylist()]


def _without(array: pa.Array, mask: pa.Array) -> pa.Array:
    return pc.if_else(pc.fill_null(mask, False), pa.scalar(None, array.type), array)


def _mask(array: pa.Array) -> _Mask:
    mask: _Mask = pc.fill_null(array, False).to_numpy(zero_copy_only=False)
    return mask
