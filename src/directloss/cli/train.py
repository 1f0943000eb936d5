"""`directloss train`: one method on the user's data."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from directloss.cli._command import Fields, Given, chosen

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from directloss.jobs.config import Configuration


def _options() -> dict[str, FieldInfo]:
    from directloss.jobs.config import arguments

    return chosen(arguments(), first=("data", "target", "positive", "split_column", "group"))


FIELDS = Fields(
    _options,
    names={"learning_rate": ("--learning-rate", "--lr"), "comparison": ("--from",)},
    defaults=False,
)


def train(
    given: Given,
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file with any of these settings; options given here win over it."),
    ] = None,
    comparison: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Folder of a finished comparison: its data, metric, options, and the method and "
            "settings that were best on its validation parts; options given here win over it.",
        ),
    ] = None,
    log: Annotated[bool, typer.Option(help="Write a log for TensorBoard.")] = True,
    out: Annotated[
        Path | None, typer.Option(help="Model folder; runs/train-NAME by default.")
    ] = None,
) -> None:
    """Trains one method and writes a model folder.

    The folder gets weights.safetensors, preprocessing.json, configuration.toml, metrics.json and
    model.json. Training saves checkpoints as it goes: when it is interrupted, or killed, the same
    command resumes, and gives the same numbers as if nothing had happened. `torchrun` or
    `accelerate launch` in front of it train with several processes.
    """
    from directloss.errors import ArgumentError
    from directloss.jobs.config import read_configuration

    origin = ""
    if comparison is not None:
        from directloss.jobs.winner import winner

        if config is not None:
            raise ArgumentError("comparison", "a comparison and a file of settings", "one of them")
        won = winner(comparison, given)
        given, origin = {**won.arguments, **given}, f"from {comparison}: {won.words}"
    configuration = read_configuration(config, given)
    name = Path(configuration.data.path).name.split(".")[0]
    _train(configuration, out or Path("runs") / f"train-{name}", log=log, origin=origin)


def _train(configuration: Configuration, out: Path, *, log: bool, origin: str = "") -> None:
    from rich.console import Console

    from directloss.jobs.display import Display
    from directloss.jobs.folder import EVENTS
    from directloss.jobs.train import train
    from directloss.jobs.watch import Watcher
    from directloss.study.metrics import metric_named
    from directloss.terminal import say
    from directloss.training.refinement import Refinement
    from directloss.training.run import InterruptedRunError

    console = Console()
    metric = metric_named(configuration.training.metric)
    with ExitStack() as stack:

        def watchers(first: int) -> list[Watcher]:
            if origin:
                say(console, origin)
            found: list[Watcher] = [stack.enter_context(Display(console))]
            if log:
                from directloss.jobs.events import EventLog

                found.append(stack.enter_context(closing(EventLog(out / EVENTS, first))))
            return found

        try:
            trained = train(configuration, out, watchers=watchers)
        except InterruptedRunError as interruption:
            stack.close()
            typer.echo(str(interruption), err=True)
            raise typer.Exit(128 + interruption.signal_number) from None
    if not trained.speaks:
        return
    if trained.was_there:
        say(console, f"{out} holds this model already; nothing was done")
    for part in ("train", "validation", "test"):
        console.print(f"{metric.words}, {part} part: {100 * trained.metrics[part]:.2f}")
    if "refinement" in trained.metrics:
        for line in Refinement.of_record(trained.metrics["refinement"]).lines():
            say(console, line)
    say(console, f"model: {out.resolve()}")
