"""The curves as a still picture (SVG, PNG or PDF) for documents, drawn with matplotlib."""

from __future__ import annotations

from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from directloss.errors import ArgumentError
from directloss.files import write_whole
from directloss.report.curves import Quantity, curve, quantities
from directloss.report.schema import Results
from directloss.report.style import DARK_BACKGROUND, LIGHT_BACKGROUND, LineStyle, line_styles

Scheme = Literal["light", "dark"]

INKS = {
    "light": (LIGHT_BACKGROUND, "#24262b", "#d9dce2"),
    "dark": (DARK_BACKGROUND, "#e3e5ea", "#343842"),
}
"""Background, text and grid, as on the page."""

_FORMATS = (".svg", ".png", ".pdf")


def write_figure(
    results: Results,
    path: Path | str,
    *,
    quantity: Literal["test", "spread", "zero_gradient"] = "test",
    column: str | None = None,
    scheme: Scheme = "light",
) -> None:
    """Draw one quantity against the iteration, a line and a band over seeds for each method.

    `column` None is the mean over columns; the suffix of `path` says the format. The same results
    give the same bytes. Raises `ArgumentError` for an unknown column or suffix, `OSError` if the
    file cannot be written.
    """
    path = Path(path)
    if path.suffix not in _FORMATS:
        raise ArgumentError("path", f"the suffix {path.suffix!r}", f"one of {', '.join(_FORMATS)}")
    if column is not None and column not in results.columns:
        raise ArgumentError("column", repr(column), f"None or one of {results.columns}")
    chosen = next(each for each in quantities(results) if each.key == quantity)
    figure = draw(results, chosen, column=column, scheme=scheme)
    write_whole(path, encoded(figure, path.suffix))


def encoded(figure: Figure, suffix: str) -> bytes:
    """The content of a file with this suffix; the same figure gives the same bytes."""
    content = BytesIO()
    # No date: a picture in a repository changes with its data only.
    metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix)
    with drawing_style():
        figure.savefig(content, format=suffix[1:], dpi=160, metadata=metadata)
    return content.getvalue()


def draw(results: Results, quantity: Quantity, *, column: str | None, scheme: Scheme) -> Figure:
    """The figure as a matplotlib object, independent of pyplot's global state."""
    background, text, _ = INKS[scheme]
    with drawing_style():
        figure = Figure(figsize=(8.6, 4.4), facecolor=background, layout="constrained")
        axes = figure.add_subplot(facecolor=background)
        draw_lines(axes, results, quantity, column=column, scheme=scheme)
        figure.legend(loc="outside right center", frameon=False, labelcolor=text, handlelength=3.2)
    return figure


def draw_lines(
    axes: Axes, results: Results, quantity: Quantity, *, column: str | None, scheme: Scheme
) -> None:
    """The lines and bands of all methods that were run, with the axes in the scheme's inks."""
    # Many bands on top of each other would hide the lines.
    opacity = 0.16 if len(results.methods) <= 5 else 0.07 if len(results.methods) <= 10 else 0.03
    for method, style in line_styles(results.methods).items():
        line = curve(results, quantity, method, column)
        if line is None:
            continue
        colour = style.light if scheme == "light" else style.dark
        axes.plot(
            line.iteration,
            line.centre,
            color=colour,
            linewidth=1.8,
            linestyle=dash_pattern(style),
            label=method,
        )
        if line.seeds > 1:
            axes.fill_between(
                line.iteration, line.low, line.high, color=colour, alpha=opacity, linewidth=0
            )
    if quantity.log:
        axes.set_yscale("log")
    ink_axes(axes, "iteration", quantity.axis, scheme)


def ink_axes(axes: Axes, x: str, y: str, scheme: Scheme) -> None:
    """Labels, grid and frame in the scheme's inks."""
    _, text, grid = INKS[scheme]
    axes.set_xlabel(x, color=text)
    axes.set_ylabel(y, color=text)
    axes.margins(x=0.01)
    axes.grid(color=grid, linewidth=0.7)
    axes.tick_params(colors=text, which="both")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(text)


def drawing_style() -> AbstractContextManager[None]:
    """Settings of matplotlib under which a figure is drawn and saved."""
    return mpl.rc_context(
        {
            "font.size": 10,
            # The text of an SVG stays text: smaller, searchable, in the reader's font.
            "svg.fonttype": "none",
            # Element names would be random without it.
            "svg.hashsalt": "directloss",
        }
    )


def dash_pattern(style: LineStyle) -> str | tuple[int, tuple[float, ...]]:
    """The dashes of a style, as matplotlib writes them."""
    return (0, style.pattern) if style.pattern else "solid"
