from __future__ import annotations

import numpy as np
import pytest

from directloss.datasets import Reading
from directloss.datasets.notation import advice_on_numbers


def advice(cells: dict[str, int], numbers: tuple[str, ...] = (), **how: str) -> str | None:
    counts = np.array(list(cells.values()))
    known = np.array([cell in numbers for cell in cells])
    return advice_on_numbers(list(cells), counts, known, Reading(**how))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("3,14", "`decimal` ','"),
        ("1,234", "`thousands` ',' or `decimal` ','"),
        ("1,234.5", "`thousands` ','"),
        ("1,234,567", "`thousands` ','"),
        ("1.234,5", "`thousands` '.' `decimal` ','"),
        ("1.234.567", "`thousands` '.' `decimal` ','"),
        ("1 234", "`thousands` ' '"),
        ("1\u202f234", "`thousands` ' '"),
        ("1'234", '`thousands` "\'"'),
        ("1_000", "`thousands` '_'"),
        ("12%", "the sign '%'"),
        ("12 %", "the sign '%'"),
        ("$5", "the sign '$'"),
        ("-$1,234.50", "the sign '$'"),
        ("5 €", "the sign '€'"),
        ("(5)", "parentheses"),
        ("\u22125", "minus sign"),
        ("\u22120.704", "minus sign"),
        ("\u22121.234,5", "minus sign"),
        ("1e\u22125", "minus sign"),
        ("\u20135", "minus sign"),
        ("\uff0d$5", "minus sign"),
    ],
)
def test_the_option_is_named(cell: str, said: str) -> None:
    found = advice({cell: 10})
    assert found is not None
    assert found.startswith(f"{cell!r}: a number ")
    assert said in found


def test_the_cell_that_says_most_is_shown() -> None:
    found = advice({"1,234": 5, "2,345.5": 1})
    assert found == "'2,345.5': a number in another notation; say `thousands` ','"


def test_a_few_of_many_count_for_all() -> None:
    assert advice({"7": 90, "1,234": 5, "n/k": 5}, ("7",)) == (
        "'1,234': a number in another notation; say `thousands` ',' or `decimal` ',', and also the "
        "text 'n/k'"
    )
    assert advice({"red": 90, "1,234": 5}) is None
    assert advice({"7": 50, "n/k": 5}, ("7",)) is None


def test_a_point_where_a_comma_is_wanted() -> None:
    found = advice({"3.5": 3, "3,5": 3}, ("3,5",), decimal=",")
    assert found is not None
    assert "`decimal` '.'" in found


def test_no_group_of_thousands_begins_with_0() -> None:
    found = advice({"0.704": 3, "0,5": 3}, ("0,5",), decimal=",")
    assert found is not None
    assert "`decimal` '.'" in found
    assert "thousands" not in found


@pytest.mark.parametrize("text", ["a1", "12a", "1-2", "10.0.0.1", "12:30", "1,2,3", "C$", "-", ""])
def test_other_texts_are_no_numbers(text: str) -> None:
    assert advice({text: 10}) is None
