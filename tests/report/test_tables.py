from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from directloss.report import console_table, markdown_table
from directloss.report.page import render
from directloss.report.schema import Average, Cell, Metric, Results, Row
from directloss.report.schema import Table as ResultTable
from directloss.report.tables import caption, shown


def printed(table: Table, width: int) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(table)
    return stream.getvalue()


@pytest.fixture
def tiny(results: Results) -> Results:
    """One method with known numbers on a column whose name looks like markup."""
    row = Row(
        method="pos-ap",
        cells=[Cell(column="[red]|", mean=0.98765, std=0.0123, n=3, best=True)],
        average=Average(mean=0.5, std=None, best=False),
    )
    return results.model_copy(
        update={
            "columns": ["[red]|", "not run"],
            "methods": ["pos-ap"],
            "table": ResultTable(rows=[row]),
        }
    )


def test_markdown(tiny: Results) -> None:
    assert markdown_table(tiny) == (
        "| method | [red]\\| | not run | average |\n"
        "| --- | ---: | ---: | ---: |\n"
        "| pos-ap | **98.77** ± 1.23 | – | 50.00 |\n"
    )


def test_a_single_column_is_not_repeated_as_its_average(tiny: Results) -> None:
    single = tiny.model_copy(update={"columns": ["[red]|"]})
    assert markdown_table(single) == (
        "| method | [red]\\| |\n| --- | ---: |\n| pos-ap | **98.77** ± 1.23 |\n"
    )
    for width in (None, 20, 80):
        text = printed(console_table(single, width), 80)
        assert "98." in text and "50.0" not in text and "average" not in text.splitlines()[1]
    page = render(single)
    assert '<th scope="col" class="average">' not in page
    assert '<th scope="col" class="average">' in render(tiny)


def test_console(tiny: Results) -> None:
    table = console_table(tiny)
    assert "[red]|" in printed(table, 80)
    cell = next(iter(table.columns[1].cells))
    assert [(span.style, str(cell)[span.start : span.end]) for span in cell.spans] == [
        ("not bold dim", "\n±1.23")
    ]
    assert cell.style == "bold"


def test_names_give_a_terminal_no_orders(tiny: Results) -> None:
    (row,) = tiny.table.rows
    name = "\x1b[31m:smile:\u202e"
    cells = [cell.model_copy(update={"column": name}) for cell in row.cells]
    odd = tiny.model_copy(
        update={
            "title": name,
            "columns": [name],
            "table": ResultTable(rows=[row.model_copy(update={"cells": cells})]),
        }
    )
    text = printed(console_table(odd), 200)
    assert text.count(r"\x1b[31m:smile:\u202e") == 2
    assert "\x1b" not in text + markdown_table(odd)


def test_console_prints_every_number(results: Results) -> None:
    text = printed(console_table(results), 80)
    for row in results.table.rows:
        for entry in [*row.cells, row.average]:
            assert shown(results, entry.mean) in text
            assert f"±{shown(results, entry.std)}" in text


def test_a_narrow_console_gets_fewer_columns_and_is_told(results: Results) -> None:
    text = printed(console_table(results, width=24), 24)
    averages = [shown(results, row.average.mean, places=1) for row in results.table.rows]
    assert all(value in text for value in averages)
    assert "Columns that do not fit here: 1." in " ".join(text.split())
    assert "prime" not in text


@pytest.mark.parametrize(("std", "text"), [(0.0123, "99.12"), (0.1234, "99.1")])
def test_ten_classes_fit_eighty_characters(results: Results, std: float, text: str) -> None:
    columns = [str(digit) for digit in range(10)]
    cells = [Cell(column=c, mean=0.9912, std=std, n=3, best=False) for c in columns]
    row = Row(method="both-ap", cells=cells, average=results.table.rows[0].average)
    wide = results.model_copy(
        update={"columns": columns, "methods": ["both-ap"], "table": ResultTable(rows=[row])}
    )
    lines = printed(console_table(wide, width=80), 80).splitlines()
    assert lines[1].split() == ["method", *columns, "average"]
    assert lines[2].split()[1:-1] == [text] * len(columns)


@pytest.mark.parametrize(("scale", "text"), [(1.0, "0.1235"), (100.0, "12.35"), (1000.0, "123.5")])
def test_four_digits_at_any_scale(results: Results, scale: float, text: str) -> None:
    scaled = results.model_copy(update={"metric": Metric(name="AP", scale=scale)})
    assert shown(scaled, 0.12346) == text


def test_caption_says_what_the_numbers_are(results: Results) -> None:
    assert caption(results) == (
        "Test average precision, times 100: mean ± standard deviation over 3 seeds; "
        "best of a column in bold."
    )
