"""`directloss experiment action`: Table 1 of the paper on a folder in VOC's layout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from directloss._extras import IMAGES, require
from directloss.cli._common import cores, items, one_line_errors

if TYPE_CHECKING:
    from rich.console import Console

    from directloss.paper.action.config import ActionExperiment
    from directloss.paper.action.persons import Persons


def action(
    voc: Annotated[
        Path, typer.Option(help="Folder with JPEGImages, Annotations and ImageSets/Action.")
    ],
    split: Annotated[
        str, typer.Option(help="ImageSets/Action/CLASS_NAME.txt, divided into thirds.")
    ] = "trainval",
    classes: Annotated[
        str, typer.Option(help="Separated by commas; all that the split has without it.")
    ] = "",
    methods: Annotated[
        str,
        typer.Option(
            help="Separated by commas: logistic, hinge-01, hinge-ap, pos-ap, neg-ap, mix-ap, and "
            "softmax, which is trained on all classes at once. 'all' of these by default."
        ),
    ] = "all",
    backbone: Annotated[
        str,
        typer.Option(
            help="alexnet, squeezenet1_1, efficientnet-lite0, another name of torchvision or timm."
        ),
    ] = "squeezenet1_1",
    weights: Annotated[
        str,
        typer.Option(
            help="auto (the package's own, or from the hub), random, or a file of a state_dict."
        ),
    ] = "auto",
    size: Annotated[
        int | None, typer.Option(help="Side of a crop in pixels; the network's own without it.")
    ] = None,
    padding: Annotated[
        int, typer.Option(help="Pixels of context at each side of a crop, at this scale.")
    ] = 16,
    mirror: Annotated[bool, typer.Option(help="Train on mirrored crops, too.")] = True,
    train: Annotated[
        str,
        typer.Option(
            help="head: the top layer, on features that are computed once. all: then all layers, "
            "from there on."
        ),
    ] = "head",
    ambiguous: Annotated[
        str, typer.Option(help="Persons with label 0: ignore, or negative as the authors did.")
    ] = "ignore",
    label_flips: Annotated[
        float, typer.Option(help="Share of training labels that are exchanged, such as 0.1.")
    ] = 0.0,
    trials: Annotated[int, typer.Option(help="Settings to try for each method.")] = 3,
    splits: Annotated[int, typer.Option(help="Repetitions: other thirds, other weights.")] = 5,
    iterations: Annotated[
        int, typer.Option(help="Steps of the top layer, each on the whole training part.")
    ] = 300,
    all_iterations: Annotated[
        int, typer.Option(help="Steps of all layers, for --train all; each on the whole part.")
    ] = 20,
    all_rate: Annotated[
        float,
        typer.Option(help="Learning rate of the lower layers, for --train all; the top's is x10."),
    ] = 0.003,
    workers: Annotated[
        int | None, typer.Option(help="Processes; as many as cores by default.")
    ] = None,
    cache: Annotated[Path, typer.Option(help="Features of crops, for all runs.")] = (
        Path("runs") / "cache"
    ),
    out: Annotated[
        Path | None, typer.Option(help="Output folder; runs/action-NAME-BACKBONE by default.")
    ] = None,
) -> None:
    """Classifies what persons do, one network a class, and reports average precision.

    Table 1 of Song et al. (ICML 2016). Each split divides the persons of a class into thirds for
    training, validation (which chooses the settings) and test, with no photograph in two of them.
    The folder gets results.json, costs.json and report.html with curves and crops. When
    interrupted, the same command resumes.
    """
    from rich.console import Console

    console = Console()
    with one_line_errors("stopped; what is finished is kept: the same command resumes"):
        require("experiment action", "images", IMAGES)
        persons = _read(voc, split, items(classes), console)
        experiment = _experiment(
            persons,
            voc=str(voc),
            split=split,
            methods=items(methods),
            backbone=backbone,
            weights=weights,
            size=size,
            padding=padding,
            mirror=mirror,
            train=train,
            ambiguous=ambiguous,
            label_flips=label_flips,
            trials=trials,
            splits=splits,
            iterations=iterations,
            all_iterations=all_iterations,
            all_rate=all_rate,
        )
        folder = out or Path("runs") / f"action-{voc.resolve().name}-{backbone}"
        _run(experiment, persons, folder, cache, cores() if workers is None else workers, console)


def _read(voc: Path, split: str, classes: tuple[str, ...], console: Console) -> Persons:
    from directloss.datasets.voc import VOCFolder
    from directloss.paper.action.persons import read_persons
    from directloss.terminal import say

    persons = read_persons(VOCFolder(voc), split, classes)
    say(console, f"{voc}: {persons.describe()}")
    return persons


def _experiment(
    persons: Persons, *, methods: tuple[str, ...], **options: object
) -> ActionExperiment:
    from pydantic import ValidationError

    from directloss.errors import ArgumentError
    from directloss.paper.action.config import ActionExperiment
    from directloss.paper.action.methods import ACTION_METHODS

    given = {
        **options,
        "classes": persons.classes,
        "persons_sha256": persons.fingerprint(),
        "methods": tuple(ACTION_METHODS) if methods == ("all",) else methods,
        "weights_sha256": "",
    }
    try:
        experiment = ActionExperiment.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        raise ArgumentError(option, repr(first["input"]), first["msg"]) from error
    experiment.check()
    fingerprint = experiment.crops.load().fingerprint
    return experiment.model_copy(update={"weights_sha256": fingerprint})


def _run(
    experiment: ActionExperiment,
    persons: Persons,
    folder: Path,
    cache: Path,
    workers: int,
    console: Console,
) -> None:
    from directloss.errors import ArgumentError
    from directloss.files import write_whole
    from directloss.paper.action.gallery import make_gallery
    from directloss.paper.action.run import run_experiment
    from directloss.report import console_table
    from directloss.report.page import render
    from directloss.study.stage_display import StageDisplay
    from directloss.terminal import say

    if workers < 1:
        raise ArgumentError("--workers", workers, "1 or more")
    with StageDisplay(console) as stages:
        outcome = run_experiment(
            experiment,
            persons,
            folder,
            cache,
            command=["directloss", *sys.argv[1:]],
            workers=workers,
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
