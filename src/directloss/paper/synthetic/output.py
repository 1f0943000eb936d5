"""What a study leaves beside `results.json`: the page and the figures."""

from __future__ import annotations

import base64
from pathlib import Path

from directloss.files import write_whole
from directloss.paper.synthetic.figures import column_figure, noise_columns, noise_figure
from directloss.paper.synthetic.page import render
from directloss.paper.synthetic.results import StudyResults
from directloss.report.figures import encoded

REPORT = "report.html"
FIGURES = "figures"
NOISE = "label-noise"
_SUFFIXES = (".png", ".svg")


def write_all(study: StudyResults, folder: Path) -> Path:
    """Writes the page and all figures into the folder; returns the page."""
    write_figures(study, folder / FIGURES)
    pictures = {}
    if noise_columns(study):
        for scheme in ("light", "dark"):
            content = encoded(noise_figure(study, scheme), ".svg")
            pictures[scheme] = f"data:image/svg+xml;base64,{base64.b64encode(content).decode()}"
    page = folder / REPORT
    write_whole(page, render(study, pictures).encode())
    return page


def write_figures(study: StudyResults, folder: Path) -> None:
    """Each figure as PNG and SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        file_name(column.name): column_figure(study, column.name, "light")
        for column in study.columns
    }
    if noise_columns(study):
        figures[NOISE] = noise_figure(study, "light")
    for name, figure in figures.items():
        for suffix in _SUFFIXES:
            write_whole(folder / f"{name}{suffix}", encoded(figure, suffix))


def file_name(column: str) -> str:
    """The name of a column as that of a file: "fair, 20 % flips" -> "fair-20-flips"."""
    words = "".join(letter if letter.isalnum() or letter == "." else " " for letter in column)
    return "-".join(words.split())
