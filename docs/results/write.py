"""Writes the pages of this folder from the results of the runs.

    python docs/results/write.py RUNS

RUNS holds a folder for each run, with the `results.json` that the run wrote. A page whose runs are
not all there is left as it is. No number of a page comes from anywhere else.
"""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from prepare import HIV_INACTIVES

from directloss.report.schema import Results
from directloss.report.summary import warnings, what_was_run

FOLDS = [f"mq2008-fold{fold}" for fold in range(1, 6)]


@dataclass(frozen=True)
class Page:
    """A page: a column of its table for each run.

    Attributes:
        title: heading.
        text: what was done, before the table; names in braces are filled in from the configuration
            of the run.
        runs: name of the run's folder -> heading of its column.
        mean: whether the last column is the mean and deviation over the runs.
        prepared: whether `prepare.py` makes the files that the commands read.
    """

    title: str
    text: str
    runs: dict[str, str]
    mean: bool = False
    prepared: bool = False


PAGES = {
    "mammography": Page(
        "Average precision on mammography",
        "All default methods; few regions of the mammograms are microcalcifications. "
        "A seed is another split into 60 % training, 20 % validation and 20 % test, and other "
        "initial weights; so the deviation over seeds is mostly that of the splits, which all "
        "methods share.",
        {"mammography": "AP"},
    ),
    "mq2008": Page(
        "NDCG on LETOR MQ2008",
        "The five official folds: three parts train, one validates, one tests. Relevances are 0, "
        "1 and 2, the gain is 2^relevance - 1, without cutoff. Queries without a relevant "
        "document have no NDCG and are left out of the mean, where LETOR's own script counts "
        "them. `logistic` tells relevant from not relevant, `regression` is the squared error of "
        "the relevance, `listnet` the softmax cross-entropy of ListNet.",
        {run: f"fold {number}" for number, run in enumerate(FOLDS, start=1)},
        mean=True,
        prepared=True,
    ),
    "imbalanced-f1": Page(
        "F1 on imbalanced tables",
        "Every method, cross-entropy too, has its threshold fitted to the training part before "
        "it is measured. A seed is another split and other initial weights.",
        {"f1-mammography": "mammography", "f1-pc4": "pc4"},
    ),
    "molecules": Page(
        "Virtual screening: BEDROC and average precision on HIV",
        f"Morgan fingerprints; all active molecules and {HIV_INACTIVES} of the inactive ones, "
        "drawn once at random, so that actives are less rare here than in the full set. "
        "A seed is another random split (not by scaffold) and other initial weights. The direct "
        "methods of a column train on the metric of that column.",
        {"molecules-bedroc": "BEDROC, alpha 20", "molecules-average-precision": "AP"},
        prepared=True,
    ),
    "camvid": Page(
        "Jaccard index of cars on CamVid",
        "A small convolutional net at {size[0]} x {size[1]} pixels, {epochs} epochs on {images[0]} "
        "training images, with {images[1]} for validation and {images[2]} for test; void "
        "pixels are left out, and the index is taken over all pixels of a part. "
        "Every method has its threshold fitted to the training part. A seed is other initial "
        "weights and batches; the images are the same. `lovasz-hinge` is the Lovasz hinge "
        "(Berman, Rannen Triki, Blaschko, CVPR 2018); it and the direct losses see a batch of "
        "{batch} images as one list.",
        {"camvid": "Jaccard index of cars"},
    ),
}

Cells = dict[str, tuple[float, float | None]]
"""Mean and standard deviation by method."""


def cells_of(results: Results) -> Cells:
    """The test metric of the run, scaled for display."""
    scale = results.metric.scale
    return {
        row.method: (
            scale * row.average.mean,
            None if row.average.std is None else scale * row.average.std,
        )
        for row in results.table.rows
    }


def mean_of(columns: list[Cells]) -> Cells:
    """Mean and standard deviation of each method over the columns."""
    values = {name: [column[name][0] for column in columns] for name in columns[0]}
    return {name: (fmean(each), stdev(each)) for name, each in values.items()}


def table(columns: dict[str, Cells]) -> str:
    """A row a method; the best mean of each column in bold."""
    methods = list(dict.fromkeys(name for column in columns.values() for name in column))
    best = {head: max(mean for mean, _ in column.values()) for head, column in columns.items()}

    def cell(head: str, method: str) -> str:
        if method not in columns[head]:
            return "–"
        mean, deviation = columns[head][method]
        text = f"**{mean:.1f}**" if mean == best[head] else f"{mean:.1f}"
        return text if deviation is None else f"{text} ± {deviation:.1f}"

    lines = [["method", *columns], ["---", *["---:"] * len(columns)]]
    lines += [[method, *(cell(head, method) for head in columns)] for method in methods]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def first_clauses(results: Results) -> Counter[str]:
    """Warnings without their advice, and how many runs gave them."""
    found: Counter[str] = Counter()
    for text, count in warnings(results):
        method, _, words = text.partition(": ")
        found[f"{method}: {words.split(': ')[0].split('. ')[0]}"] += count
    return found


def page_text(page: Page, found: list[Results]) -> str:
    """The whole page."""
    commands = "\n".join(shlex.join(results.command) for results in found)
    if page.prepared:
        commands = f"python docs/results/prepare.py data prepared\n{commands}"
    columns = {
        head: cells_of(results) for head, results in zip(page.runs.values(), found, strict=True)
    }
    if page.mean:
        columns["mean"] = mean_of(list(columns.values()))
    over = "each column is one run a method, the mean is over the columns"
    if not page.mean:
        over = "mean ± standard deviation over seeds"
    notes = "".join(
        f"- {head}, {text} ({count} of the runs)\n"
        for head, results in zip(page.runs.values(), found, strict=True)
        for text, count in first_clauses(results).items()
    )
    return (
        f"# {page.title}\n\n```sh\n{commands}\n```\n\n"
        "`data` is the folder of data sets. Each `results.json` holds every trial; "
        "`docs/results/write.py` made this page from them.\n\n"
        f"{page.text.format(**found[0].configuration)}\n\n"
        f"{what_was_run(found[0])} Test metric times 100, {over}; best of a column in bold.\n\n"
        f"{table(columns)}" + (f"\nWarnings of the chosen runs:\n\n{notes}" if notes else "")
    )


def main(runs: Path) -> None:
    for name, page in PAGES.items():
        files = [runs / folder / "results.json" for folder in page.runs]
        if not all(file.is_file() for file in files):
            print(f"{name}: runs are missing")
            continue
        found = [Results.model_validate_json(file.read_text(encoding="utf-8")) for file in files]
        target = Path(__file__).parent / f"{name}.md"
        target.write_text(page_text(page, found), encoding="utf-8")
        print(f"{name}: written")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
