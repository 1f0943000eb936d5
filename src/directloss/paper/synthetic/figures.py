"""The figures of a study as still pictures: one a column, and one of label noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from directloss.paper.synthetic import view
from directloss.paper.synthetic.results import RULES, ColumnRecord, StudyResults, StudyRun
from directloss.report.figures import (
    INKS,
    Scheme,
    dash_pattern,
    draw_lines,
    drawing_style,
    ink_axes,
)
from directloss.report.style import line_styles


def column_figure(study: StudyResults, column: str, scheme: Scheme) -> Figure:
    """Average precision, accuracy, spread and zero gradients of a column, settings as in the paper.

    The four share one legend.
    """
    background, text, _ = INKS[scheme]
    with drawing_style():
        figure = Figure(figsize=(10.5, 7.0), facecolor=background, layout="constrained")
        panels = figure.subplots(2, 2, sharex=True)
        kinds = view.quantities(study, RULES[0])
        for axes, (quantity, results) in zip(panels.flat, kinds, strict=True):
            axes.set_facecolor(background)
            draw_lines(axes, results, quantity, column=column, scheme=scheme)
            axes.set_title(quantity.title, color=text, fontsize=10, loc="left")
        for axes in panels[0]:
            axes.set_xlabel("")
        panels[1, 1].set_ylim(-3, 103)  # a share; mostly 0, where an axis of its own would be noise
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            loc="outside right center",
            frameon=False,
            labelcolor=text,
            handlelength=3.2,
        )
    return figure


@dataclass(frozen=True)
class NoiseLine:
    """A method's test AP against the share of flipped labels: mean, lowest and highest of seeds."""

    flips: list[float]
    mean: list[float]
    low: list[float]
    high: list[float]


def noise_columns(study: StudyResults) -> list[ColumnRecord]:
    """The fair setting without flips and with them, by rising share; empty without flips."""
    found = [column for column in study.columns if column.setting == "fair"]
    return sorted(found, key=lambda column: column.flips) if len(found) > 1 else []


def noise_lines(
    study: StudyResults, runs: Sequence[StudyRun], *, flipped_test: bool
) -> dict[str, NoiseLine]:
    """The lines of all methods that were run under label noise."""
    columns = noise_columns(study)
    lines = {}
    for method in columns[-1].methods if columns else []:
        per_column = [
            [
                run.validation if flipped_test else run.test
                for run in runs
                if run.method == method and run.column == column.name
            ]
            for column in columns
            if method in column.methods
        ]
        lines[method] = NoiseLine(
            flips=[column.flips for column in columns if method in column.methods],
            mean=[fmean(values) for values in per_column],
            low=[min(values) for values in per_column],
            high=[max(values) for values in per_column],
        )
    return lines


def noise_figure(study: StudyResults, scheme: Scheme) -> Figure:
    """Test AP against the share of flipped labels, on clean and on flipped test labels."""
    background, text, _ = INKS[scheme]
    titles = {False: "Training labels flipped", True: "Training and test labels flipped"}
    runs = study.chosen(RULES[0])
    with drawing_style():
        figure = Figure(figsize=(10.5, 4.4), facecolor=background, layout="constrained")
        for number, (flipped_test, title) in enumerate(titles.items()):
            axes = figure.add_subplot(1, 2, number + 1, facecolor=background)
            lines = noise_lines(study, runs, flipped_test=flipped_test)
            _draw_noise(axes, study, lines, scheme)
            axes.set_title(title, color=text, fontsize=10, loc="left")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            loc="outside right center",
            frameon=False,
            labelcolor=text,
            handlelength=3.2,
        )
    return figure


def _draw_noise(
    axes: Axes, study: StudyResults, lines: dict[str, NoiseLine], scheme: Scheme
) -> None:
    styles = line_styles(study.methods)
    for method, line in lines.items():
        colour = styles[method].light if scheme == "light" else styles[method].dark
        percent = [100 * share for share in line.flips]
        low, mean, high = (
            [100 * value for value in values] for values in (line.low, line.mean, line.high)
        )
        axes.plot(
            percent,
            mean,
            color=colour,
            linewidth=1.8,
            linestyle=dash_pattern(styles[method]),
            marker="o",
            markersize=4,
            label=method,
        )
        axes.fill_between(percent, low, high, color=colour, alpha=0.05, linewidth=0)
    ink_axes(axes, "flipped labels (%)", "test average precision (%)", scheme)
