from __future__ import annotations

import datetime
import decimal
from io import StringIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from directloss.datasets import Reading
from directloss.datasets.cells import (
    MISSING,
    Kind,
    canonical,
    days,
    encode,
    kind_of,
    numbers,
    spelled,
)
from directloss.datasets.stream import frame_of

PLAIN = Reading()


def column(cells: list[object], kind: pa.DataType | None = None) -> pd.Series:
    return frame_of(pa.table({"c": pa.array(cells, kind)}), 0)["c"]


def classes(cells: list[object], kind: pa.DataType | None = None) -> list[str]:
    return encode([column(cells, kind)], PLAIN).by_value().cells


def test_the_texts_for_missing_values_are_those_of_pandas() -> None:
    for text in MISSING:
        # A line of its own for each, in a column that also holds a number.
        (value, _) = pd.read_csv(StringIO(f"a,b\n{text},1\n2,1\n"))["a"]
        assert np.isnan(value), text
        assert spelled(column([text]), PLAIN).to_pylist() == [None]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "1.0", "+1", " 1", "01", "1e0", "1."], None),
        ([1, 1], pa.int8()),
        ([1.0, None, float("nan")], None),
        ([decimal.Decimal("1.00")], None),
        ([1, None], pa.uint64()),
    ],
)
def test_one_number(cells: list[object], kind: pa.DataType | None) -> None:
    assert classes(cells, kind) == ["1"]
    assert kind_of(encode([column(cells, kind)], PLAIN).cells) is Kind.NUMBER
    found, wrong = numbers(column(cells, kind), PLAIN)
    assert set(found[~np.isnan(found)]) == {1.0}
    assert not wrong.any()


@pytest.mark.parametrize("cells", [["TRUE", "true", "True"], [True, None], ["1", "TRUE"]])
def test_one_truth_value(cells: list[object]) -> None:
    found, wrong = numbers(column(cells), PLAIN)
    assert set(found[~np.isnan(found)]) == {1.0}
    assert not wrong.any()
    assert len(classes(cells)) == 1


@pytest.mark.parametrize(
    ("cells", "kind", "wanted"),
    [
        (["2020-01-02", "2020/01/02", "2020-01-02 00:00"], None, "2020-01-02"),
        ([datetime.date(2020, 1, 2)], None, "2020-01-02"),
        ([datetime.datetime(2020, 1, 2)], pa.timestamp("ns"), "2020-01-02"),
        ([datetime.datetime(2020, 1, 2, 3, 4)], None, "2020-01-02 03:04:00"),
        (["2020-01-02T03:04Z", "2020-01-02 05:04:00+02:00"], None, "2020-01-02 03:04:00"),
        (
            [datetime.datetime(2020, 1, 2, 3, 4, tzinfo=datetime.UTC)],
            pa.timestamp("s", "Europe/Berlin"),
            "2020-01-02 03:04:00",
        ),
    ],
)
def test_one_date(cells: list[object], kind: pa.DataType | None, wanted: str) -> None:
    assert classes(cells, kind) == [wanted]
    found, wrong = days(column(cells, kind), PLAIN)
    moment = pd.Timestamp(wanted) - pd.Timestamp("1970-01-01")
    assert found == pytest.approx([moment / pd.Timedelta(days=1)] * len(cells))
    assert not wrong.any()


@pytest.mark.parametrize(
    "text",
    ["2020-13-01", "2020-02-30", "31.12.2020", "12/31/2020", "2020", "2020-01-02 25:00"],
)
def test_no_date(text: str) -> None:
    found, wrong = days(column([text, None]), PLAIN)
    assert np.isnan(found).all()
    assert wrong.tolist() == [True, False]


def test_whole_numbers_can_be_dates() -> None:
    for cells in ([20200102, None], ["20200102", ""]):
        found, wrong = days(column(cells), PLAIN)
        assert found[0] == 18263
        assert not wrong.any()


@pytest.mark.parametrize(
    "text", ["x", "1,5", "1 000", "1_000", "0x10", "nan(1)", "--1", "1e", "12%", "½", "\uff11"]
)
def test_no_number(text: str) -> None:
    for cells in ([text], [text, "+1"], [text, "2.5", "true"]):
        found, wrong = numbers(column(cells), PLAIN)
        assert wrong.tolist() == [True] + [False] * (len(cells) - 1)
        assert np.isnan(found[0])


def test_large_whole_numbers_stay_apart() -> None:
    one, two = 2**63, 2**63 + 1
    assert classes([one, two], pa.uint64()) == [str(one), str(two)]
    assert classes([str(one), f"{two}.0"]) == [str(one), str(two)]
    assert classes([1e22]) == classes(["1e22"]) == [str(10**22)]


@pytest.mark.parametrize(
    ("reading", "cells", "wanted"),
    [
        (Reading(decimal=","), ["3,14", "-,5", "2", "1,5e3"], [3.14, -0.5, 2, 1500]),
        (Reading(thousands=","), ["1,234", "1,234.5", "7"], [1234, 1234.5, 7]),
        (Reading(decimal=",", thousands="."), ["1.234,5", "1.234", "0,5"], [1234.5, 1234, 0.5]),
        (Reading(thousands=" "), ["1 234", "1\u00a0234", "1\u202f234"], [1234] * 3),
        (Reading(thousands="'"), ["1'234'567.25"], [1234567.25]),
    ],
)
def test_other_notations(reading: Reading, cells: list[str], wanted: list[float]) -> None:
    found, wrong = numbers(column(list(cells)), reading)
    assert found.tolist() == wanted
    assert not wrong.any()
    assert [float(text) for text in spelled(column(list(cells)), reading).to_pylist()] == wanted


@pytest.mark.parametrize(
    ("reading", "text"),
    [
        (Reading(decimal=","), "3.14"),
        (Reading(thousands=","), "12,34"),
        (Reading(thousands=","), "1234,567"),
        (Reading(decimal=",", thousands="."), "1.23"),
        (Reading(decimal=",", thousands="."), "0.704"),
    ],
)
def test_what_is_not_in_the_notation_is_no_number(reading: Reading, text: str) -> None:
    assert numbers(column([text]), reading)[1].tolist() == [True]


@pytest.mark.parametrize("cells", [["-9", "-9.0", "?", "3"], [-9, 3], [-9.0, 3.0]])
def test_what_the_user_calls_missing_is_missing_by_value(cells: list[object]) -> None:
    reading = Reading(missing=("-9", "?"))
    found, wrong = numbers(column(cells), reading)
    assert found[-1] == 3
    assert np.isnan(found[:-1]).all()
    assert not wrong.any()
    assert spelled(column(cells), reading).null_count == len(cells) - 1


def test_columns_without_a_type_of_their_own() -> None:
    mixed = pd.Series([1, "x", None, 2.5, True])
    assert spelled(mixed, PLAIN).to_pylist() == ["1", "x", None, "2.5", "True"]
    assert kind_of(["1", "x"]) is Kind.MIXED
    assert kind_of([]) is Kind.EMPTY
    assert kind_of(["true", "maybe"]) is Kind.TEXT


def test_texts_that_mix_with_numbers_stay_apart() -> None:
    assert classes(["03", "3", "x"]) == ["03", "3", "x"]
    assert canonical(" 03 ", Kind.TEXT) == "03"
    assert canonical("1", Kind.TRUTH) == "True"
    assert canonical("TRUE", Kind.NUMBER) == "1"
