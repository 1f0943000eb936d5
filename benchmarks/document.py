"""docs/performance.md from the results of a run: no figure in it is typed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks import plots, tables
from benchmarks.case import Case
from benchmarks.growth import exponent
from benchmarks.sections import SECTIONS

__all__ = ["write_document"]

FOLDER = Path(__file__).parent
BILLION = 10**9


def write_document(
    results: dict[str, Any], path: Path, later: Sequence[dict[str, Any]] = ()
) -> None:
    """Write the document, and its pictures into a folder of its name beside it.

    Args:
        results: a run of all sections.
        path: of the document.
        later: runs of single sections, which take the place of those in `results`; the document
            names them.

    Raises:
        KeyError: a section that the document shows was not measured.
    """
    replaced = []
    for run in later:
        sections = {name: run[name] for name in SECTIONS if name in run}
        replaced.append((", ".join(sections), tables.machine(run)))
        results = {**results, **sections}
    pictures = path.with_suffix("")
    pictures.mkdir(parents=True, exist_ok=True)
    drawn = plots.draw_all(results, pictures, ("svg",))
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown, not a page
    )
    text = environment.get_template("performance.md.jinja").render(
        machine=tables.machine(results),
        replaced=replaced,
        results=results,
        tables=tables.sections(results),
        pictures=[(picture.stem, picture.relative_to(path.parent).as_posix()) for picture in drawn],
        cost=cost_model(results),
        count=tables.count,
    )
    path.write_text(text)


def cost_model(results: dict[str, Any], share: float = Case(BILLION).share) -> str:
    """Average precision at a billion items, from the two longest lists.

    The exponent is theirs alone, and at least 1: over shorter lists the fixed cost of a step would
    pass for growth that is slower than it is. Empty where the run holds no two sizes.
    """
    body = []
    for direction in ("positive", "negative", "both"):
        work = f"AveragePrecision {direction}"
        rows = [
            row
            for row in results["speed"]
            if (row["work"], row["share"]) == (work, share) and "seconds" in row
        ]
        longest = sorted(rows, key=lambda row: row["n"])[-2:]
        slope = exponent(((row["n"], row["seconds"]) for row in longest), floor=0)
        if slope is None:
            continue
        last, slope = longest[-1], max(slope, 1.0)
        factor = BILLION / last["n"]
        time = last["seconds"] * factor**slope
        bytes_an_item = (last["growth_bytes"] or 0) / last["n"]
        body.append(
            [
                direction,
                tables.count(last["n"]),
                f"{slope:.2f}",
                tables.seconds(time),
                f"{bytes_an_item:.0f}",
                f"{bytes_an_item * BILLION / 1e9:.0f} GB",
            ]
        )
    if not body:
        return ""
    head = [
        "",
        "measured at n",
        "exponent",
        "time at n = 10⁹",
        "bytes an item",
        "memory at n = 10⁹",
    ]
    return tables.table(head, body)
