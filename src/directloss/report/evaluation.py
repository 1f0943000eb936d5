"""The evaluation of one model: metrics with intervals, precision-recall and ROC curves."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from pydantic import Field
from rich.table import Table
from rich.text import Text

from directloss.report.page import moment, render_page
from directloss.report.schema import Record
from directloss.report.tables import plain_table


class Line(Record):
    """One metric. Values are as they are: an average precision lies in [0, 1]."""

    name: str = Field(description="as the command line takes it")
    words: str
    value: float | None = Field(description="None where it is undefined")
    low: float | None
    high: float | None
    undefined: float = Field(description="share of resamples on which it is undefined")
    threshold: float | None = Field(description="for a metric of decisions; of the training part")


class Band(Record):
    """At each x the interval of a curve's y over the resamples."""

    x: list[float]
    low: list[float]
    high: list[float]


class Curve(Record):
    """Points from the strictest threshold to the mildest."""

    x: list[float]
    y: list[float]
    band: Band | None = None


class Share(Record):
    """A number with its interval; None where it is undefined, or nothing was resampled."""

    value: float | None
    low: float | None
    high: float | None


class Decision(Record):
    """What decisions by one threshold give: the confusion matrix, and what follows from it."""

    words: str = Field(description="how the threshold was chosen")
    threshold: float
    tp: int
    fp: int
    fn: int
    tn: int
    precision: Share
    recall: Share
    cost: Share | None = Field(description="of all errors together; None where no cost is known")


class Bin(Record):
    """Rows of about one probability, which is compared with the share of positives among them."""

    rows: int
    predicted: float = Field(description="mean probability")
    observed: Share


class Reliability(Record):
    """How far probabilities are shares."""

    kind: str = Field(description="of the calibration")
    brier: Share = Field(description="mean squared difference of probability and target")
    brier_of_share: float = Field(description="that of always predicting the share of positives")
    bins: list[Bin]


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
    costs: tuple[float, float] | None = Field(
        default=None, description="of a false positive and of a false negative"
    )
    decisions: list[Decision] = Field(default=[], description="none of queries")
    reliability: Reliability | None = Field(
        default=None, description="None where the model has no calibration"
    )


def console_table(evaluation: Evaluation) -> Table:
    """The metrics for a terminal."""
    table = plain_table(evaluation.title, caption(evaluation))
    table.add_column("metric", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("interval", justify="right")
    for line in evaluation.lines:
        table.add_row(Text(line.words), shown(line.value), interval(line))
    return table


def decisions_table(evaluation: Evaluation) -> Table:
    """The confusion matrices for a terminal, one a line."""
    table = Table(box=None, pad_edge=False, padding=(0, 0, 0, 2))
    table.add_column("threshold", overflow="fold")
    for name in ("at", "TP", "FP", "FN", "TN", "precision", "recall"):
        table.add_column(name, justify="right")
    if evaluation.costs is not None:
        table.add_column("cost", justify="right")
    for each in evaluation.decisions:
        counts = (str(count) for count in (each.tp, each.fp, each.fn, each.tn))
        shares = (shown(share.value) for share in (each.precision, each.recall))
        costs = [] if each.cost is None else [f"{each.cost.value:g}"]
        table.add_row(Text(each.words), f"{each.threshold:.4g}", *counts, *shares, *costs)
    return table


def calibration_line(evaluation: Evaluation) -> str | None:
    """The Brier score in words; None without a calibration."""
    found = evaluation.reliability
    if found is None or found.brier.value is None:
        return None
    low, high = found.brier.low, found.brier.high
    between = "" if low is None else f" ({low:.4f} to {high:.4f})"
    return (
        f"Brier score of the probabilities ({found.kind}): {found.brier.value:.4f}{between}; "
        f"always predicting the share of positives: {found.brier_of_share:.4f}"
    )


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


def interval(line: Line | Share) -> str:
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
        calibration_line=calibration_line(evaluation),
        drawn=evaluation.roc is not None or evaluation.reliability is not None,
        created=moment(evaluation.created),
        command=shlex.join(evaluation.command),
        plot_data={
            "share": evaluation.positives / max(evaluation.rows, 1),
            "curves": {
                "precision-recall": _packed(evaluation.precision_recall),
                "roc": _packed(evaluation.roc),
                "reliability": _packed_bins(evaluation.reliability),
            },
        },
    )


def _packed(curve: Curve | None) -> dict[str, Any] | None:
    if curve is None:
        return None
    band = curve.band
    return {
        **_rounded(x=curve.x, y=curve.y),
        "band": None if band is None else _rounded(x=band.x, low=band.low, high=band.high),
    }


def _packed_bins(reliability: Reliability | None) -> dict[str, Any] | None:
    if reliability is None:
        return None
    bins, observed = reliability.bins, [each.observed for each in reliability.bins]
    return {
        **_rounded(x=[each.predicted for each in bins], y=[each.value for each in observed]),
        **_rounded(low=[each.low for each in observed], high=[each.high for each in observed]),
        "rows": [each.rows for each in bins],
    }


def _rounded(**lines: Sequence[float | None]) -> dict[str, list[float | None]]:
    return {
        name: [None if value is None else round(value, 5) for value in line]
        for name, line in lines.items()
    }
