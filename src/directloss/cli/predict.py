"""`directloss predict`: scores of a trained model, beside the rows of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def predict(
    model: Annotated[Path, typer.Argument(help="Model folder that `directloss train` wrote.")],
    data: Annotated[
        str,
        typer.Option(
            help="Table with the columns that the model reads, in any format of train; or a folder "
            "of images. CSV, Parquet and Arrow files may be larger than memory."
        ),
    ],
    out: Annotated[Path, typer.Option(help="File to write: .csv or .parquet.")],
    column: Annotated[str, typer.Option(help="Name of the column of scores.")] = "score",
) -> None:
    """Writes every row as it came, with its score behind it.

    The higher the score, the more likely the row is positive. Where the training fitted a
    calibration, the probability follows. A model of a metric of decisions (f1, accuracy, ...) also
    says whether the score is above its threshold.
    """
    from rich.console import Console

    from directloss.jobs.display import RowCounter
    from directloss.jobs.model import open_model
    from directloss.jobs.predict import predict as predict_rows
    from directloss.terminal import say

    opened = open_model(model)
    console = Console()
    with RowCounter(console) as counter:
        rows = predict_rows(opened, data, out, column=column, on_rows=counter)
    say(console, f"{rows} rows: {out.resolve()}")
