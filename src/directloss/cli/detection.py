"""`directloss experiment detection`: the R-CNN pipeline on a folder in VOC's layout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from directloss._extras import IMAGES, require
from directloss.cli._common import cores, items, one_line_errors

if TYPE_CHECKING:
    from rich.console import Console

    from directloss.paper.detection.config import DetectionConfig

# OpenCV without its contrib modules has the same name but no selective search.
_PACKAGES = {
    **IMAGES,
    "opencv-contrib-python-headless": "cv2",
    "opencv-contrib-python-headless instead of the opencv that is here": "cv2.ximgproc",
}


def detection(
    voc: Annotated[
        Path, typer.Option(help="Folder with JPEGImages, Annotations and ImageSets/Main.")
    ],
    train_split: Annotated[str, typer.Option(help="ImageSets/Main/NAME.txt to train on.")] = (
        "train"
    ),
    test_split: Annotated[str, typer.Option(help="ImageSets/Main/NAME.txt to report on.")] = "val",
    classes: Annotated[
        str, typer.Option(help="Separated by commas; all that both splits hold without it.")
    ] = "",
    images: Annotated[
        int | None, typer.Option(help="Use the first so many images of each split only.")
    ] = None,
    proposals: Annotated[
        int | None,
        typer.Option(help="Keep so many proposals an image, evenly over their sizes; else all."),
    ] = None,
    search_side: Annotated[
        int, typer.Option(help="Shrink larger images to this for selective search; pixels.")
    ] = 500,
    features: Annotated[
        str,
        typer.Option(
            help="roi: one pass of the network an image, RoIAlign for each box. crops: a pass for "
            "each box, warped with context as in R-CNN; hundreds of times the work."
        ),
    ] = "roi",
    backbone: Annotated[
        str, typer.Option(help="alexnet, squeezenet1_1, another name of torchvision or timm.")
    ] = "squeezenet1_1",
    weights: Annotated[
        str, typer.Option(help="auto (from the hub), random, or a file of a state_dict.")
    ] = "auto",
    grid: Annotated[int, typer.Option(help="Cells of a box in each direction, for roi.")] = 2,
    side: Annotated[
        int,
        typer.Option(
            help="Shorter side of an image in pixels, for roi. Best where objects are about as "
            "large as the network saw them in its own training."
        ),
    ] = 280,
    background: Annotated[
        int, typer.Option(help="Boxes away from all objects to keep for training, an image.")
    ] = 300,
    methods: Annotated[
        str,
        typer.Option(
            help="Separated by commas: softmax (all classes and background together), logistic, "
            "and the -ap and -01 methods of `compare`. The first is the one to compare with."
        ),
    ] = "softmax,logistic,pos-ap",
    batch: Annotated[
        int, typer.Option(help="Boxes a mini-batch, whose AP stands for that of all boxes.")
    ] = 512,
    positives: Annotated[float, typer.Option(help="Share of positives in it.")] = 0.25,
    epsilon: Annotated[
        float, typer.Option(help="In units of the scores; untrained, they spread by 0.01.")
    ] = 0.1,
    learning_rates: Annotated[
        str,
        typer.Option(
            "--learning-rates",
            "--lr",
            help="Of SGD with momentum 0.9. Of several, separated by commas, each method takes "
            "what is best on held-out training images, and is then trained on all.",
        ),
    ] = "0.1",
    l2: Annotated[float, typer.Option(help="Regularisation.")] = 1e-7,
    iterations: Annotated[int, typer.Option(help="Mini-batches.")] = 1000,
    held_out: Annotated[
        float, typer.Option(help="Share of training images that choose the learning rate.")
    ] = 1 / 3,
    suppression: Annotated[
        float, typer.Option(help="Overlap above which a detection goes for a better one.")
    ] = 0.3,
    seeds: Annotated[
        int, typer.Option(help="Repetitions: other initial weights and mini-batches.")
    ] = 1,
    resamples: Annotated[int, typer.Option(help="Bootstrap samples for the intervals.")] = 500,
    workers: Annotated[
        int | None, typer.Option(help="Processes; as many as cores by default.")
    ] = None,
    cache: Annotated[
        Path, typer.Option(help="Proposals, features, heads and detections, for all runs.")
    ] = Path("runs") / "cache",
    out: Annotated[
        Path | None, typer.Option(help="Output folder; runs/detection-NAME by default.")
    ] = None,
) -> None:
    """Trains one score a class on region proposals and reports VOC's average precision.

    Table 2 of Song et al. (ICML 2016). The folder gets results.json, table.md and report.html with
    precision-recall curves and pictures. When interrupted, the same command resumes.
    """
    from rich.console import Console

    with one_line_errors("stopped; what is finished is kept: the same command resumes"):
        require("experiment detection", "voc", _PACKAGES)
        config = _config(
            voc=str(voc),
            classes=items(classes),
            methods=items(methods),
            learning_rates=items(learning_rates),
            train_split=train_split,
            test_split=test_split,
            images=images,
            proposals=proposals,
            search_side=search_side,
            features=features,
            backbone=backbone,
            weights=weights,
            grid=grid,
            side=side,
            background=background,
            batch=batch,
            positives=positives,
            epsilon=epsilon,
            l2=l2,
            iterations=iterations,
            held_out=held_out,
            suppression=suppression,
            seeds=seeds,
            resamples=resamples,
        )
        folder = out or Path("runs") / f"detection-{voc.resolve().name}"
        _detection(config, folder, cache, cores() if workers is None else workers, Console())


def _config(**options: object) -> DetectionConfig:
    from pydantic import ValidationError

    from directloss.errors import ArgumentError
    from directloss.paper.detection.config import DetectionConfig

    try:
        return DetectionConfig.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        raise ArgumentError(option, repr(first["input"]), first["msg"]) from error


def _detection(
    config: DetectionConfig, folder: Path, cache: Path, workers: int, console: Console
) -> None:
    from directloss.files import write_whole
    from directloss.paper.detection.experiment import Experiment
    from directloss.paper.detection.page import write_page
    from directloss.paper.detection.summarise import summarise
    from directloss.paper.detection.tables import console_table, markdown_table
    from directloss.study.folder import output_folder
    from directloss.study.stage_display import StageDisplay
    from directloss.terminal import say

    with output_folder(folder, config.model_dump(mode="json")):
        with StageDisplay(console) as display:
            finished = Experiment(config, cache, workers=workers, on_stage=display.on_stage).run()
        for remark in finished.remarks:
            say(console, remark)
        command = ["directloss", *sys.argv[1:]]
        results = summarise(finished, config, command, Path(config.voc).name)
        write_whole(folder / "results.json", results.to_json())
        write_whole(folder / "table.md", markdown_table(results))
        write_page(results, finished, folder / "report.html")
    console.print(console_table(results))
    say(console, f"report: {(folder / 'report.html').resolve()}")
