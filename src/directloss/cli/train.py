"""`directloss train`: one method on the user's data."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from directloss.cli._common import one_line_errors, widths
from directloss.cli._table import (
    Categorical,
    Date,
    Decimal,
    Drop,
    DropMissingTarget,
    Encoding,
    IndexBase,
    Missing,
    Sep,
    Thousands,
)

if TYPE_CHECKING:
    from directloss.jobs.config import Configuration


def train(
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file with any of these settings; options given here win over it."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="'digits'; a .csv, .tsv, .npz or .svmlight (LETOR, SVM-rank) file, read whole; a "
            ".parquet or .arrow file or a folder of them, read in blocks; or a folder of images, a "
            "subfolder a class."
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(help="Column (or npz array) to predict.")] = None,
    positive: Annotated[
        str | None,
        typer.Option(help="Target value that is positive; by default 1 of 0/1, or the rarer one."),
    ] = None,
    split_column: Annotated[
        str | None,
        typer.Option(help="Column of train/validation/test; made here (60/20/20) without it."),
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Column of queries; each query is a list.")
    ] = None,
    categorical: Categorical = None,
    date: Date = None,
    drop: Drop = None,
    missing: Missing = None,
    drop_missing_target: DropMissingTarget = False,
    sep: Sep = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    encoding: Encoding = None,
    index_base: IndexBase = None,
    hidden: Annotated[
        str | None,
        typer.Option(help="Widths of the hidden layers (64,32); 'none' for a linear model."),
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Network for images, by torchvision's name (resnet18).")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="Of the backbone: auto, random, or a file.")
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Side to which images are resized (224).")
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="As for compare: mix (the default), pos, hinge, logistic ...")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="As for compare; average-precision by default.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", "--lr", help="Step size (0.1).")
    ] = None,
    epsilon: Annotated[
        float | None,
        typer.Option(help="Of direct losses, in units of the first scores' spread (1)."),
    ] = None,
    l2: Annotated[float | None, typer.Option(help="Weight decay (1e-4).")] = None,
    optimiser: Annotated[str | None, typer.Option(help="sgd (with momentum) or adam.")] = None,
    momentum: Annotated[float | None, typer.Option(help="Momentum of sgd (0.9).")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training part (100).")] = None,
    batch: Annotated[
        str | None,
        typer.Option(help="Samples a step; 'all' (the default): exact steps on all of them."),
    ] = None,
    batch_positives: Annotated[
        float | None,
        typer.Option(help="Positives in every batch, or (below 1) their share."),
    ] = None,
    evaluations: Annotated[
        int | None, typer.Option(help="Looks at the validation part (25).")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many looks without a better one.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of split, weights and batches (0).")] = None,
    checkpoint_seconds: Annotated[
        float | None, typer.Option(help="Between two checkpoints (60); 0: after every step.")
    ] = None,
    keep: Annotated[int | None, typer.Option(help="Checkpoints to keep (3).")] = None,
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
    with one_line_errors("stopped at once; what was saved is kept: the same command resumes"):
        from directloss.jobs.config import read_configuration

        configuration = read_configuration(
            config,
            {
                "data": {
                    "path": data,
                    "target": target,
                    "positive": positive,
                    "split_column": split_column,
                    "group": group,
                    "categorical": categorical or None,
                    "date": date or None,
                    "drop": drop or None,
                    "missing": missing or None,
                    "drop_missing_target": drop_missing_target or None,
                    "sep": sep,
                    "decimal": decimal,
                    "thousands": thousands,
                    "encoding": encoding,
                    "index_base": index_base,
                },
                "model": {
                    "hidden": None if hidden is None else widths(hidden),
                    "backbone": backbone,
                    "weights": weights,
                    "image_size": image_size,
                },
                "training": {
                    "method": method,
                    "metric": metric,
                    "learning_rate": learning_rate,
                    "epsilon": epsilon,
                    "l2": l2,
                    "optimiser": optimiser,
                    "momentum": momentum,
                    "epochs": epochs,
                    "batch": int(batch) if batch is not None and batch.isdecimal() else batch,
                    "batch_positives": _count_or_share(batch_positives),
                    "evaluations": evaluations,
                    "patience": patience,
                    "seed": seed,
                },
                "checkpoints": {"seconds": checkpoint_seconds, "keep": keep},
            },
        )
        name = Path(configuration.data.path).name.split(".")[0]
        _train(configuration, out or Path("runs") / f"train-{name}", log=log)


def _count_or_share(positives: float | None) -> float | None:
    whole = positives is not None and positives >= 1 and positives.is_integer()
    return int(positives) if positives is not None and whole else positives


def _train(configuration: Configuration, out: Path, *, log: bool) -> None:
    from contextlib import ExitStack

    from rich.console import Console

    from directloss.jobs.display import Display
    from directloss.jobs.folder import EVENTS
    from directloss.jobs.train import train
    from directloss.jobs.watch import Watcher
    from directloss.study.metrics import metric_named
    from directloss.terminal import say
    from directloss.training.run import InterruptedRunError

    console = Console()
    metric = metric_named(configuration.training.metric)
    with ExitStack() as stack:

        def watchers(first: int) -> list[Watcher]:
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
    say(console, f"model: {out.resolve()}")
