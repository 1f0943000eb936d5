"""The commands as one program."""

from __future__ import annotations

from typing import Annotated

import typer

from directloss import __version__
from directloss.cli.action import action
from directloss.cli.compare import compare
from directloss.cli.detection import detection
from directloss.cli.evaluate import evaluate
from directloss.cli.predict import predict
from directloss.cli.synthetic import linear, synthetic
from directloss.cli.train import train

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Direct loss minimization: train networks on the metric that you report.",
)
app.command()(compare)
app.command()(train)
app.command()(evaluate)
app.command()(predict)

experiment = typer.Typer(no_args_is_help=True, help="The experiments of the paper.")
experiment.command()(action)
experiment.command()(detection)
experiment.command()(synthetic)
experiment.command()(linear)
app.add_typer(experiment, name="experiment")


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
