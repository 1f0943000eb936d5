"""`directloss experiment synthetic` and `linear`: Figures 3, 4 and 5 of the paper, label noise."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from directloss.cli._command import Fields, Given, chosen
from directloss.cli._common import Workers, processes

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from directloss.paper.synthetic.config import Kind

Quick = Annotated[
    bool, typer.Option("--quick", help="Less of everything, in under two minutes: a trial run.")
]
Out = Annotated[Path | None, typer.Option(help="Output folder; runs/experiment-NAME by default.")]
Full = Annotated[bool, typer.Option("--full", help="Twenty seeds, as long as it takes.")]


def _options(*without: str) -> dict[str, FieldInfo]:
    from directloss.paper.synthetic.config import StudyConfig

    return chosen(
        StudyConfig.model_fields, first=("settings", "methods", "flips"), without=("kind", *without)
    )


SYNTHETIC = Fields(_options, names={"hidden": ("--widths",)}, defaults=False)
LINEAR = Fields(lambda: _options("hidden", "positives"), defaults=False)


def synthetic(
    given: Given, quick: Quick = False, full: Full = False, workers: Workers = None, out: Out = None
) -> None:
    """Labels by a random network: Figure 3 of the paper in three settings, and label noise.

    Settings: fair, literal, bias-free. Each method's learning rate and epsilon are tuned on data of
    their own and then reported on other seeds. The folder gets results.json, report.html and the
    figures as PNG and SVG. When interrupted, the same command resumes; the same command in a second
    terminal, or on more machines with a common folder, shares the work.
    """
    _run("synthetic", given, quick, full, workers, out)


def linear(
    given: Given, quick: Quick = False, full: Full = False, workers: Workers = None, out: Out = None
) -> None:
    """Labels by the sign of the sum of the features: Figures 4 and 5 of the paper.

    Settings: tuned, large step, large step + momentum; each without flips and with them. All else
    is as in `directloss experiment synthetic`.
    """
    _run("linear", given, quick, full, workers, out)


def _run(
    kind: Kind, given: Given, quick: bool, full: bool, workers: int | None, out: Path | None
) -> None:
    from rich.console import Console

    from directloss.errors import ArgumentError
    from directloss.paper.synthetic import profiles
    from directloss.paper.synthetic.config import TUNING_SEED, StudyConfig
    from directloss.paper.synthetic.output import write_all
    from directloss.paper.synthetic.study import run_study
    from directloss.study.display import ColumnBars
    from directloss.study.options import validate
    from directloss.terminal import say

    if quick and full:
        raise ArgumentError("quick", "--quick and --full", "one of them")
    base = (profiles.quick if quick else profiles.full if full else profiles.default)(kind)
    config = validate(StudyConfig, base.model_dump() | given)
    config.check()
    folder = out or Path("runs") / f"experiment-{kind}{'-quick' if quick else ''}"
    console = Console()
    totals = {
        each.name: len(each.methods) * (each.trials + each.seeds) for each in config.columns()
    }
    with ColumnBars(console, totals, TUNING_SEED) as bars:
        bars.start()
        results = run_study(
            config,
            folder,
            command=["directloss", *sys.argv[1:]],
            workers=processes(workers),
            on_trial=bars.on_trial,
        )
    page = write_all(results, folder)
    for claim in results.claims:
        console.print(f"[bold]{claim.name}[/]: {claim.words} → {claim.verdict}")
    say(console, f"report: {page.resolve()}")
