"""The result table for terminal and Markdown. Rows: methods; columns: classes, their average."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import log10

from rich.table import Table
from rich.text import Text

from directloss.report.schema import Average, Cell, Results, Row
from directloss.terminal import printable

ABSENT = "–"


def decimals(results: Results) -> int:
    """Digits behind the point that keep four digits of a metric in [0, 1], whatever its scale."""
    return max(0, round(4 - log10(results.metric.scale)))


def shown(results: Results, value: float, places: int | None = None) -> str:
    """A metric value as it is displayed, with `decimals(results)` places unless told otherwise."""
    places = decimals(results) if places is None else places
    return f"{results.metric.scale * value:.{places}f}"


def heads(results: Results) -> list[str]:
    """Names of the columns of the table; the average is one where it is not the only column."""
    return [*results.columns, *(("average",) if len(results.columns) > 1 else ())]


def entries(results: Results, row: Row) -> list[Cell | Average | None]:
    """A row's entries, one for each of `heads`; None where nothing was run."""
    cells = {cell.column: cell for cell in row.cells}
    averages = [row.average] if len(results.columns) > 1 else []
    return [*(cells.get(column) for column in results.columns), *averages]


def caption(results: Results) -> str:
    """What the numbers of the table are."""
    seeds = len({run.seed for run in results.runs})
    scale = results.metric.scale
    factor = "" if scale == 1 else f", times {scale:g}"
    over = f"mean ± standard deviation over {seeds} seeds" if seeds > 1 else "one seed"
    return f"Test {results.metric.name}{factor}: {over}; best of a column in bold."


def console_table(results: Results, width: int | None = None) -> Table:
    """The table for a terminal, the deviations on a line of their own to keep columns narrow.

    `width` is the room in characters; None shows all. Where it is short, numbers lose one decimal;
    classes that still do not fit are left out from the right, and the caption says how many.
    """
    names = heads(results)
    places = decimals(results)
    body = _console_body(results, places)
    if len(_fitting(results, body, width)) < len(names):
        body = _console_body(results, max(0, places - 1))
    kept = _fitting(results, body, width)
    left_out = len(names) - len(kept)
    note = f" Columns that do not fit here: {left_out}." if left_out else ""
    table = plain_table(results.title, caption(results) + note, padding=(0, 0, 0, 1))
    table.add_column("method", no_wrap=True)
    for index in kept:
        # Text, because a column name such as "[red]" is a name and not markup.
        head = Text(printable(names[index]))
        last = index == kept[-1]
        table.add_column(head, justify="right", overflow="fold", no_wrap=last)
    for row, cells in zip(results.table.rows, body, strict=True):
        table.add_row(Text(row.method), *(cells[index] for index in kept))
    return table


def plain_table(
    title: str, below: str, *, padding: tuple[int, int, int, int] = (0, 1, 0, 1)
) -> Table:
    """An empty table for a terminal, without lines: its title above, and what it shows below.

    Texts are names and sentences, and not markup; the padding is that of a cell, as rich takes it.
    """
    return Table(
        title=Text(printable(title)),
        caption=Text(printable(below)),
        title_justify="left",
        caption_justify="left",
        box=None,
        pad_edge=False,
        padding=padding,
    )


def _console_body(results: Results, places: int) -> list[list[Text]]:
    number = partial(shown, results, places=places)
    return [
        [console_cell(entry, number) for entry in entries(results, row)]
        for row in results.table.rows
    ]


def _fitting(results: Results, body: list[list[Text]], width: int | None) -> list[int]:
    """Indices of the columns to show; the last, the average of several, always."""
    names = heads(results)
    last = len(names) - 1
    if width is None:
        return list(range(last + 1))

    def needed(index: int) -> int:
        return 1 + max(len(line) for row in body for line in row[index].plain.split("\n"))

    room = width - max(len(method) for method in ["method", *results.methods])
    room -= max(needed(last), len(" average") if last else 0)
    kept = []
    for index in range(last):
        room -= needed(index)
        if room < 0:
            break
        kept.append(index)
    return [*kept, last]


def markdown_table(results: Results) -> str:
    """The table in GitHub's Markdown, ending with a newline."""
    names = ["method", *map(escaped, heads(results))]
    number = partial(shown, results)
    rows = [
        [escaped(row.method), *(markdown_cell(each, number) for each in entries(results, row))]
        for row in results.table.rows
    ]
    return markdown(names, rows)


def markdown(heads: Sequence[str], rows: Iterable[Sequence[object]], *, left: int = 1) -> str:
    """A table in GitHub's Markdown: so many columns to the left, the others to the right."""
    rules = ["---"] * left + ["---:"] * (len(heads) - left)
    lines = [heads, rules, *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def console_cell(entry: Cell | Average | None, number: Callable[[float], str]) -> Text:
    """A mean, the best one bold, and its deviation on a line below; `number` writes both."""
    if entry is None:
        return Text(ABSENT)
    text = Text(number(entry.mean), style="bold" if entry.best else "")
    if entry.std is not None:
        text.append(f"\n±{number(entry.std)}", style="not bold dim")
    return text


def markdown_cell(entry: Cell | Average | None, number: Callable[[float], str]) -> str:
    """The same on one line of Markdown."""
    if entry is None:
        return ABSENT
    mean = f"**{number(entry.mean)}**" if entry.best else number(entry.mean)
    return mean if entry.std is None else f"{mean} ± {number(entry.std)}"


def escaped(text: str) -> str:
    """A name as the text of a cell of a Markdown table."""
    return printable(text).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
