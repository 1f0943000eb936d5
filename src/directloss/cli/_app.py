"""The commands as one program."""

from __future__ import annotations

from typing import Annotated

import typer

from directloss import __version__
from directloss.cli import (
    action,
    compare,
    detection,
    evaluate,
    export,
    predict,
    study,
    synthetic,
    train,
)
from directloss.cli._command import add

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Direct loss minimization: train networks on the metric that you report.",
)
experiment = typer.Typer(no_args_is_help=True, help="The experiments of the paper.")
studies = typer.Typer(no_args_is_help=True, help="What training on the metric is worth.")

_TRIALS = "stopped; finished trials are kept: the same command resumes"
_STAGES = "stopped; what is finished is kept: the same command resumes"
_SAVED = "stopped at once; what was saved is kept: the same command resumes"
_CELLS = "stopped; finished cells are kept: the same command resumes"
_NOTHING = "stopped; nothing was written"

add(app, compare.compare, stopped=_TRIALS, fields=compare.FIELDS)
add(app, train.train, stopped=_SAVED, fields=train.FIELDS)
add(app, evaluate.evaluate, stopped=_NOTHING, others=train.FIELDS)
add(app, predict.predict, stopped=_NOTHING, others=train.FIELDS)
add(app, export.export, stopped=_NOTHING, others=train.FIELDS)
add(experiment, action.action, stopped=_STAGES, fields=action.FIELDS)
add(experiment, detection.detection, stopped=_STAGES, fields=detection.FIELDS)
add(experiment, synthetic.synthetic, stopped=_TRIALS, fields=synthetic.SYNTHETIC)
add(experiment, synthetic.linear, stopped=_TRIALS, fields=synthetic.LINEAR)
app.add_typer(experiment, name="experiment")
add(studies, study.tables, stopped=_CELLS)
app.add_typer(studies, name="study")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"directloss {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass
