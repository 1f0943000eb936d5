"""Writes `detection.md` and its picture.

    PYTHONPATH=. python docs/results/detection.py [RUNS]

RUNS holds a folder for each run, with the `results.json` that the run wrote; these replace those in
the archive docs/archives/detection.tar.xz. Without RUNS the page is written again from the archive.
A section whose run is not in the archive is left out. Every measured number of the page is computed
from the archive.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks import archive
from benchmarks.figures import SETTINGS, Interval, draw_intervals, save
from benchmarks.markdown import listed
from directloss.paper.detection.results import DetectionResults, StageRecord
from directloss.paper.detection.tables import (
    caption,
    markdown_table,
    stage_rows,
    summary_rows,
)
from directloss.report.tables import markdown

HERE = Path(__file__).parent
PAGE = HERE / "detection.md"
ARCHIVE = archive.path_of("detection")
PICTURE = "detection.svg"

PAPER = {"softmax": 47.0, "logistic": 45.6, "direct loss of AP, positive": 48.5}
"""Mean AP of the paper's Table 2: VOC2012, 20 classes, trained on train, tested on val."""

FULL_TRAIN, FULL_TEST, FULL_CLASSES = 5717, 5823, 20
"""VOC2012's detection task."""

FULL_BOXES = 2000
"""Proposals of an image in R-CNN."""

FULL_ITERATIONS = 1000
"""Mini-batches of a head: the command's default."""


@dataclass(frozen=True)
class Section:
    """A run and the words before its tables."""

    run: str
    title: str
    text: str


SECTIONS = (
    Section(
        "detection-voc",
        "Five animals of VOC2012",
        "600 photographs of VOC2012 that hold a cat, cow, dog, horse or sheep, divided at random "
        "into halves (not VOC's own split; objects marked as difficult were left out at the "
        "source). The first {train} of one half train, the first {test} of the other test. "
        "Features come from one pass of SqueezeNet 1.1 "
        "(ImageNet weights, not fine-tuned) over an image and RoIAlign with a grid of 2 x 2 for "
        "each box; only the linear layer on top is trained.",
    ),
    Section(
        "detection-voc-2048",
        "Mini-batches of 2048",
        "The same with batches four times as large, the same share of positives, and a quarter of "
        "the iterations, so that training sees as many boxes.",
    ),
    Section(
        "detection-bccd",
        "Blood cells",
        "BCCD: 640 x 480 microscope images with red cells (RBC), white cells (WBC) and platelets; "
        "the first {train} of `train` and {test} of `test`. Features as above, images at "
        "{side} pixels.",
    ),
    Section(
        "detection-crops",
        "Crops as in R-CNN, on few images",
        "A pass of the network for every box, with 16 pixels of context, warped to 227 x 227: "
        "R-CNN's own features. Without a GPU this is feasible on {train} training and {test} test "
        "images with 40 proposals each. It shows that this path runs and what it costs. So few "
        "objects say nothing about methods.",
    ),
    Section(
        "detection-crops-roi",
        "The same images with RoIAlign",
        "The same images and proposals with the features of one pass an image.",
    ),
)

_HALF = 2
"""Bytes of a feature."""

MAIN, CELLS = "detection-voc", "detection-bccd"
CROPS_RUN, LARGE = "detection-crops", "detection-500"
"""The runs that the text refers to; LARGE shows what large images cost, and has no section."""

COMPARED = {MAIN: "five animals", CELLS: "blood cells"}
"""The runs of the picture and of the first sentences."""

INTRODUCTION = """# Detection on photographs

{verdict} Only a linear layer is trained, on few images: the tables show the pipeline at work and \
the methods side by side on the same boxes, not a detector to use.

![Points of mean AP above softmax, with 95 % intervals]({picture})

The intervals are 95 % percentiles over bootstrap samples of the test images, the same samples for \
all methods. They say what other photographs would have given.

## What was run

```sh
{commands}
PYTHONPATH=. python docs/results/detection.py runs
```

`data` is the folder of data sets. The last command writes this page. Each run's `report.html` \
has the curves and pictures of the best ranked detections. {citation}

- **Form.** That of the paper's Table 2: a row for each method, a column for each class, average \
precision as VOC2012 measures it (all points). The last row of a table is the share of objects \
that any proposal overlaps by half. No method can find more.
- **Methods.** `softmax` is cross-entropy over all classes and background together. All others \
train one score for each class; [`refine`](../refine.md) by cross-entropy, then by the direct loss \
of AP with noise, and its last weights are taken, as of every method. Mini-batches hold \
a quarter of positives.
- **Learning rate.** Where several rates are given, each method takes the one that is best on a \
held-out third of the training images, and is then trained on all of them. Every method gets the \
same number of trials. The rates 0.1 and 0.00001 were added after first runs, in which softmax and \
logistic had chosen the largest rate and pos-ap the smallest. Those runs also showed their test \
figures.
- **Other settings.** As in the paper (epsilon 0.1, regularisation 1e-7), the same for all. \
Epsilon is in units of the scores, whose spread before training is 0.01.
- **Seeds.** A seed is other initial weights and other mini-batches.
"""

BESIDE = """## Beside the paper's figures

{paper}
These numbers and ours cannot be compared, and the order of the methods only with care:

- **Data.** The paper trains on {train} images of VOC2012 and reports on {test}, with twenty \
classes. Here {ours_train} and {ours_test} images were chosen because they hold one of five \
animals. Most images hold the class in question, which helps. There are few examples to learn \
from, which does not.
- **Backbone.** The paper takes the network of R-CNN, AlexNet, and trains its layers by each loss. \
Here SqueezeNet 1.1 stays as ImageNet left it, and only a linear layer is trained. A loss can then \
change the weights of given features, not the features.
- **Features.** R-CNN warps each box with context and passes it through the network. RoIAlign on \
maps of stride 16 is much cheaper, and coarser.
- **Proposals.** {proposals} a test image here, from images shrunk to {side} pixels; about 2000 in \
the paper.
- **Boxes** are not regressed, and hard negatives are not mined.
- **Training is short**, {iterations} mini-batches, because only one core was available. Where the \
best learning rate is the lowest or highest tried, a wider search might find more. The size of the \
images and the small initial weights were chosen on training images.

With so few examples and untuned features, every method stays far below the ceiling that the \
proposals set.
"""

COST = """## Time and memory

{table}
Seconds are processor time of one core. Peak memory is that of the process so far, so a stage \
includes what earlier stages left in memory.

**The full VOC2012**, by multiplication: {train} + {test} images, {classes} classes, three \
methods, one seed, one learning rate, {iterations} mini-batches a head. Proposals and features \
are measured on {sample} images searched at 500 pixels, which have {found} proposals on average. \
Features and detection are assumed to grow with the number of boxes, up to {boxes} an image:

| stage | hours of one core |
| --- | ---: |
{estimate}
Images and heads are independent: `--workers N` divides the times by N, and the files of the cache \
can be made on several machines. The training rows ({rows:.0f} an image with {boxes} boxes, \
{rows_here:.0f} here) would take {memory:.0f} GB of memory for each worker that trains; \
`--background` lowers it. The features of all boxes take {disk:.0f} GB of disk in the cache; \
`--grid 1` divides that by four.

**With a GPU** (any CUDA device that torch finds) the networks run there. Features of `roi` then \
take about as long as decoding an image, and `--features crops` becomes possible: its {crop:.3f} \
seconds a box on one core here would be {days:.0f} days for {million:.0f} million boxes, while a \
GPU that passes 2000 crops a second takes {crop_hours:.1f} hours. Selective search stays on the \
processors and is then the longest stage.
"""


@cache
def archived() -> Mapping[str, bytes]:
    """The files of the archive."""
    return archive.read(ARCHIVE) if ARCHIVE.exists() else {}


def load(name: str) -> DetectionResults | None:
    """The kept results of a run, or None where there are none."""
    content = archived().get(f"{name}.json")
    return None if content is None else DetectionResults.model_validate_json(content)


def section(part: Section, results: DetectionResults) -> str:
    """A heading, words, and the two tables of a run."""
    text = part.text.format(
        train=results.data.train_images,
        test=results.data.test_images,
        side=results.configuration["side"],
    )
    settings = results.configuration
    return (
        f"## {part.title}\n\n{text} {results.data.rows} rows train "
        f"({', '.join(f'{name} {count}' for name, count in results.data.positives.items())} "
        f"positives), of {results.data.train_boxes} boxes of {results.data.train_images} images; "
        f"{settings['iterations']} mini-batches of {settings['batch']}.\n"
        f"\n{caption(results)}\n\n{markdown_table(results)}\n{markdown(*summary_rows(results))}\n"
        f"{held_out_table(results)}"
    )


def held_out_table(results: DetectionResults) -> str:
    """Mean AP on held-out training images by learning rate; nothing without a choice."""
    rates = list(results.summaries[0].held_out)
    if not rates:
        return ""
    rows = [
        [each.method, *(f"{100 * each.held_out[rate]:.1f}" for rate in rates)]
        for each in results.summaries
    ]
    words = "Mean AP on the held-out training images, by learning rate:"
    return f"{words}\n\n{markdown(['method', *rates], rows)}\n"


def beside(results: DetectionResults) -> str:
    """The section beside the paper's figures."""
    return BESIDE.format(
        paper=markdown(["Table 2 of the paper", *PAPER], [["mean AP", *map(str, PAPER.values())]]),
        train=FULL_TRAIN,
        test=FULL_TEST,
        ours_train=results.data.train_images,
        ours_test=results.data.test_images,
        proposals=round(results.data.test_boxes / results.data.test_images),
        side=results.configuration["search_side"],
        iterations=results.configuration["iterations"],
    )


def verdict(where: str, results: DetectionResults) -> str:
    """What the intervals of the differences say, in words that follow from them."""
    first, *others = results.summaries
    groups = {
        f"better than `{first.method}`": [
            each.method for each in others if each.difference_interval.low > 0
        ],
        f"worse than `{first.method}`": [
            each.method for each in others if each.difference_interval.high < 0
        ],
    }
    known = {name for names in groups.values() for name in names}
    groups["level with it"] = [each.method for each in others if each.method not in known]
    parts = [
        f"{listed([f'`{name}`' for name in names])} {'is' if len(names) == 1 else 'are'} {words}"
        for words, names in groups.items()
        if names
    ]
    if not known:
        return f"On {where} no method differs from `{first.method}` by more than the interval."
    return f"On {where} {', and '.join(parts)}."


def picture() -> Figure:
    """Differences of mean AP to the first method, with their intervals, of the two main runs."""
    runs = {title: load(name) for name, title in COMPARED.items()}
    figure = Figure(figsize=(8.5, 1.6), layout="constrained")
    panels = figure.subplots(1, len(runs), sharey=True, squeeze=False)[0]
    for axes, (title, results) in zip(panels, runs.items(), strict=True):
        assert results is not None, title
        first, *others = results.summaries
        intervals = [
            Interval(
                each.method,
                100 * each.difference,
                100 * each.difference_interval.low,
                100 * each.difference_interval.high,
            )
            for each in others
        ]
        draw_intervals(axes, intervals, 0.0)
        axes.set_title(title, fontsize=9, loc="left")
        axes.set_xlabel(f"points of mean AP above {first.method}", fontsize=8)
    return figure


def cost(results: DetectionResults, large: DetectionResults, crops: DetectionResults) -> str:
    """Time and memory of this run, and by multiplication of the whole VOC2012."""
    images = FULL_TRAIN + FULL_TEST
    search, features = stage(large, "proposals"), stage(large, "features")
    training, detection = stage(results, "training"), stage(results, "detection")
    settings, data = results.configuration, results.data
    chosen = detection.items - data.test_images  # held out, to choose the learning rate
    scored = len(results.methods) * (
        chosen * len(settings["learning_rates"]) + data.test_images * settings["seeds"]
    )
    scored_boxes = scored * len(results.classes) * data.test_boxes / data.test_images
    heads = 1 + 2 * FULL_CLASSES
    found = (large.data.train_boxes + large.data.test_boxes) / search.items
    iterations = FULL_ITERATIONS / settings["iterations"]
    seconds = {
        "proposals": images * search.seconds / search.items,
        "features": images * features.seconds / features.items * FULL_BOXES / found,
        "training": heads * iterations * training.seconds / training.items,
        "detection": FULL_TEST * 3 * FULL_CLASSES * FULL_BOXES * detection.seconds / scored_boxes,
    }
    rows_here = data.rows / data.train_images
    near = rows_here - settings["background"]
    rows = settings["background"] + near * FULL_BOXES * data.train_images / data.train_boxes
    crop = stage(crops, "features").seconds / (crops.data.train_boxes + crops.data.test_boxes)
    return COST.format(
        table=markdown(*stage_rows(results)),
        train=FULL_TRAIN,
        test=FULL_TEST,
        classes=FULL_CLASSES,
        iterations=FULL_ITERATIONS,
        sample=search.items,
        found=round(found),
        boxes=FULL_BOXES,
        estimate="".join(f"| {name} | {each / 3600:.2g} |\n" for name, each in seconds.items()),
        rows=rows,
        rows_here=rows_here,
        memory=rows * FULL_TRAIN * data.features * _HALF / 1e9,
        disk=images * FULL_BOXES * data.features * _HALF / 1e9,
        crop=crop,
        days=images * FULL_BOXES * crop / 86_400,
        million=images * FULL_BOXES / 1e6,
        crop_hours=images * FULL_BOXES / 2000 / 3600,
    )


def stage(results: DetectionResults, name: str) -> StageRecord:
    """The record of one stage."""
    return next(each for each in results.stages if each.name == name)


def page() -> str:
    """The whole page, from the runs in the archive."""
    found = {part: load(part.run) for part in SECTIONS}
    present = {part: results for part, results in found.items() if results is not None}
    main_run, large, crops = load(MAIN), load(LARGE), load(CROPS_RUN)
    every = [*present.values(), *([large] if large else [])]
    commands = "\n".join(shlex.join(results.command) for results in every)
    verdicts = [
        verdict(f"the {title}", results)
        for name, title in COMPARED.items()
        if (results := load(name)) is not None
    ]
    text = INTRODUCTION.format(
        commands=commands,
        verdict=" ".join(verdicts),
        picture=PICTURE,
        citation=archive.citation(ARCHIVE, PAGE),
    )
    for part, results in present.items():
        text += f"\n{section(part, results)}"
    if main_run:
        text += f"\n{beside(main_run)}"
    if main_run and large and crops:
        text += f"\n{cost(main_run, large, crops)}"
    return text


def main(runs: Path | None) -> None:
    """Puts the results of the runs that are there into the archive, and writes the page from it."""
    if runs is not None:
        files = dict(archived())
        for run in (*(part.run for part in SECTIONS), LARGE):
            file = runs / run / "results.json"
            if file.is_file():
                files[f"{run}.json"] = file.read_bytes()
                print(f"archived: {run}")
        archive.write(ARCHIVE, files)
        archived.cache_clear()
    with mpl.rc_context(SETTINGS):
        save(picture(), HERE / PICTURE)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
