"""Log-log plots of time and memory against the length of the list, slopes in the legend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.figures import SETTINGS, save
from benchmarks.profile import PARTS
from benchmarks.tables import count, seconds
from benchmarks.works import REFERENCE

__all__ = ["FORMATS", "draw_all", "draw_cost", "draw_parts"]

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

COST = {
    "AveragePrecision positive": ("AP, positive direction", "#0969da", "-"),
    "AveragePrecision negative": ("AP, negative direction", "#0969da", "--"),
    "BCE": ("cross-entropy", "#1a7f37", "-"),
    REFERENCE: (REFERENCE, "black", "-"),
    "blackbox MAP": ("blackbox MAP", "#bc4c00", "-"),
    "soft-rank AP": ("soft-rank AP", "#bf8700", "-"),
    "AP-loss": ("AP-loss", "#cf222e", "-"),
    "Smooth-AP": ("Smooth-AP", "#8250df", "-"),
    "LibAUC APLoss": ("LibAUC APLoss", "#57606a", "-"),
}
"""The works of the picture of the document: label, colour, dashes."""


def draw_cost(results: dict[str, Any], path: Path) -> None:
    """Seconds of a step of average precision and its peers against length, a panel a share."""
    shares = list(dict.fromkeys(row["share"] for row in results["speed"]))
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(10, 4), layout="constrained")
        panels = figure.subplots(1, len(shares), sharey=True, squeeze=False)[0]
        for axes, share in zip(panels, shares, strict=True):
            rows = [r for r in results["speed"] if r["share"] == share and "seconds" in r]
            for work, (label, colour, dashes) in COST.items():
                mine = sorted((r["n"], r["seconds"]) for r in rows if r["work"] == work)
                if mine:
                    style = {"marker": "o", "markersize": 3, "linewidth": 1.4, "label": label}
                    axes.plot(*zip(*mine, strict=True), color=colour, linestyle=dashes, **style)
            axes.set(xscale="log", yscale="log", xlabel="items in the list")
            axes.set_xticks(sorted({r["n"] for r in rows}))
            axes.xaxis.set_major_formatter(lambda n, _: count(int(n)))
            axes.minorticks_off()
            axes.set_title(f"{share:.0%} positives", fontsize=9, loc="left")
        panels[0].set_ylabel("seconds of a step")
        panels[0].set_yticks(
            [10.0**power for power in range(-4, 2)],
            ["0.1 ms", "1 ms", "10 ms", "0.1 s", "1 s", "10 s"],
        )
        figure.legend(
            *panels[0].get_legend_handles_labels(), loc="outside right center", frameon=False
        )
        save(figure, path)


PART_COLOURS = dict(
    zip(PARTS, ("#bf8700", "#0969da", "#8250df", "#1a7f37", "#8c959f"), strict=True)
)


def draw_parts(results: dict[str, Any], path: Path) -> None:
    """Where the time of a step goes: a bar for each length, a panel for each direction."""
    rows = results["profile"]
    directions = list(dict.fromkeys(row["direction"] for row in rows))
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(10, 2.6), layout="constrained")
        panels = figure.subplots(1, len(directions), sharey=True, squeeze=False)[0]
        for axes, direction in zip(panels, directions, strict=True):
            mine = [row for row in rows if row["direction"] == direction]
            names = [count(row["n"]) for row in mine]
            begin = [0.0] * len(mine)
            for part, colour in PART_COLOURS.items():
                shares = [100.0 * row[part] / row["step"] for row in mine]
                label = part if direction == directions[0] else None
                axes.barh(names, shares, left=begin, color=colour, label=label, height=0.7)
                begin = [a + b for a, b in zip(begin, shares, strict=True)]
            for name, row, end in zip(names, mine, begin, strict=True):
                axes.text(end + 1.0, name, seconds(row["step"]), va="center", fontsize=8)
            axes.set(xlabel="% of the step", xlim=(0, 118))
            axes.set_title(f"{direction} direction", fontsize=9, loc="left")
        panels[0].invert_yaxis()  # which they share
        panels[0].set_ylabel("items in the list")
        figure.legend(loc="outside right center", frameon=False)
        save(figure, path)


def draw_all(results: dict[str, Any], folder: Path) -> list[Path]:
    """Write every picture of a run for each share; the files written."""
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
            with mpl.rc_context(SETTINGS):
                figure = _draw(f"{title}, {share:.0%} positives", rows, results["slopes"])
                for form in FORMATS:
                    path = folder / f"{name}-{share * 100:g}.{form}"
                    save(figure, path)
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
