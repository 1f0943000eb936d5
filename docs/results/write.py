"""Writes the pages of comparisons, and their pictures, from the results of the runs.

    PYTHONPATH=. python docs/results/write.py [RUNS]

RUNS holds a folder for each run, with the `results.json` that the run wrote. Where all runs of a
page are there, they replace those in its archive, docs/archives/PAGE.tar.xz. Then each page that
has an archive is written from it. Every number of a page is computed from its archive.
"""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from pathlib import Path
from statistics import fmean, stdev

import matplotlib as mpl
from comparisons import L2_BEFORE, PAGES, Page
from matplotlib.figure import Figure

from benchmarks import archive
from benchmarks.figures import SETTINGS, Interval, draw_intervals, save
from directloss.report.schema import Results
from directloss.report.summary import warnings, what_was_run
from directloss.report.tables import markdown, markdown_table
from directloss.study.config import Comparison

HERE = Path(__file__).parent
REFERENCE = "logistic"
Cells = dict[str, tuple[float, float | None]]
"""Mean and standard deviation by method."""


def cells_of(results: Results) -> Cells:
    """The test metric of the run, scaled for display."""
    scale = results.metric.scale
    return {
        row.method: (
            scale * row.average.mean,
            None if row.average.std is None else scale * row.average.std,
        )
        for row in results.table.rows
    }


def mean_of(columns: list[Cells]) -> Cells:
    """Mean and standard deviation of each method over the columns."""
    values = {name: [column[name][0] for column in columns] for name in columns[0]}
    return {name: (fmean(each), stdev(each)) for name, each in values.items()}


def table(columns: dict[str, Cells]) -> str:
    """A row a method; the best mean of each column in bold."""
    methods = list(dict.fromkeys(name for column in columns.values() for name in column))
    best = {head: max(mean for mean, _ in column.values()) for head, column in columns.items()}

    def cell(head: str, method: str) -> str:
        if method not in columns[head]:
            return "–"
        mean, _, deviation = shown(columns[head][method]).partition(" ")
        text = f"**{mean}**" if columns[head][method][0] == best[head] else mean
        return f"{text} {deviation}".rstrip()

    rows = [[method, *(cell(head, method) for head in columns)] for method in methods]
    return markdown(["method", *columns], rows)


def first_clauses(results: Results) -> Counter[str]:
    """Warnings without their advice, and how many runs gave them."""
    found: Counter[str] = Counter()
    for text, count in warnings(results):
        method, _, words = text.partition(": ")
        found[f"{method}: {words.split(': ')[0].split('. ')[0]}"] += count
    return found


def columns_of(page: Page, found: list[Results]) -> dict[str, Cells]:
    """The columns of the table: a run each, and their mean where the page asks for it."""
    columns = {
        head: cells_of(results) for head, results in zip(page.runs.values(), found, strict=True)
    }
    if page.mean:
        columns["mean"] = mean_of(list(columns.values()))
    return columns


def compared(page: Page, found: list[Results]) -> dict[str, Cells]:
    """The columns that sentence and picture speak of: the mean where there is one."""
    columns = columns_of(page, found)
    return {"mean": columns["mean"]} if page.mean else columns


def answer(columns: dict[str, Cells]) -> str:
    """The best method of each column beside cross-entropy, in words."""
    sentences = []
    for head, cells in columns.items():
        best = max(cells, key=lambda method: cells[method][0])
        (mean, deviation), (other, other_deviation) = cells[best], cells[REFERENCE]
        where = "" if len(columns) == 1 else f"{head}: "
        if best == REFERENCE:
            second = max(cells.keys() - {best}, key=lambda method: cells[method][0])
            sentences.append(
                f"{where}Cross-entropy (`{REFERENCE}`) is best at {shown(cells[best])}, ahead of "
                f"`{second}` at {shown(cells[second])}."
            )
            continue
        sentence = (
            f"{where}`{best}` is best at {shown(cells[best])}; cross-entropy (`{REFERENCE}`) "
            f"reaches {shown(cells[REFERENCE])}."
        )
        if mean - other < max(deviation or 0.0, other_deviation or 0.0):
            sentence += " The difference is less than one standard deviation."
        sentences.append(sentence)
    return " ".join(sentences)


def paired(results: Results, pair: tuple[str, str]) -> str:
    """The first method less the second, seed by seed, where a run has both; "" elsewhere."""
    first, second = pair
    by_seed = {
        method: {
            seed: fmean(
                run.test for run in results.runs if (run.method, run.seed) == (method, seed)
            )
            for seed in {run.seed for run in results.runs}
        }
        for method in pair
        if method in results.methods
    }
    if len(by_seed) < 2 or len(by_seed[second]) < 2:
        return ""
    scale = results.metric.scale
    gains = [scale * (by_seed[first][seed] - value) for seed, value in by_seed[second].items()]
    error = stdev(gains) / len(gains) ** 0.5
    return (
        f" Seed by seed, `{first}` less `{second}` is {fmean(gains):+.1f} ± {error:.1f} "
        f"(standard error of {len(gains)} seeds)."
    )


def shown(cell: tuple[float, float | None]) -> str:
    """Mean and standard deviation."""
    mean, deviation = cell
    return f"{mean:.1f}" if deviation is None else f"{mean:.1f} ± {deviation:.1f}"


def picture(columns: dict[str, Cells]) -> Figure:
    """Mean and standard deviation of each method, a panel a column, a line at cross-entropy."""
    methods = list(dict.fromkeys(name for cells in columns.values() for name in cells))
    size = (4.5 * len(columns) + 1.0, 0.22 * len(methods) + 0.8)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for axes, (head, cells) in zip(panels, columns.items(), strict=True):
        intervals = []
        for method in methods:
            mean, deviation = cells[method]
            width = deviation or 0.0
            intervals.append(Interval(method, mean, mean - width, mean + width))
        draw_intervals(axes, intervals)
        axes.axvline(cells[REFERENCE][0], color="black", linewidth=0.8, linestyle=":")
        axes.set_title(head, fontsize=9, loc="left")
    return figure


def command_of(results: Results) -> list[str]:
    """The command that was run, with what were its defaults then where they are others now."""
    command, was = results.command, results.configuration
    if command[:2] != ["directloss", "compare"]:
        return command
    named = {name: was[name] for name in ("data", "metric", "group") if name in was}
    now = Comparison.model_validate(named)
    said = list(command)
    settled = {"l2": L2_BEFORE} | {name: was[name] for name in ("methods", "l2") if name in was}
    settled |= {"trials": [was["trials"]]} if "trials" in was else {}
    for name in ("methods", "trials", "l2"):
        values, today = settled.get(name), getattr(now, name)
        if values is None:
            continue
        today = list(today) if isinstance(today, tuple) else [today]
        if f"--{name}" not in command and list(values) != today:
            said += [f"--{name}", ",".join(f"{v:g}" if name == "l2" else str(v) for v in values)]
    return said


def reads_folder(commands: str) -> bool:
    """Whether one of the commands reads the folder `data`."""
    return any(word.split("/")[0] == "data" for word in commands.split())


def page_text(page: Page, found: list[Results], kept: Path, target: Path) -> str:
    """The whole page."""
    commands = [shlex.join(command_of(results)) for results in found]
    if page.prepared:
        commands.insert(0, "python docs/results/prepare.py data prepared")
    commands.append("PYTHONPATH=. python docs/results/write.py runs")
    listing = "\n".join(commands)
    folder = "`data` is the folder of data sets. " if reads_folder(listing) else ""
    over = "each column is one run a method, the mean is over the columns"
    if not page.mean:
        over = "mean ± standard deviation over seeds"
    notes = "".join(
        f"- {head}, {text} ({count} of the runs)\n"
        for head, results in zip(page.runs.values(), found, strict=True)
        for text, count in first_clauses(results).items()
    )
    body = markdown_table(found[0]) if page.whole_table else table(columns_of(page, found))
    said = answer(compared(page, found)) + (paired(found[0], page.pair) if len(found) == 1 else "")
    return (
        f"# {page.title}\n\n{said}\n\n"
        f"![Mean and standard deviation of each method]({target.stem}.svg)\n\n"
        "Dots are means, bars one standard deviation. The dotted line is cross-entropy.\n\n"
        f"{body}\nTest metric times 100, {over}; best of a column in bold.\n\n"
        f"## What was run\n\n```sh\n{listing}\n```\n\n"
        f"{folder}The last command writes this page. "
        f"{archive.citation(kept, target)}\n\n"
        f"{page.text.format(**found[0].configuration)} {what_was_run(found[0])}\n"
        + (f"\nWarnings of the chosen runs:\n\n{notes}" if notes else "")
    )


def results_of(name: str) -> list[Results]:
    """The results in the archive of a page, in the order of its columns."""
    files = archive.read(archive.path_of(name))
    return [Results.model_validate_json(files[f"{run}.json"]) for run in PAGES[name].runs]


def main(runs: Path | None) -> None:
    for name, page in PAGES.items():
        kept, target = archive.path_of(name), HERE / f"{name}.md"
        if runs is not None:
            files = {f"{run}.json": runs / run / "results.json" for run in page.runs}
            if all(file.is_file() for file in files.values()):
                archive.write(kept, {key: file.read_bytes() for key, file in files.items()})
        if not kept.exists():
            print(f"{name}: runs are missing")
            continue
        found = results_of(name)
        with mpl.rc_context(SETTINGS):
            save(picture(compared(page, found)), target.with_suffix(".svg"))
        target.write_text(page_text(page, found, kept, target), encoding="utf-8")
        print(f"{name}: written")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
