"""Writes `detection.md` from the results of the runs; keeps those results beside it.

    python docs/results/detection.py RUNS

RUNS holds a folder for each run, with the `results.json` that the run wrote; it is kept in the
folder `detection`. A section whose run was never kept is left out. No measured number of the page
comes from anywhere else.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from directloss.experiments.detection.results import DetectionResults, StageRecord
from directloss.experiments.detection.tables import (
    caption,
    markdown,
    markdown_table,
    stage_rows,
    summary_rows,
)

HERE = Path(__file__).parent
KEPT = HERE / "detection"

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
        "From 600 photographs of VOC2012 that hold a cat, cow, dog, horse or sheep, divided at "
        "random into halves (not VOC's own split; objects marked as difficult were left out at "
        "the source), the first {train} of one to train on and the first {test} of the other for "
        "the test. Features come from one pass of SqueezeNet 1.1 "
        "(ImageNet weights, not fine-tuned) over an image and RoIAlign with a grid of 2 x 2 for "
        "each box; only the linear layer on top is trained.",
    ),
    Section(
        "detection-voc-2048",
        "Mini-batches of 2048",
        "The same with batches four times as large, the same share of positives, and a quarter of "
        "the iterations: as many boxes are seen.",
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
        "Crops as in R-CNN, on a part",
        "A pass of the network for every box, with 16 pixels of context, warped to 227 x 227: "
        "R-CNN's own features, on {train} training and {test} test images with 40 proposals each "
        "for want of a GPU. It shows that this path runs and what it costs; so few objects say "
        "nothing about methods.",
    ),
    Section(
        "detection-crops-roi",
        "The same part with RoIAlign",
        "The same images and proposals with the features of one pass an image.",
    ),
)

_HALF = 2
"""Bytes of a feature."""

MAIN, CELLS = "detection-voc", "detection-bccd"
CROPS_RUN, LARGE = "detection-crops", "detection-500"
"""The runs that the text refers to; LARGE shows what large images cost, and has no section."""

INTRODUCTION = """# Detection on photographs

```sh
{commands}
```

`data` is the folder of data sets. This page is written by `docs/results/detection.py` from the \
`results.json` of each run, which are kept in `docs/results/detection/`; each run's `report.html` \
has the curves and pictures of the best ranked detections.

The form is that of the paper's Table 2: a method a row, a class a column, average precision as \
VOC2012 measures it (all points). `softmax` is cross-entropy over all classes and background \
together; all others train one score a class. Mini-batches hold a quarter of positives. Where \
several learning rates are given, each method takes the one that is best on a held-out third of \
the training images, and is then trained on all of them; every method gets the same number of \
trials. The rates 0.1 and 0.00001 were added after first runs, which also showed their test \
figures, because softmax and logistic had chosen the largest of the others and pos-ap the \
smallest. Everything else is as the paper has it (epsilon 0.1, regularisation 1e-7), the same \
for all. Epsilon is in units of the scores, which spread by 0.01 before training.

A seed is other initial weights and other mini-batches. The intervals are 95 % percentiles over \
bootstrap samples of the test images, the same samples for all methods: they say what other \
photographs would have given. The last row of a table is the share of objects that any proposal \
overlaps by half, the ceiling for every method.
"""

FRANK = """## Beside the paper's figures

{paper}
These numbers and ours cannot be compared, and the order of the methods can only with care:

- **Data.** The paper trains on {train} images of VOC2012 and reports on {test}, twenty classes. \
Here it is {ours_train} and {ours_test} images that were chosen because they hold one of five \
animals, so that most images hold the class that is looked for, which helps, and there are few \
examples to learn from, which does not.
- **Backbone.** The paper takes the network of R-CNN, AlexNet, and trains its layers by each loss. \
Here SqueezeNet 1.1 is as ImageNet left it, and only a linear \
layer is trained. A loss can then change the weighting of given features, not the features.
- **Features.** R-CNN warps each box with context and passes it through the network. RoIAlign on \
maps of stride 16 is a small part of the work, and coarser.
- **Proposals.** {proposals} a test image here, from images shrunk to {side} pixels, against about \
2000.
- **Boxes** are not regressed, and hard negatives are not mined.
- **Training is short**, {iterations} mini-batches, because one core was all there was; where the \
best learning rate is the lowest or highest of those tried, more might be had. The size of the \
images and the small initial weights were chosen on training images.

{verdict}

What the tables show is the pipeline at work and the methods side by side on the same boxes, not a \
detector to use: with so few examples and features that were never tuned, every method is far \
below the ceiling that the proposals set.
"""

COST = """## Time and memory

{table}
Seconds are processor time of one core. Peak memory is that of the process so far, so a stage also \
carries what the stages before it have left.

**Up to the full VOC2012** ({train} + {test} images, {classes} classes, three methods, one seed, \
one learning rate, {iterations} mini-batches a head), by multiplication. Proposals and features \
are measured on {sample} images searched at 500 pixels, which have {found} proposals on average; \
features and detection are taken to grow with the number of boxes, up to {boxes} an image:

| stage | hours of one core |
| --- | ---: |
{estimate}
All stages are images or heads that do not know of each other: `--workers N` divides the times by \
N, and the files of the cache can be made on several machines. The rows that train \
({rows:.0f} an image with {boxes} boxes, {rows_here:.0f} here) would take {memory:.0f} GB of \
memory for each worker that trains; `--background` lowers it. The features of all boxes take \
{disk:.0f} GB of disk in the cache, which `--grid 1` divides by four.

**With a GPU** the networks run there (whatever torch finds as CUDA is used), which brings \
features of `roi` near the time that decoding an image takes, and makes `--features crops` \
possible: its {crop:.3f} seconds a box on one core here would be {days:.0f} days for \
{million:.0f} million boxes, where a GPU that passes 2000 crops a second takes {crop_hours:.1f} \
hours. Selective search stays on the processors, and is then the longest stage.
"""


def load(name: str) -> DetectionResults | None:
    """The kept results of a run, or None where there are none."""
    file = KEPT / f"{name}.json"
    if not file.is_file():
        return None
    return DetectionResults.model_validate_json(file.read_text(encoding="utf-8"))


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


def frank(results: DetectionResults, cells: DetectionResults | None) -> str:
    """The paragraph beside the paper's figures."""
    verdicts = [verdict("On the five animals", results)]
    if cells is not None:
        verdicts.append(verdict("On the blood cells", cells))
    return FRANK.format(
        paper=markdown(["Table 2 of the paper", *PAPER], [["mean AP", *map(str, PAPER.values())]]),
        train=FULL_TRAIN,
        test=FULL_TEST,
        ours_train=results.data.train_images,
        ours_test=results.data.test_images,
        proposals=round(results.data.test_boxes / results.data.test_images),
        side=results.configuration["search_side"],
        iterations=results.configuration["iterations"],
        verdict=" ".join(verdicts),
    )


def verdict(where: str, results: DetectionResults) -> str:
    """What the intervals of the differences say, in words that follow from them."""
    first, *others = results.summaries
    above = [each.method for each in others if each.difference_interval.low > 0]
    below = [each.method for each in others if each.difference_interval.high < 0]
    equal = [
        each.method
        for each in others
        if each.difference_interval.low <= 0 <= each.difference_interval.high
    ]
    said = [
        f"{words} `{first.method}`: {', '.join(f'`{name}`' for name in names) or 'none'}"
        for words, names in (
            ("above", above),
            ("below", below),
            ("not to be told apart from", equal),
        )
    ]
    return f"{where}, by the paired intervals, {'; '.join(said)}."


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
    """The whole page, from the runs that are kept."""
    found = {part: load(part.run) for part in SECTIONS}
    present = {part: results for part, results in found.items() if results is not None}
    main_run, large, crops = load(MAIN), load(LARGE), load(CROPS_RUN)
    every = [*present.values(), *([large] if large else [])]
    commands = "\n".join(shlex.join(results.command) for results in every)
    text = INTRODUCTION.format(commands=commands)
    for part, results in present.items():
        text += f"\n{section(part, results)}"
    if main_run:
        text += f"\n{frank(main_run, load(CELLS))}"
    if main_run and large and crops:
        text += f"\n{cost(main_run, large, crops)}"
    return text


def main(runs: Path) -> None:
    """Keeps the results of the runs that are there, and writes the page from all that are kept."""
    KEPT.mkdir(exist_ok=True)
    for run in (*(part.run for part in SECTIONS), LARGE):
        file = runs / run / "results.json"
        if file.is_file():
            (KEPT / f"{run}.json").write_bytes(file.read_bytes())
            print(f"kept: {run}")
    (HERE / "detection.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
