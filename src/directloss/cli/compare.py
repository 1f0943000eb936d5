"""`directloss compare`: methods side by side on the user's data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from directloss.cli._common import cores, items, one_line_errors, widths
from directloss.cli._table import (
    Categorical,
    Date,
    Decimal,
    Drop,
    DropMissingTarget,
    Encoding,
    IndexBase,
    Missing,
    Sep,
    Thousands,
)

if TYPE_CHECKING:
    from rich.console import Console

    from directloss.study.config import Comparison


def compare(
    data: Annotated[
        str, typer.Option(help="'digits', or a .csv, .tsv, .parquet, .npz or .svmlight file.")
    ] = "digits",
    target: Annotated[str | None, typer.Option(help="Column (or npz array) to predict.")] = None,
    split_column: Annotated[
        str | None,
        typer.Option(help="Column of train/validation/test; made here (60/20/20) without it."),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            help="Column of queries. Each query is a list, stays in one part, and the metric is "
            "averaged over queries; targets are relevances (above 0 is positive where the metric "
            "knows 0/1 only)."
        ),
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(help="Target value that is positive; by default 1 of 0/1, or the rarer one."),
    ] = None,
    categorical: Categorical = None,
    date: Date = None,
    drop: Drop = None,
    missing: Missing = None,
    drop_missing_target: DropMissingTarget = False,
    sep: Sep = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    encoding: Encoding = None,
    index_base: IndexBase = None,
    methods: Annotated[
        str,
        typer.Option(
            help="Separated by commas. pos, neg, both (direct loss, by direction), hinge, per "
            "(perceptron) and mix (cross-entropy + 0.1 x direct loss) train on --metric; with -ap "
            "or -01 behind the name, on average precision or the 0-1 loss whatever --metric says. "
            "logistic is cross-entropy; regression and listnet are for --group. 'all': the -ap "
            "and -01 ones for average precision, else the ones that train on --metric."
        ),
    ] = "all",
    metric: Annotated[
        str,
        typer.Option(
            help="average-precision[:K], roc-auc, partial-auc[:MAX_FPR], ndcg[:K], "
            "reciprocal-rank, r-precision, precision-at-k:K, recall-at-k:K, bedroc[:ALPHA] (or "
            "ap, auc, ndcg@10, p@10 and the like); or, of decisions, "
            "accuracy, balanced-accuracy, f1, fbeta:BETA, jaccard, mcc, gmean: for these every "
            "method, cross-entropy too, gets the threshold that is best on the training part."
        ),
    ] = "average-precision",
    hidden: Annotated[
        str, typer.Option(help="Widths of the hidden layers; 'none' for a linear model.")
    ] = "32",
    trials: Annotated[int, typer.Option(help="Settings to try for each method.")] = 4,
    seeds: Annotated[int, typer.Option(help="Repetitions: other split and initial weights.")] = 2,
    epochs: Annotated[int, typer.Option(help="Passes over the training part.")] = 100,
    batch: Annotated[int | None, typer.Option(help="Mini-batch size; full without it.")] = None,
    batch_positives: Annotated[
        int | None, typer.Option(help="Positives in every mini-batch; their share without it.")
    ] = None,
    optimiser: Annotated[str, typer.Option(help="sgd (with momentum) or adam.")] = "sgd",
    momentum: Annotated[float, typer.Option(help="Momentum of sgd.")] = 0.9,
    patience: Annotated[
        int | None,
        typer.Option(help="Stop after so many evaluations (of 25) without a better one."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes; as many as cores by default.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Output folder; runs/compare-NAME by default.")
    ] = None,
) -> None:
    """Compares training methods on the same data, with the same number of trials for each.

    Settings are chosen on the validation part and reported on the test part. The folder gets
    results.json, results.csv and report.html. When interrupted, the same command resumes.
    In results.csv a name that a spreadsheet would take for a formula (=, +, -, @ in front) begins
    with an apostrophe.
    """
    from rich.console import Console

    with one_line_errors("stopped; finished trials are kept: the same command resumes"):
        comparison = _comparison(
            data=data,
            target=target,
            split_column=split_column,
            group=group,
            positive=positive,
            categorical=tuple(categorical or ()),
            date=tuple(date or ()),
            drop=tuple(drop or ()),
            missing=tuple(missing or ()),
            drop_missing_target=drop_missing_target,
            sep=sep,
            decimal=decimal or ".",
            thousands=thousands,
            encoding=encoding or "utf-8",
            index_base=index_base or "auto",
            methods=items(methods),
            metric=metric,
            hidden=widths(hidden),
            trials=trials,
            seeds=seeds,
            epochs=epochs,
            batch=batch,
            batch_positives=batch_positives,
            optimiser=optimiser,
            momentum=momentum,
            patience=patience,
        )
        folder = out or Path("runs") / f"compare-{Path(data).name.split('.')[0]}"
        _compare(comparison, folder, cores() if workers is None else workers, Console())


def _comparison(
    *, data: str, methods: tuple[str, ...], metric: str, group: str | None, **options: object
) -> Comparison:
    from pydantic import ValidationError

    from directloss.datasets import fingerprint
    from directloss.errors import ArgumentError
    from directloss.study.config import Comparison
    from directloss.study.metrics import canonical_name
    from directloss.training.methods import default_methods

    metric = canonical_name(metric)
    if methods == ("all",):
        methods = default_methods(metric, grouped=group is not None)
    given = {
        "data": data,
        "data_sha256": fingerprint(data),
        "methods": methods,
        "metric": metric,
        "group": group,
        **options,
    }
    try:
        return Comparison.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        wanted = first["msg"].removeprefix("Value error, ")
        raise ArgumentError(option, repr(first["input"]), wanted) from error


def _compare(comparison: Comparison, folder: Path, workers: int, console: Console) -> None:
    from directloss.report import console_table, write_report
    from directloss.study.compare import RESULTS, compare
    from directloss.study.metrics import metric_named
    from directloss.study.progress import ProgressDisplay
    from directloss.study.trial import load_problems
    from directloss.terminal import say

    comparison.check()
    problems = load_problems(comparison, 0)
    say(console, f"{comparison.data}: {problems.describe()}")
    display = ProgressDisplay(
        console,
        comparison.methods,
        trials=len(problems.columns) * comparison.seeds * comparison.trials,
        higher_is_better=metric_named(comparison.metric).make_task().higher_is_better,
    )
    with display:
        results = compare(
            comparison,
            folder,
            command=["directloss", *sys.argv[1:]],
            workers=workers,
            on_start=display.start,
            on_trial=display.on_trial,
        )
    page = folder / "report.html"
    write_report(folder / RESULTS, page)
    console.print(console_table(results, console.width))
    say(console, f"report: {page.resolve()}")
