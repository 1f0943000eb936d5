"""The evaluation of one model: metrics with intervals, precision-recall and ROC curves."""

from __future__ import annotations

import shlex

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from rich.table import Table
from rich.text import Text

from directloss.report.page import moment, render_page
from directloss.report.schema import Record
from directloss.terminal import printable

MOST_POINTS = 800
"""Of a curve: more cannot be told apart on a screen."""

_Array = NDArray[np.float64]


class Line(Record):
    """One metric. Values are as they are: an average precision lies in [0, 1]."""

    name: str = Field(description="as the command line takes it")
    words: str
    value: float | None = Field(description="None where it is undefined")
    low: float | None
    high: float | None
    undefined: float = Field(description="share of resamples on which it is undefined")
    threshold: float | None = Field(description="for a metric of decisions; of the training part")


class Curve(Record):
    """Points from the strictest threshold to the mildest."""

    x: list[float]
    y: list[float]


class Evaluation(Record):
    """The file `evaluation.json`."""

    schema_version: int = 1
    title: str
    command: list[str]
    created: str = Field(description="ISO 8601, with time zone")
    versions: dict[str, str]
    model: str
    data: str
    rows: int
    positives: int
    lists: int | None = Field(description="queries; None where all rows are one list")
    resamples: int
    level: float
    seed: int
    graded: bool = Field(default=False, description="whether targets are relevances above 1, too")
    lines: list[Line]
    precision_recall: Curve | None = Field(description="None where there are several lists")
    roc: Curve | None


def precision_recall(scores: _Array, positive: NDArray[np.bool_]) -> Curve:
    """Recall and precision at every distinct score, ties together; thinned for the screen.

    The first point is moved to recall 0 as well: steps that go up or down first and to the right
    then, from there, have the average precision as their area.

    Args:
        scores: `(n,)`.
        positive: `(n,)`, with at least one of them.
    """
    tp, fp = _counts(scores, positive)
    recall, precision = tp / tp[-1], tp / (tp + fp)
    return _thinned(np.append(0.0, recall), np.append(precision[0], precision))


def roc(scores: _Array, positive: NDArray[np.bool_]) -> Curve:
    """False and true positive rate from (0, 0) to (1, 1), ties together; thinned for the screen.

    Args:
        scores: `(n,)`.
        positive: `(n,)`, with at least one positive and one negative.
    """
    tp, fp = _counts(scores, positive)
    return _thinned(np.append(0.0, fp / fp[-1]), np.append(0.0, tp / tp[-1]))


def console_table(evaluation: Evaluation) -> Table:
    """The metrics for a terminal."""
    table = Table(
        title=Text(printable(evaluation.title)),
        caption=Text(caption(evaluation)),
        title_justify="left",
        caption_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("metric", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("interval", justify="right")
    for line in evaluation.lines:
        table.add_row(Text(line.words), shown(line.value), interval(line))
    return table


def caption(evaluation: Evaluation) -> str:
    """What the numbers are."""
    drawn = "queries" if evaluation.lists is not None else "rows"
    text = f"Values times 100, over {evaluation.rows} rows, {evaluation.positives} of them positive"
    if evaluation.lists is not None:
        text += f", in {evaluation.lists} queries"
    if evaluation.resamples:
        text += (
            f"; {100 * evaluation.level:g} % intervals by {evaluation.resamples} bootstrap "
            f"resamples of the {drawn}"
        )
    if evaluation.graded:
        text += "; of relevances only NDCG knows the size, the others take those above 0 as 1"
    return text + "."


def shown(value: float | None) -> str:
    """A value for the eye."""
    return "–" if value is None else f"{100 * value:.2f}"


def interval(line: Line) -> str:
    """An interval for the eye."""
    return "" if line.low is None else f"{shown(line.low)} to {shown(line.high)}"


def render(evaluation: Evaluation) -> str:
    """The text of the page, self-contained."""
    return render_page(
        "evaluation.html.j2",
        evaluation=evaluation,
        caption=caption(evaluation),
        shown=shown,
        interval=interval,
        created=moment(evaluation.created),
        command=shlex.join(evaluation.command),
        plot_data={
            "share": evaluation.positives / max(evaluation.rows, 1),
            "curves": {
                "precision-recall": _packed(evaluation.precision_recall),
                "roc": _packed(evaluation.roc),
            },
        },
    )


def _counts(scores: _Array, positive: NDArray[np.bool_]) -> tuple[_Array, _Array]:
    """True and false positives when all down to each distinct score are called positive."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    tp = np.cumsum(positive[order], dtype=np.float64)[ends]
    return tp, ends + 1.0 - tp


def _thinned(x: _Array, y: _Array) -> Curve:
    if len(x) > MOST_POINTS:
        # Even steps along the curve, which keep its beginning, where precision jumps.
        length = np.append(0.0, np.cumsum(np.hypot(np.diff(x), np.diff(y))))
        wanted = np.linspace(0.0, length[-1], MOST_POINTS)
        keep = np.unique(np.append(np.searchsorted(length, wanted[:-1]), len(x) - 1))
        x, y = x[keep], y[keep]
    return Curve(x=x.tolist(), y=y.tolist())


def _packed(curve: Curve | None) -> dict[str, list[float]] | None:
    if curve is None:
        return None
    return {"x": [round(v, 5) for v in curve.x], "y": [round(v, 5) for v in curve.y]}
