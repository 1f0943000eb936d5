"""docs/performance.md from the results of a run: no figure in it is typed by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import archive, plots, tables
from benchmarks.case import Case
from benchmarks.growth import exponent
from benchmarks.markdown import render
from benchmarks.sections import SECTIONS, SUMMARIES
from benchmarks.works import REFERENCE

__all__ = ["write_document"]

FOLDER = Path(__file__).parent
PICTURE, PARTS_PICTURE = "cost.svg", "parts.svg"
BILLION = 10**9
AP, CROSS_ENTROPY = "AveragePrecision positive", "BCE"
"""The works that the first sentences speak of."""


def write_document(path: Path, runs: Sequence[bytes] = ()) -> None:
    """Write the document, and its pictures into a folder of its name beside it.

    Args:
        path: of the document. Its archive is archives/NAME.tar.xz beside it.
        runs: what the archive is to hold: results.json of a run of all sections, then those of
            later runs of single sections, which take the place of those in the first. The document
            names those whose sections it shows. Without runs it is written from the archive as it
            is.

    Raises:
        KeyError: a section that the document needs was not measured.
    """
    kept = path.parent / "archives" / f"{path.stem}.tar.xz"
    if runs:
        archive.write(kept, {f"run-{number}.json": run for number, run in enumerate(runs)})
    results, *later = (json.loads(run) for _, run in sorted(archive.read(kept).items()))
    notes = [run["note"] for run in (results, *later) if "note" in run]
    latest: dict[str, dict[str, Any]] = {}
    for run in later:
        sections = [name for name in SECTIONS if name in run]
        summaries = [summary for summary, _ in SUMMARIES.values() if summary in run]
        latest |= dict.fromkeys(sections, run)
        results = {**results, **{name: run[name] for name in (*sections, *summaries)}}
    owned = [[name for name in latest if latest[name] is run] for run in later]
    replaced = [
        (", ".join(names), tables.machine(run))
        for names, run in zip(owned, later, strict=True)
        if names
    ]
    picture = path.with_suffix("") / PICTURE
    plots.draw_cost(results, picture)
    parts = picture.with_name(PARTS_PICTURE)
    if "profile" in results:
        plots.draw_parts(results, parts)
    text = render(
        FOLDER / "performance.md.jinja",
        answer=answer(results),
        machine=tables.machine(results),
        replaced=replaced,
        notes=notes,
        tables=tables.sections(results),
        grid_range=tables.grid_range(results) if "grid" in results else "",
        picture=picture.relative_to(path.parent).as_posix(),
        parts=parts.relative_to(path.parent).as_posix(),
        cost=cost_model(results),
        citation=archive.citation(kept, path),
    )
    path.write_text(text, encoding="utf-8")


def answer(results: dict[str, Any], share: float = Case(BILLION).share) -> list[str]:
    """What a step costs, in a few sentences."""
    rows = [row for row in results["speed"] if row["share"] == share]
    at = {(row["work"], row["n"]): row for row in rows if "seconds" in row}
    sizes = sorted({row["n"] for row in rows})
    few, many = sizes[0], sizes[-1]

    def cost(work: str, n: int) -> str:
        row = at[work, n]
        return f"{tables.seconds(row['seconds'])}, {tables.figures(row['ratio'])} times the sort"

    sentences = [
        "A step of exact average precision (AP), forward and backward, is compared with "
        f"`{REFERENCE}` of the same scores."
    ]
    for n in (many, few):
        if (AP, n) not in at:
            continue
        words = f"{n:,} scores take {cost(AP, n)}"
        if (CROSS_ENTROPY, n) in at:
            times = at[AP, n]["seconds"] / at[CROSS_ENTROPY, n]["seconds"]
            words += f" and {tables.figures(times)} times cross-entropy"
        sentences.append(f"{words}.")
    if results.get("grid_summary"):
        worst = max(
            (row for row in results["grid_summary"] if row["direction"] == "negative"),
            key=lambda row: row["worst"]["ratio"],
        )
        sentences.append(
            f"The negative direction costs {tables.figures(worst['ratio'])} times the sort in the "
            f"median of {worst['cells']} cases at n = {tables.count(worst['n'])}, and "
            f"{tables.figures(worst['worst']['ratio'])} times in the worst."
        )
    stopped = [row["work"] for row in rows if row["kind"] == "peer" and "stopped" in row]
    if stopped:
        sentences.append(
            f"Losses that compare all pairs ({', '.join(dict.fromkeys(stopped))}) do not reach "
            f"{tables.count(many)}."
        )
    return sentences


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
