from __future__ import annotations

import csv
import io

import pytest

from directloss.report.lines import write_rows


def lines(*rows: list[object]) -> str:
    text = io.StringIO()
    write_rows(text, rows)
    return text.getvalue()


def test_every_reader_reads_what_was_written() -> None:
    rows = [["a,b", 'say "hi"', "lone\rreturn"], ["two\nlines", "both\r\n", ""]]
    text = lines(*rows)
    assert list(csv.reader(io.StringIO(text, newline=""))) == rows
    assert text.endswith("\n")
    assert not text.endswith("\r\n")


def test_numbers_and_nothing() -> None:
    assert lines([1, -0.5, None, True, "-1", "+1e3"]) == "1,-0.5,,True,-1,+1e3\n"


@pytest.mark.parametrize("text", ["=1+1", "+a", "-a", "@x", "\tx", "\rx", '=HYPERLINK("x")'])
def test_names_are_no_formulas(text: str) -> None:
    ((cell,),) = csv.reader(io.StringIO(lines([text]), newline=""))
    assert cell == f"'{text}"
