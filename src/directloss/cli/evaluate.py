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
    part: Annotated[PartName, typer.Option(help="Which part, without --data.")] = PartName.TEST,
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
    """Prints every metric with its interval, and draws precision-recall and ROC curves.

    The folder gets evaluation.json and evaluation.html, a page that needs no network.
    """
    from rich.console import Console

    from directloss.files import write_whole
    from directloss.jobs.evaluate import evaluate as evaluate_model
    from directloss.jobs.model import open_model
    from directloss.report.evaluation import console_table, render
    from directloss.study.display import Bars
    from directloss.terminal import say

    console = Console()
    folder = out or model / "evaluation"
    opened = open_model(model)
    folder.mkdir(parents=True, exist_ok=True)
    with Bars(console, transient=True) as bars:
        bar = bars.add("resampling", None)
        bars.start()
        found = evaluate_model(
            opened,
            data=data,
            part=part.value,
            resamples=resamples,
            seed=seed,
            command=["directloss", *sys.argv[1:]],
            on_start=lambda total: bars.advance(bar, 0, total=total),
            on_resample=lambda count: bars.advance(bar, count),
        )
    write_whole(folder / "evaluation.json", found.model_dump_json(indent=1).encode())
    page = folder / "evaluation.html"
    write_whole(page, render(found).encode())
    console.print(console_table(found))
    say(console, f"page: {page.resolve()}")
