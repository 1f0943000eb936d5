"""`directloss evaluate`: every metric of a trained model."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class PartName(StrEnum):
    """Parts of the data of the training."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


def evaluate(
    model: Annotated[Path, typer.Argument(help="Model folder that `directloss train` wrote.")],
    data: Annotated[
        str | None,
        typer.Option(
            help="Table with the columns and the target of the training, or image folder; all of "
            "it is used. Without it: a part of the data of the training."
        ),
    ] = None,
    part: Annotated[
        PartName | None, typer.Option(help="Which part, without --data; by default the test part.")
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(
            help="Also decide with at least this precision (0.9), at the highest recall; like the "
            "next two, by a threshold that is chosen on the validation part of the training."
        ),
    ] = None,
    recall: Annotated[
        float | None,
        typer.Option(help="Also decide with at least this recall, with the fewest positives."),
    ] = None,
    cost: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="FP FN",
            help="Costs of a false positive and of a false negative (1 20): also decide at the "
            "least cost, and give the cost of all decisions.",
        ),
    ] = None,
    resamples: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Of the bootstrap; by default 1000, fewer of more than 20,000 rows; 0 for none.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results; MODEL/evaluation by default.")
    ] = None,
) -> None:
    """Prints every metric with its interval, confusion matrices, and how probabilities hold.

    Precision-recall, ROC and reliability curves are drawn with their intervals.
    The folder gets evaluation.json and evaluation.html, a page that needs no network.
    """
    from rich.console import Console

    from directloss.files import write_whole
    from directloss.jobs.decisions import Wanted
    from directloss.jobs.evaluate import evaluate as evaluate_model
    from directloss.jobs.model import open_model
    from directloss.report.evaluation import (
        calibration_line,
        console_table,
        decisions_table,
        render,
    )
    from directloss.study.display import Bars
    from directloss.terminal import say

    console = Console()
    folder = out or model / "evaluation"
    wanted = Wanted(precision, recall, cost)
    opened = open_model(model)
    folder.mkdir(parents=True, exist_ok=True)
    with Bars(console, transient=True) as bars:
        bar = bars.add("resampling", None)
        bars.start()
        found = evaluate_model(
            opened,
            data=data,
            part=None if part is None else part.value,
            resamples=resamples,
            seed=seed,
            wanted=wanted,
            command=["directloss", *sys.argv[1:]],
            on_start=lambda total: bars.advance(bar, 0, total=total),
            on_resample=lambda count: bars.advance(bar, count),
        )
    write_whole(folder / "evaluation.json", found.model_dump_json(indent=1).encode())
    page = folder / "evaluation.html"
    write_whole(page, render(found).encode())
    console.print(console_table(found))
    if found.decisions:
        console.print()
        console.print(decisions_table(found))
    calibration = calibration_line(found)
    if calibration is not None:
        say(console, calibration)
    say(console, f"page: {page.resolve()}")
