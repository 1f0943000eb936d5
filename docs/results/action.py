"""Writes `action.md` and its picture.

    PYTHONPATH=. python docs/results/action.py [RUNS]

RUNS holds the folders `action-squeezenet`, `action-efficientnet`, `action-squeezenet-all` and
`action-squeezenet-all-64` that `directloss experiment action` wrote, with the commands that the
page shows, and for the first two a later run with `logistic` and `refine`, NAME-refine. Of each
that is there, `results.json` and `costs.json` replace those in the archive
docs/archives/action.tar.xz. Without RUNS the page is written again from the archive. Every number
of the page is computed from it, except for those of the paper.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

import matplotlib as mpl
from jinja2 import StrictUndefined, Template
from matplotlib.figure import Figure
from scipy.stats import t as student_t

from benchmarks import archive
from benchmarks.figures import SETTINGS, Interval, draw_intervals, save
from directloss.paper.action.thirds import PARTS
from directloss.report.schema import Results
from directloss.report.tables import markdown, markdown_table
from directloss.study.table import make_table

HERE = Path(__file__).parent
PAGE = HERE / "action.md"
ARCHIVE = archive.path_of("action")
PICTURE = "action.svg"
HEADS = {"action-squeezenet": "SqueezeNet 1.1", "action-efficientnet": "EfficientNet-lite0"}
LATER = "-refine"
"""Of a run with methods that were added later, on the same splits."""

ALL_LAYERS = ("action-squeezenet-all-64", "action-squeezenet-all")
REFERENCE, DIRECT = "logistic", "pos-ap"

PAPER = {"logistic": 64.8, "hinge-ap": 63.6, "pos-ap": 66.7}
"""Table 1 of Song et al. (ICML 2016): mean over the ten actions of VOC2012, fine-tuned AlexNet."""

SAME = 1e-6
"""Test metrics that differ by less are the same."""

PERSONS = 1607
"""Of the data set of this page."""

VOC2012_PERSONS, VOC2012_ACTIONS = 6300, 10
"""About as many persons as the trainval part of VOC2012's actions has, and its actions."""


def averages(results: Results, method: str) -> list[float]:
    """Mean test AP over the classes, times 100, of each split."""
    splits = sorted({run.seed for run in results.runs})
    return [
        100 * fmean(run.test for run in results.runs if (run.method, run.seed) == (method, split))
        for split in splits
    ]


def interval(differences: list[float]) -> tuple[float, float]:
    """Mean and half width of the corrected 95 % interval over splits of the same data.

    Splits share photographs, so the variance of their mean is not s^2 / k but
    s^2 (1 / k + test / train), here with parts of one size. Source: Nadeau, Bengio, Inference for
    the generalization error, Machine Learning 52, 2003.
    """
    count = len(differences)
    width = stdev(differences) * (1 / count + 1) ** 0.5 * student_t.ppf(0.975, count - 1)
    return fmean(differences), float(width)


def to_reference(results: Results) -> dict[str, tuple[float, float]]:
    """How the mean of each method differs from the reference's: mean and half width."""
    reference = averages(results, REFERENCE)
    return {
        method: interval([a - b for a, b in zip(averages(results, method), reference, strict=True)])
        for method in results.methods
        if method != REFERENCE
    }


def differences(found: dict[str, Results]) -> str:
    """A row a method: how its mean differs from the reference's on each backbone."""
    columns = [to_reference(results) for results in found.values()]
    rows = [
        [method, *(f"{each[method][0]:+.1f} ± {each[method][1]:.1f}" for each in columns)]
        for method in columns[0]
    ]
    return markdown(["method", *(HEADS[name] for name in found)], rows)


def picture(found: dict[str, Results]) -> Figure:
    """The differences to the reference with their intervals, a panel for each backbone."""
    figure = Figure(figsize=(8.5, 2.6), layout="constrained")
    panels = figure.subplots(1, len(found), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (name, results) in zip(panels, found.items(), strict=True):
        intervals = [
            Interval(method, mean, mean - width, mean + width)
            for method, (mean, width) in to_reference(results).items()
        ]
        draw_intervals(axes, intervals, 0.0)
        axes.set_title(HEADS[name], fontsize=9, loc="left")
    figure.supxlabel(f"points of test AP above {REFERENCE}, mean over the classes", fontsize=9)
    return figure


def all_layers(found: list[Results]) -> str:
    """A row a run: before and after training all layers."""
    heads = ["method", "class", "pixels", "steps", "rate", "validation, top layer"]
    heads += ["validation, all", "test, top layer", "test, all", "kept step"]
    rows = []
    for results in found:
        options = [results.configuration[name] for name in ("size", "all_iterations", "all_rate")]
        for run in results.runs:
            history = run.history
            kept = history.iteration[history.validation.index(max(history.validation))]
            values = (history.validation[0], run.validation, history.test[0], run.test)
            shown = [*map(str, options), *(f"{100 * value:.1f}" for value in values), str(kept)]
            rows.append([run.method, run.column, *shown])
    return markdown(heads, rows, left=2)


def costs(files: dict[str, bytes], names: list[str]) -> str:
    """A row a stage."""
    rows = []
    for name in names:
        for stage, cost in json.loads(files[f"{name}/costs.json"]).items():
            each = cost["seconds"] / cost["items"]
            numbers = [cost["items"], f"{cost['seconds']:.0f}", f"{each:.2f}"]
            rows.append([name, stage, *numbers, f"{cost['peak_megabytes']:.0f}"])
    heads = ["run", "stage", "items", "seconds", "seconds an item", "peak MB"]
    return markdown(heads, rows, left=2)


def growth(files: dict[str, bytes], found: dict[str, Results]) -> str:
    """A row a network: minutes of features and hours of heads for VOC2012's actions."""
    rows = []
    for name, results in found.items():
        cost = json.loads(files[f"{name}/costs.json"])
        ratio = VOC2012_PERSONS / PERSONS
        features = ratio * cost["features"]["seconds"] / 60
        heads = VOC2012_ACTIONS / len(results.columns) * ratio * cost["heads"]["seconds"] / 3600
        rows.append([HEADS[name], f"{features:.0f}", f"{heads:.1f}"])
    return markdown(["network", "features (minutes)", "heads (hours)"], rows)


def reading(found: dict[str, Results]) -> str:
    """Which differences to cross-entropy are more than chance."""
    sentences = []
    for name, results in found.items():
        apart = to_reference(results)
        above = [method for method, (mean, width) in apart.items() if mean > width]
        below = [method for method, (mean, width) in apart.items() if -mean > width]
        sentences.append(
            f"On {HEADS[name]}, {listed(above)} better than cross-entropy by more than the "
            f"interval, and {listed(below)} worse."
        )
    return " ".join(sentences)


def edge(found: dict[str, Results]) -> str:
    """How often the search chose the largest epsilon for the direct loss."""
    sentences = []
    for name, results in found.items():
        chosen = [run.settings.epsilon for run in results.runs if run.method == DIRECT]
        largest = max(trial.settings.epsilon or 0.0 for trial in results.trials)
        sentences.append(
            f"On {HEADS[name]}, {chosen.count(largest)} of {len(chosen)} searches chose the "
            f"largest epsilon of the grid ({largest:g} times the initial spread) for `{DIRECT}`."
        )
    return " ".join(sentences)


def listed(methods: list[str]) -> str:
    """The subject of a sentence."""
    names = [f"`{method}`" for method in methods]
    if not names:
        return "no method is"
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"


def reading_all(results: Results, large: Results | None) -> str:
    """Whether training all layers improved on the head, and on the head for large crops."""
    sentences = [f"On {results.configuration['size']} pixels:"]
    for run in results.runs:
        gain = 100 * (run.test - run.history.test[0])
        (before, after), (first, last) = (
            (100 * values[0], 100 * values[-1])
            for values in (run.history.train, run.history.validation)
        )
        parts = (
            f"training AP went from {before:.1f} to {after:.1f}, validation AP from {first:.1f} to "
            f"{last:.1f}"
        )
        if run.validation == run.history.validation[0]:
            sentences.append(
                f"`{run.method}` keeps its head, since no later evaluation was better on "
                f"validation: {parts}."
            )
        else:
            verb = "gains" if gain > 0 else "loses"
            sentences.append(f"`{run.method}` {verb} {abs(gain):.1f} points on test; {parts}.")
        for other in large.runs if large else []:
            if (other.method, other.column, other.seed) == (run.method, run.column, run.seed):
                sentences.append(
                    f"On the same persons the top layer alone has {100 * other.test:.1f} with the "
                    "large crops of the first table."
                )
    return " ".join(sentences)


def order(found: dict[str, Results]) -> str:
    """The paper's order and ours."""
    theirs = sorted(PAPER, key=lambda name: -PAPER[name])
    told = [f"In the paper it is {' > '.join(theirs)}"]
    for name, results in found.items():
        ours = sorted(PAPER, key=lambda method: -fmean(averages(results, method)))
        told.append(f"on {HEADS[name]} {' > '.join(ours)}")
    return "; ".join(told) + "."


def beside_the_paper(found: dict[str, Results]) -> str:
    """The paper's means and ours."""
    rows = [
        [
            method,
            f"{value:.1f}",
            *(f"{fmean(averages(results, method)):.1f}" for results in found.values()),
        ]
        for method, value in PAPER.items()
    ]
    return markdown(["method", "paper", *(HEADS[name] for name in found)], rows)


def page(files: dict[str, bytes]) -> str:
    """The whole page, from the files of the archive."""
    found, later = heads(files), read(files, [name + LATER for name in HEADS])
    tuned = read(files, ALL_LAYERS)
    every = found | tuned
    commands = [shlex.join(results.command) for results in (found | later | tuned).values()]
    facts: dict[str, object] = {"all_layers": ""}
    if tuned:
        head = found.get("action-squeezenet")
        facts = {
            "all_layers": all_layers(list(tuned.values())),
            "reading_all": " ".join(reading_all(results, head) for results in tuned.values()),
        }
    first = next(iter(found.values()))
    template = Template(
        (HERE / "action.md.jinja").read_text(encoding="utf-8"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    return template.render(
        **facts,
        **{name: first.configuration[name] for name in ("splits", "trials", "iterations")},
        commands="\n".join(commands),
        persons=PERSONS,
        classes=len(first.columns),
        training=PERSONS // PARTS,
        tables={HEADS[name]: markdown_table(results) for name, results in found.items()},
        differences=differences(found),
        reading=reading(found),
        edge=edge(found),
        picture=PICTURE,
        citation=archive.citation(ARCHIVE, PAGE),
        paper=beside_the_paper(found),
        order=order(found),
        costs=costs(files, list(every)),
        voc_persons=VOC2012_PERSONS,
        voc_training=VOC2012_PERSONS // PARTS,
        growth=growth(files, found),
    )


def heads(files: dict[str, bytes]) -> dict[str, Results]:
    """The results on each network, with the methods of its later run."""
    found = read(files, tuple(HEADS))
    for name, later in read(files, [name + LATER for name in HEADS]).items():
        first = name.removesuffix(LATER)
        found[first] = joined(found[first], later)
    return found


def joined(results: Results, later: Results) -> Results:
    """Results with the methods of another run on the same splits, which it has to agree with.

    Raises:
        ValueError: a run that both have ended with another test metric.
    """
    known = {(run.method, run.column, run.seed): run.test for run in results.runs}
    for run in later.runs:
        before = known.get((run.method, run.column, run.seed), run.test)
        if abs(before - run.test) > SAME:
            raise ValueError(f"{run.method}, {run.column}, {run.seed}: {before} and {run.test}")
    added = [method for method in later.methods if method not in results.methods]
    runs = [*results.runs, *(run for run in later.runs if run.method in added)]
    methods = [*results.methods, *added]
    return results.model_copy(
        update={
            "methods": methods,
            "runs": runs,
            "trials": [*results.trials, *(t for t in later.trials if t.method in added)],
            "table": make_table(runs, methods, results.columns, higher_is_better=True),
        }
    )


def read(files: dict[str, bytes], names: Sequence[str]) -> dict[str, Results]:
    """The results of those of these runs that are there."""
    return {
        name: Results.model_validate_json(files[f"{name}/results.json"])
        for name in names
        if f"{name}/results.json" in files
    }


def main(runs: Path | None) -> None:
    """Puts the files of the runs into the archive, and writes the page from it."""
    files = archive.read(ARCHIVE) if ARCHIVE.exists() else {}
    if runs is not None:
        for run in (*HEADS, *(name + LATER for name in HEADS), *ALL_LAYERS):
            if not (runs / run / "results.json").is_file():
                print(f"{run}: not there")
                continue
            for file in ("results.json", "costs.json"):
                files[f"{run}/{file}"] = (runs / run / file).read_bytes()
        archive.write(ARCHIVE, files)
    with mpl.rc_context(SETTINGS):
        save(picture(heads(files)), HERE / PICTURE)
    PAGE.write_text(page(files), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
