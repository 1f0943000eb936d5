"""Log-log plots of time and memory against the length of the list, slopes in the legend."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.tables import count
from benchmarks.works import REFERENCE

__all__ = ["FORMATS", "draw_all"]

Row = dict[str, Any]
FORMATS = ("png", "svg")

PICTURES = {
    "ap": (
        "Average precision and its peers",
        ("task", "peer"),
        ("AveragePrecision", "BCE", "blackbox", "Smooth-AP", "AP-loss", "soft-rank", "LibAUC"),
    ),
    "tasks": ("Every task, default forms", ("task",), ()),
    "sets": (
        "Sets and gains, and their peers",
        ("task", "peer"),
        ("Jaccard", "Dice", "Lovasz", "NDCG", "LambdaRank"),
    ),
}
"""Of each picture: title, kinds and parts of names that are in it (none: all)."""

_SETTINGS: dict[Any, Any] = {
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "svg.hashsalt": "directloss",  # the same results give the same bytes
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw_all(results: dict[str, Any], folder: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write every picture in these formats for each share; the files written."""
    written = []
    for share in dict.fromkeys(row["share"] for row in results["speed"]):
        for name, (title, kinds, parts) in PICTURES.items():
            rows = [
                row
                for row in results["speed"]
                if row["share"] == share
                and "seconds" in row
                and (
                    row["work"] == REFERENCE
                    or (
                        row["kind"] in kinds
                        and (not parts or any(part in row["work"] for part in parts))
                    )
                )
            ]
            # A run of chosen works may hold none of a picture's, or too little memory to measure.
            if not any(row["growth_bytes"] for row in rows):
                continue
            with mpl.rc_context(_SETTINGS):
                figure = _draw(f"{title}, {share:.0%} positives", rows, results["slopes"])
                for form in formats:
                    path = folder / f"{name}-{share * 100:g}.{form}"
                    metadata = {"Date": None} if form == "svg" else None
                    figure.savefig(path, dpi=150, metadata=metadata)
                    written.append(path)
    return written


def _draw(title: str, rows: list[Row], slopes: list[Row]) -> Figure:
    works = list(dict.fromkeys(row["work"] for row in rows))
    figure = Figure(figsize=(11, 4.2 + 0.11 * max(len(works) - 16, 0)), layout="constrained")
    times, memory = figure.subplots(1, 2)
    colours = mpl.colormaps["turbo"]
    for index, work in enumerate(works):
        mine = [row for row in rows if row["work"] == work]
        share = mine[0]["share"]
        slope = next(s for s in slopes if (s["work"], s["share"]) == (work, share))["seconds"]
        style = {
            "label": work if slope is None else f"{work} (slope {slope:.2f})",
            "color": "black" if work == REFERENCE else colours(index / max(len(works), 2)),
            "linestyle": "-" if mine[0]["kind"] == "task" else "--",
            "marker": "o",
            "markersize": 3,
            "linewidth": 1.2,
        }
        times.plot([r["n"] for r in mine], [r["seconds"] for r in mine], **style)
        grown = [r for r in mine if r["growth_bytes"]]
        memory.plot([r["n"] for r in grown], [r["growth_bytes"] / 1e6 for r in grown], **style)
    for axes, label in ((times, "seconds, forward + backward"), (memory, "peak growth, MB")):
        axes.set(xscale="log", yscale="log", xlabel="items in the list", ylabel=label)
        axes.set_xticks(sorted({row["n"] for row in rows}))
        axes.xaxis.set_major_formatter(lambda n, _: count(int(n)))
    figure.suptitle(title)
    handles, labels = times.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", fontsize=7, frameon=False)
    return figure
