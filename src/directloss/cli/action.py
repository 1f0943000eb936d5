"""`directloss experiment action`: Table 1 of the paper on a folder in VOC's layout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from directloss._extras import IMAGES, require
from directloss.cli._command import Fields, Given, chosen
from directloss.cli._common import Workers, processes

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

Cache = Annotated[Path, typer.Option(help="Features of crops, for all runs.")]
Out = Annotated[
    Path | None, typer.Option(help="Output folder; runs/action-NAME-BACKBONE by default.")
]


def _options() -> dict[str, FieldInfo]:
    from directloss.paper.action.config import ActionExperiment

    return chosen(ActionExperiment.model_fields, without=("persons_sha256", "weights_sha256"))


FIELDS = Fields(_options)


def action(
    given: Given, workers: Workers = None, cache: Cache = Path("runs") / "cache", out: Out = None
) -> None:
    """Classifies what persons do, one network a class, and reports average precision.

    Table 1 of Song et al. (ICML 2016). Each split divides the persons of a class into thirds for
    training, validation (which chooses the settings) and test, with no photograph in two of them.
    The folder gets results.json, costs.json and report.html with curves and crops. When
    interrupted, the same command resumes.
    """
    require("experiment action", "images", IMAGES)
    from rich.console import Console

    from directloss.files import write_whole
    from directloss.paper.action.gallery import make_gallery
    from directloss.paper.action.run import prepare, run_experiment
    from directloss.report import console_table
    from directloss.report.page import render
    from directloss.study.display import Bars
    from directloss.terminal import say

    console = Console()
    experiment, persons = prepare(given)
    say(console, f"{experiment.voc}: {persons.describe()}")
    name = f"action-{Path(experiment.voc).resolve().name}-{experiment.backbone}"
    folder = out or Path("runs") / name
    with Bars(console) as stages:
        outcome = run_experiment(
            experiment,
            persons,
            folder,
            cache,
            command=["directloss", *sys.argv[1:]],
            workers=processes(workers),
            on_stage=stages.on_stage,
        )
    for remark in outcome.persons.remarks:
        say(console, f"- {remark}")
    gallery = make_gallery(outcome.results, outcome.persons, outcome.rankings)
    page = folder / "report.html"
    text = render(
        outcome.results, "action.html.j2", gallery=gallery, remarks=outcome.persons.remarks
    )
    write_whole(page, text.encode())
    console.print(console_table(outcome.results, console.width))
    for name, cost in outcome.costs.items():
        console.print(
            f"{name}: {cost.items} in {cost.seconds:.0f} s of one core, "
            f"{cost.peak_megabytes:.0f} MB at most"
        )
    say(console, f"report: {page.resolve()}")
