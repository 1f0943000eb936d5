"""Results as text: the form of the paper's Table 2, and what belongs beside it."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from directloss.paper.detection.results import DetectionResults, Interval
from directloss.report.schema import Average, Cell, Row
from directloss.report.tables import (
    console_cell,
    escaped,
    markdown,
    markdown_cell,
    plain_table,
)
from directloss.terminal import printable


def caption(results: DetectionResults) -> str:
    """What the numbers of the table are."""
    seeds = results.configuration["seeds"]
    over = f"mean ± standard deviation over {seeds} seeds" if seeds > 1 else "one seed"
    return (
        f"Average precision times 100 on {results.data.test_images} images "
        f"({results.configuration['test_split']}), {over}; best of a column in bold."
    )


def console_table(results: DetectionResults) -> Table:
    """Rows: methods; columns: classes, their mean, and the recall of the proposals below."""
    table = plain_table(results.title, caption(results))
    table.add_column("method", no_wrap=True)
    for head in (*results.classes, "mean"):
        table.add_column(Text(printable(head)), justify="right", overflow="fold")
    for row in results.table.rows:
        table.add_row(row.method, *(console_cell(each, _percent) for each in _entries(row)))
    table.add_section()
    table.add_row("recall of proposals", *map(_percent, _recalls(results)), style="dim")
    return table


def markdown_table(results: DetectionResults) -> str:
    """The table in GitHub's Markdown."""
    rows = [
        [row.method, *(markdown_cell(each, _percent) for each in _entries(row))]
        for row in results.table.rows
    ]
    rows.append(["recall of proposals", *map(_percent, _recalls(results))])
    return markdown(["method", *map(escaped, results.classes), "mean"], rows)


def summary_rows(results: DetectionResults) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of what is known of each method over all classes."""
    first = results.methods[0]
    heads = ["method", "mean AP", "95 %", f"less {first}", "95 %", "11 points", "learning rate"]
    averages = {row.method: row.average.mean for row in results.table.rows}
    rows = [
        [
            each.method,
            _percent(averages[each.method]),
            _range(each.mean_ap),
            "" if each.method == first else f"{100 * each.difference:+.1f}",
            "" if each.method == first else _range(each.difference_interval),
            _percent(each.eleven_points),
            f"{each.learning_rate:g}",
        ]
        for each in results.summaries
    ]
    return heads, rows


def stage_rows(results: DetectionResults) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of what each stage took."""
    heads = ["stage", "items", "seconds of one core", "seconds an item", "peak memory, MB"]
    rows = [
        [
            each.name,
            f"{each.items} × {each.unit}",
            f"{each.seconds:.0f}",
            f"{each.seconds / max(each.items, 1):.3f}",
            f"{each.peak_megabytes:.0f}",
        ]
        for each in results.stages
    ]
    return heads, rows


def _recalls(results: DetectionResults) -> list[float]:
    found = [each.found for each in results.ceiling]
    return [*found, sum(found) / len(found)]


def _entries(row: Row) -> list[Cell | Average]:
    return [*row.cells, row.average]


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _range(values: Interval) -> str:
    return f"{100 * values.low:.1f} to {100 * values.high:.1f}"
