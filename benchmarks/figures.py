"""The pictures of the documentation: small SVG files whose text stays text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["SETTINGS", "Interval", "draw_intervals", "save"]

SETTINGS = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "directloss",  # the same results give the same bytes
}

_ABOVE, _BELOW, _OPEN = "#1a7f37", "#c0392b", "#57606a"


@dataclass(frozen=True)
class Interval:
    """A value with its bounds, on the line of its label."""

    label: str
    value: float
    low: float
    high: float


def draw_intervals(axes: Axes, intervals: Sequence[Interval], zero: float | None = None) -> None:
    """One line for each interval, the first on top.

    Args:
        axes: where to draw.
        intervals: what to draw.
        zero: a value to compare with. Intervals above it are green, those below it red.
    """
    for line, each in enumerate(intervals):
        colour = _OPEN
        if zero is not None and each.low > zero:
            colour = _ABOVE
        elif zero is not None and each.high < zero:
            colour = _BELOW
        axes.plot([each.low, each.high], [line, line], color=colour, linewidth=1.6)
        axes.plot(each.value, line, "o", color=colour, markersize=4)
    if zero is not None:
        axes.axvline(zero, color="black", linewidth=0.8)
    axes.set_yticks(range(len(intervals)), [each.label for each in intervals])
    axes.set_ylim(len(intervals) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)


def save(figure: Figure, path: Path) -> None:
    """Writes a figure; the ending of the path decides its format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"Date": None} if path.suffix == ".svg" else None
    with mpl.rc_context(SETTINGS):
        figure.savefig(path, dpi=150, metadata=metadata)
