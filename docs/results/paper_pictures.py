"""The two pictures of `docs/paper.md`: its answer, and every claim."""

from __future__ import annotations

import textwrap
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.figures import SETTINGS, Interval, draw_intervals, save
from directloss.paper.synthetic.results import Claim

if TYPE_CHECKING:
    from paper_study import Study

ANSWER, CLAIMS = "answer.svg", "claims.svg"
DIRECT = "pos-ap"
COMPARISONS = (
    ("logistic", "training", "cross-entropy,\nchosen by training AP"),
    ("logistic", "validation", "cross-entropy,\nchosen by validation AP"),
    ("logistic-regularised", "training", "regularised cross-entropy,\nchosen by training AP"),
)
"""What `DIRECT` is compared with: method, rule that chooses settings, title."""

RANGE = (-10.0, 25.0)
"""Points of AP that the answer shows; an interval that leaves it ends in an arrow."""

BAR = 0.2
"""Height of the share of a line that one interval of a claim takes."""


def draw_all(network: Study, linear: Study, folder: Path) -> None:
    """Writes both pictures."""
    with mpl.rc_context(SETTINGS):
        save(answer(network), folder / ANSWER)
        save(claims([*network.results.claims, *linear.results.claims]), folder / CLAIMS)


def answer(network: Study) -> Figure:
    """`DIRECT` minus cross-entropy in every setting of the network, with 95 % intervals."""
    figure = Figure(figsize=(9.5, 3.2), layout="constrained")
    panels = figure.subplots(1, len(COMPARISONS), sharey=True, sharex=True)
    names = [column.name for column in network.results.columns if DIRECT in column.methods]
    for axes, (other, rule, title) in zip(panels, COMPARISONS, strict=True):
        found = {
            name: network.paired(DIRECT, other, name, rule=rule)
            for name in names
            if other in network.column(name).methods
        }
        missing = (nan, nan, nan)
        draw_intervals(axes, [Interval(name, *found.get(name, missing)) for name in names], 0.0)
        _mark_what_leaves(axes, [found.get(name) for name in names])
        axes.set_xlim(*RANGE)
        axes.set_title(f"against {title}", fontsize=9, loc="left")
    figure.supxlabel(f"{DIRECT} minus the other, points of test AP", fontsize=9)
    return figure


def _mark_what_leaves(axes: Axes, intervals: list[tuple[float, float, float] | None]) -> None:
    for line, found in enumerate(intervals):
        if found is not None and found[2] > RANGE[1]:
            words = f"mean {found[0]:.0f}, to {found[2]:.0f} "
            axes.text(RANGE[1], line - 0.28, words, ha="right", va="center", fontsize=7)
            axes.plot(RANGE[1], line, ">", color="black", markersize=5, clip_on=False)


def claims(found: list[Claim]) -> Figure:
    """A line for each claim: all its differences, green where the claim holds."""
    figure = Figure(figsize=(9.5, 0.42 * len(found) + 0.8), layout="constrained")
    axes = figure.subplots()
    for line, claim in enumerate(found):
        count = len(claim.differences)
        for number, each in enumerate(claim.differences):
            height = line + (number - (count - 1) / 2) * min(BAR, 0.8 / count)
            colour = "#1a7f37" if each.holds else "#c0392b"
            low, mean, high = (100 * value for value in (each.low, each.mean, each.high))
            axes.plot([low, high], [height, height], color=colour, linewidth=1.2)
            axes.plot(mean, height, "o", color=colour, markersize=2.5)
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.set_yticks(
        range(len(found)), [textwrap.fill(claim.words, 72) for claim in found], fontsize=7
    )
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.set_xscale("symlog", linthresh=1.0)
    ticks = (-50, -10, -1, 0, 1, 10, 50)
    axes.set_xticks(ticks, [f"{tick:+d}" if tick else "0" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("difference in points of test AP, one line for each setting")
    return figure
