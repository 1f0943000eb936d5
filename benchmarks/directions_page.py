"""`docs/tasks/directions.md` and its two heat maps, from the measurements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from benchmarks import archive
from benchmarks.figures import SETTINGS, save
from benchmarks.markdown import render
from benchmarks.tables import table

if TYPE_CHECKING:
    from benchmarks.directions import Measured

DIRECTIONS = ("positive", "negative", "both")
QUANTITIES = ("dead", "saturated")
LONG = 1_000
"""Items of a list that is not short."""

FEW = 10
"""Positives of a list that has few."""


def write(measured: Sequence[Measured], page: Path, kept: Path, shift: float) -> None:
    """Writes the page, and the heat maps into a folder of its name beside it.

    Args:
        measured: all measurements.
        page: where to write the page.
        kept: the archive with the measurements.
        shift: standard deviations between the classes of trained scores.
    """
    pictures = page.with_suffix("")
    measured, in_loss = ([m for m in measured if m.unit == unit] for unit in ("score", "loss"))
    with mpl.rc_context(SETTINGS):
        for quantity in QUANTITIES:
            save(heat_map(measured, quantity), pictures / f"{quantity}.svg")
    text = render(
        Path(__file__).parent / "directions.md.jinja",
        facts=facts(measured),
        percent=percent,
        column=column,
        draws=draws(measured),
        shift=shift,
        at_auto=at_auto(measured),
        by_factor=by_factor(measured),
        by_factor_in_loss=by_factor(in_loss),
        pictures=pictures.name,
        citation=archive.citation(kept, page),
    )
    page.write_text(text, encoding="utf-8")


def facts(measured: Sequence[Measured]) -> dict[str, object]:
    """What the sentences of the page say."""
    own = [m for m in auto(measured) if m.direction == m.default]
    lists = [m for m in own if m.positives is not None]
    short = [m for m in lists if m.size < LONG]
    long = [m for m in lists if m.size >= LONG]
    classes = [m for m in own if m.positives is None]
    return {
        "tasks": len({m.task for m in measured}),
        "short": fmean(m.dead for m in short),
        "long": fmean(m.dead for m in long),
        "worst_short": max(short, key=lambda m: m.dead),
        "worst_long": max(long, key=lambda m: m.dead),
        "few": {
            kind: fmean(m.dead for m in lists if 0 < (m.positives or 0) <= FEW and m.scores == kind)
            for kind in ("random", "trained")
        },
        "saturated": [
            task
            for task in dict.fromkeys(m.task for m in long)
            if fmean(m.saturated for m in long if m.task == task) > 0.5
        ],
        "classes": (min(m.dead for m in classes), max(m.dead for m in classes)),
    }


def auto(measured: Sequence[Measured]) -> list[Measured]:
    """The measurements at epsilon "auto"."""
    return [m for m in measured if m.factor == m.scale]


def at_auto(measured: Sequence[Measured]) -> str:
    """A row for each task at epsilon "auto": means over the settings, the default in bold."""
    body = []
    for task in dict.fromkeys(m.task for m in measured):
        mine = [m for m in auto(measured) if m.task == task]
        cells = [_means([m for m in mine if m.direction == each]) for each in DIRECTIONS]
        default = DIRECTIONS.index(mine[0].default)
        cells[default] = f"**{cells[default]}**"
        body.append([task, *cells])
    return table(["task", *DIRECTIONS], body)


def by_factor(measured: Sequence[Measured]) -> str:
    """A row for each task in its default direction, a column for each factor; "auto" in bold."""
    factors = sorted({m.factor for m in measured}, reverse=True)
    body = []
    for task in dict.fromkeys(m.task for m in measured):
        mine = [m for m in measured if m.task == task and m.direction == m.default]
        line = [task, mine[0].default]
        for factor in factors:
            found = [m for m in mine if m.factor == factor]
            means = _means(found) if found else ""
            line.append(f"**{means}**" if factor == mine[0].scale else means)
        body.append(line)
    return table(["task", "direction", *(f"{factor:g}" for factor in factors)], body)


def draws(measured: Sequence[Measured]) -> str:
    """How many lists of each length were drawn, in words."""
    found: dict[str, set[int]] = {}
    for m in measured:
        what = "items" if m.positives is not None else "classes"
        found.setdefault(f"{m.size:,} {what}", set()).add(m.draws)
    counted = {size: " or ".join(f"{n:,}" for n in sorted(each)) for size, each in found.items()}
    return ", ".join(f"{count} lists of {size}" for size, count in counted.items())


def column(m: Measured) -> str:
    """The setting of a measurement: items (positives), or classes, and the kind of scores."""
    found = " classes" if m.positives is None else f" ({m.positives:,})"
    return f"{m.size:,}{found} {m.scores}"


def percent(share: float) -> str:
    """A share in percent; one that is not quite 0 or 100 says so."""
    if 0.0 < share < 0.005:
        return "<1"
    if 0.995 < share < 1.0:
        return ">99"
    return f"{100 * share:.0f}"


def _means(cells: Sequence[Measured]) -> str:
    return " / ".join(percent(fmean(getattr(m, name) for m in cells)) for name in QUANTITIES)


def heat_map(measured: Sequence[Measured], quantity: str) -> Figure:
    """A panel for each direction at epsilon "auto", lists above, samples of many classes below."""
    lists = [m for m in auto(measured) if m.positives is not None]
    classes = [m for m in auto(measured) if m.positives is None]
    rows = [len({m.task for m in part}) for part in (lists, classes)]
    figure = Figure(figsize=(10.5, 7.5), layout="constrained")
    panels = figure.subplots(2, len(DIRECTIONS), height_ratios=rows, sharey="row")
    for across, direction in enumerate(DIRECTIONS):
        for down, part in enumerate((lists, classes)):
            image = _panel(panels[down, across], part, direction, quantity)
        panels[0, across].set_title(f'direction "{direction}"', fontsize=9, loc="left")
    bar = figure.colorbar(image, ax=panels, location="right", shrink=0.5, aspect=30)
    bar.set_label(f"{quantity} lists (%)")
    bar.outline.set_visible(False)
    return figure


def _short(task: str) -> str:
    """The repr of a task without arguments that say the usual."""
    for usual in ("k=None, ", ", normalize='reachable'", "gain='exp2'", "()"):
        task = task.replace(usual, "")
    return task.replace(", )", ")").removesuffix("()")


def _panel(
    axes: Axes, measured: Sequence[Measured], direction: str, quantity: str
) -> mpl.image.AxesImage:
    """One map; the tasks whose default direction it is are framed."""
    mine = [m for m in measured if m.direction == direction]
    tasks = list(dict.fromkeys(m.task for m in mine))
    columns = list(dict.fromkeys(column(m) for m in mine))
    shares = np.zeros((len(tasks), len(columns)))
    for m in mine:
        shares[tasks.index(m.task), columns.index(column(m))] = 100 * getattr(m, quantity)
    for task in dict.fromkeys(m.task for m in mine if m.default == direction):
        corner = (-0.5, tasks.index(task) - 0.5)
        axes.add_patch(Rectangle(corner, len(columns), 1, fill=False, linewidth=0.8))
    image = axes.imshow(shares, vmin=0, vmax=100, cmap="OrRd", aspect="auto")
    axes.set_yticks(range(len(tasks)), [_short(task) for task in tasks], fontsize=7)
    axes.set_xticks(range(len(columns)), columns, fontsize=6, rotation=90)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return image
