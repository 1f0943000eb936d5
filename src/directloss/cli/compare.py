"""`directloss compare`: methods side by side on the user's data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from directloss.cli._command import Fields, Given, chosen
from directloss.cli._common import Workers, processes

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

Out = Annotated[Path | None, typer.Option(help="Output folder; runs/compare-NAME by default.")]


def _options() -> dict[str, FieldInfo]:
    from directloss.study.config import Comparison

    first = ("data", "target", "split_column", "group", "positive")
    return chosen(Comparison.model_fields, first=first, without=("data_sha256",))


FIELDS = Fields(_options)


def compare(given: Given, workers: Workers = None, out: Out = None) -> None:
    """Compares training methods on the same data, with as many trials for each.

    By default cross-entropy, cross-entropy with three times the trials, and refining.

    Settings are chosen on the validation part and reported on the test part. The folder gets
    results.json, results.csv and report.html. When interrupted, the same command resumes; the same
    command in a second terminal shares the work.
    In results.csv a name that a spreadsheet would take for a formula (=, +, -, @ in front) begins
    with an apostrophe.
    """
    from rich.console import Console

    from directloss.datasets import fingerprint
    from directloss.datasets.images import ImageProblem
    from directloss.report import console_table, write_report
    from directloss.study.compare import compare as run
    from directloss.study.config import Comparison
    from directloss.study.display import TrialBars
    from directloss.study.images import describe_features
    from directloss.study.metrics import metric_named
    from directloss.study.options import validate
    from directloss.study.records import RESULTS
    from directloss.study.trial import load_data
    from directloss.terminal import say
    from directloss.training.methods import METHODS
    from directloss.training.refinement import too_few

    console = Console()
    data = given["data"]
    comparison = validate(Comparison, {**given, "data_sha256": fingerprint(data)})
    folder = out or Path("runs") / f"compare-{Path(data).name.split('.')[0]}"
    comparison.check()
    problems = load_data(comparison, 0)
    say(console, f"{data}: {problems.describe()}")
    if comparison.of_images:
        say(console, describe_features(comparison))
    each = len(problems.columns) * comparison.seeds * comparison.trials
    display = TrialBars(
        console,
        {name: each * METHODS[name].effort for name in comparison.methods},
        higher_is_better=metric_named(comparison.metric).make_task().higher_is_better,
    )
    with display:
        results = run(
            comparison,
            folder,
            command=["directloss", *sys.argv[1:]],
            workers=processes(workers),
            on_start=display.start,
            on_trial=display.on_trial,
        )
    page = folder / "report.html"
    write_report(folder / RESULTS, page)
    console.print(console_table(results, console.width))
    if not isinstance(problems, ImageProblem) and any(
        METHODS[name].refines for name in comparison.methods
    ):
        for column in problems.columns:
            parts = problems.parts(column)
            for text in too_few(parts.train, parts.validation):
                say(console, f"warning: {column}: {text}")
    say(console, f"report: {page.resolve()}")
