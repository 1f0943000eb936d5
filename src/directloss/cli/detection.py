"""`directloss experiment detection`: the R-CNN pipeline on a folder in VOC's layout."""

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

# OpenCV without its contrib modules has the same name but no selective search.
_PACKAGES = {
    **IMAGES,
    "opencv-contrib-python-headless": "cv2",
    "opencv-contrib-python-headless instead of the opencv that is here": "cv2.ximgproc",
}

Cache = Annotated[
    Path, typer.Option(help="Proposals, features, heads and detections, for all runs.")
]
Out = Annotated[Path | None, typer.Option(help="Output folder; runs/detection-NAME by default.")]


def _options() -> dict[str, FieldInfo]:
    from directloss.paper.detection.config import DetectionConfig

    return chosen(DetectionConfig.model_fields)


FIELDS = Fields(_options, names={"learning_rates": ("--learning-rates", "--lr")})


def detection(
    given: Given, workers: Workers = None, cache: Cache = Path("runs") / "cache", out: Out = None
) -> None:
    """Trains one score a class on region proposals and reports VOC's average precision.

    Table 2 of Song et al. (ICML 2016). The folder gets results.json, table.md and report.html with
    precision-recall curves and pictures. When interrupted, the same command resumes.
    """
    require("experiment detection", "voc", _PACKAGES)
    from rich.console import Console

    from directloss.files import write_whole
    from directloss.paper.detection.config import DetectionConfig
    from directloss.paper.detection.experiment import Experiment
    from directloss.paper.detection.page import write_page
    from directloss.paper.detection.summarise import summarise
    from directloss.paper.detection.tables import console_table, markdown_table
    from directloss.study.display import Bars
    from directloss.study.folder import output_folder
    from directloss.study.options import validate
    from directloss.study.records import RESULTS
    from directloss.terminal import say

    console = Console()
    config = validate(DetectionConfig, given)
    name = Path(config.voc).resolve().name
    folder = out or Path("runs") / f"detection-{name}"
    with output_folder(folder, config.model_dump(mode="json")):
        with Bars(console) as bars:
            finished = Experiment(
                config, cache, workers=processes(workers), on_stage=bars.on_stage
            ).run()
        for remark in finished.remarks:
            say(console, remark)
        command = ["directloss", *sys.argv[1:]]
        results = summarise(finished, config, command, Path(config.voc).name)
        write_whole(folder / RESULTS, results.to_json())
        write_whole(folder / "table.md", markdown_table(results))
        write_page(results, finished, folder / "report.html")
    console.print(console_table(results))
    say(console, f"report: {(folder / 'report.html').resolve()}")
