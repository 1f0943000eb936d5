"""How a method is drawn: colour tells the update, dash pattern tells the metric.

The seven colours keep an OKLab distance of at least 0.1 from each other for normal sight and under
simulated protanopia, deuteranopia and tritanopia, and a contrast of at least 3 to their background
(WCAG 2.1, criterion 1.4.11). Methods that share a colour differ in their dash pattern.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LIGHT_BACKGROUND = "#ffffff"
DARK_BACKGROUND = "#16181d"

# name: (on the light background, on the dark background)
PALETTE: dict[str, tuple[str, str]] = {
    "ink": ("#1b1b1b", "#f4f4f4"),
    "blue": ("#1f4fb5", "#4478f0"),
    "teal": ("#229e95", "#3ad0a0"),
    "vermilion": ("#b84309", "#d84a1b"),
    "violet": ("#b56cf5", "#c79bff"),
    "orange": ("#dd7900", "#ffb733"),
    "plum": ("#6b3a56", "#9c5c86"),
}

# Lengths of ink and gap in units of a line's width, as in SVG's stroke-dasharray.
DASHES: dict[str, tuple[float, ...]] = {
    "solid": (),
    "dashed": (4, 2),
    "dotted": (1, 1.6),
    "dash-dot": (5, 1.6, 1, 1.6),
    "dash-dot-dot": (5, 1.6, 1, 1.6, 1, 1.6),
}

_UPDATE_COLOUR = {
    "logistic": "ink",
    "pos": "blue",
    "hinge": "teal",
    "neg": "vermilion",
    "both": "violet",
    "per": "orange",
    "mix": "plum",
}
_METRIC_DASH = {"ap": "solid", "01": "dashed"}


@dataclass(frozen=True)
class LineStyle:
    """Two keys: a colour of `PALETTE` and a pattern of `DASHES`."""

    colour: str
    dash: str

    @property
    def light(self) -> str:
        return PALETTE[self.colour][0]

    @property
    def dark(self) -> str:
        return PALETTE[self.colour][1]

    @property
    def pattern(self) -> tuple[float, ...]:
        return DASHES[self.dash]

    def stroke(self, width: float) -> str:
        """The pattern for a line of this width, as plotly and SVG write it."""
        return ", ".join(f"{width * length:g}px" for length in self.pattern) or "solid"


def line_styles(methods: Sequence[str]) -> dict[str, LineStyle]:
    """A style for each method, no two alike for up to 35 methods.

    A method of the paper looks the same in every report, whatever its company. Relatives of theirs
    ("logistic-regularised") take the same colour with another pattern, all others what is left, in
    the order in which they come.
    """
    chosen: dict[str, LineStyle] = {}
    for method in methods:
        update, _, metric = method.partition("-")
        if update in _UPDATE_COLOUR and (metric in _METRIC_DASH or method == "logistic"):
            chosen[method] = LineStyle(_UPDATE_COLOUR[update], _METRIC_DASH.get(metric, "solid"))
    relatives_first = sorted(methods, key=lambda method: _colour(method) is None)
    for method in relatives_first:
        if method not in chosen:
            chosen[method] = _free_style(_colour(method), set(chosen.values()))
    return {method: chosen[method] for method in methods}


def _colour(method: str) -> str | None:
    return _UPDATE_COLOUR.get(method.partition("-")[0])


def _free_style(colour: str | None, taken: set[LineStyle]) -> LineStyle:
    # Dotted first: solid and dashed say AP and 0-1.
    order = ["dotted", "dash-dot", "dash-dot-dot", "dashed", "solid"]
    styles = [LineStyle(name, dash) for dash in order for name in PALETTE]
    styles.sort(key=lambda style: colour is not None and style.colour != colour)
    return next((style for style in styles if style not in taken), styles[0])
