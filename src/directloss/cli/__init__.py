"""The command line: one module a command.

Heavy imports stay inside the commands, so that help and shell completion answer at once.
"""

from __future__ import annotations

import typer

from directloss.cli.action import action
from directloss.cli.compare import compare
from directloss.cli.detection import detection
from directloss.cli.evaluate import evaluate
from directloss.cli.predict import predict
from directloss.cli.synthetic import linear, synthetic
from directloss.cli.train import train

app = typer.Typer(
    add_completion=False,
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


def main() -> None:
    """Entry of the `directloss` script."""
    app()
