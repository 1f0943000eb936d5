from __future__ import annotations

import csv
import io

import pytest

from directloss.report.lines import write_rows

PLAIN = ["t=1", "a b", "", "-1", "+1", "-0.5", "+1e-3", "1", "é", "'quoted'", "a=b", "#"]
FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "-inf",
    "--1",
    "=",
    "-",
    "-a",
    "\uff1d1+1",  # in full width
    "\uff20SUM(A1)",
]
PARTS = ["a,b", 'a"b', "a\nb", "a\r\nb", '"', ",,", '=HYPERLINK("http://a","b,c")']


def written(rows: list[list[object]]) -> str:
    file = io.StringIO()
    write_rows(file, rows)
    return file.getvalue()


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("text", PLAIN)
def test_a_text_stays_as_it_is(text: str) -> None:
    assert read(written([["x", text, "y"]])) == [["x", text, "y"]]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_is_no_formula(text: str) -> None:
    assert read(written([[text, text]])) == [[f"'{text}", f"'{text}"]]


@pytest.mark.parametrize("text", PARTS)
def test_a_cell_is_one_cell(text: str) -> None:
    lines = read(written([["x", text, "y"], [1, 2, 3]]))
    assert lines == [["x", f"'{text}" if text[0] == "=" else text, "y"], ["1", "2", "3"]]


def test_numbers_and_none() -> None:
    assert written([["a", "b"], [-1.5, None], [True, 1e-9]]) == "a,b\n-1.5,\nTrue,1e-09\n"
