"""`report.html`: table, curves, pictures, recall of the proposals, cost; one file, no network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from directloss.files import write_whole
from directloss.paper.detection import tables
from directloss.paper.detection.average_precision import FALSE, FOUND
from directloss.paper.detection.experiment import Finished
from directloss.paper.detection.pictures import Picture, top_pictures
from directloss.paper.detection.results import DetectionResults, Trace
from directloss.report.page import origin, render_page
from directloss.report.style import line_styles

_PICTURES = 3
"""Of each class and kind."""


class Gallery(NamedTuple):
    """The pictures of a class."""

    column: str
    found: list[Picture]
    false: list[Picture]


def write_page(results: DetectionResults, finished: Finished, path: Path) -> None:
    """Writes the page; it appears whole or not at all."""
    best = max(results.table.rows, key=lambda row: row.average.mean).method
    page = render_page(
        "detection.html.j2",
        results=results,
        tables=tables,
        styles=line_styles(results.methods),
        best=best,
        panels=panels(results),
        galleries=galleries(finished, results.methods.index(best) * _seeds(results)),
        **origin(results),
    )
    write_whole(path, page.encode())


def panels(results: DetectionResults) -> dict[str, list[str | None]]:
    """For each class the lines of the methods as points of an SVG, recall and precision 0..100."""
    lines = {(trace.column, trace.method): _points(trace) for trace in results.curves}
    return {
        column: [lines.get((column, method)) for method in results.methods]
        for column in results.classes
    }


def galleries(finished: Finished, detector: int) -> list[Gallery]:
    """Pictures of one detector's best ranked detections of each class."""
    test = finished.material.test
    return [
        Gallery(
            name,
            *(
                top_pictures(finished.detections[detector][column], test, column, kind, _PICTURES)
                for kind in (FOUND, FALSE)
            ),
        )
        for column, name in enumerate(finished.material.classes)
    ]


def _points(trace: Trace) -> str | None:
    pairs: Sequence[tuple[float, float]] = list(zip(trace.recall, trace.precision, strict=True))
    if not pairs:
        return None
    shown = [(0.0, pairs[0][1]), *pairs]
    return " ".join(
        f"{100 * recall:.1f},{100 - 100 * precision:.1f}" for recall, precision in shown
    )


def _seeds(results: DetectionResults) -> int:
    return int(results.configuration["seeds"])
