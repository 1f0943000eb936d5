"""Methods side by side: search on validation, report on test."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

from directloss.errors import ArgumentError
from directloss.files import write_whole
from directloss.report import schema
from directloss.report.lines import write_rows
from directloss.study.assignments import assignments
from directloss.study.config import Comparison, check_positives
from directloss.study.folder import CLAIMS, SHARED, TRIALS, output_folder
from directloss.study.images import make_features
from directloss.study.metrics import metric_named
from directloss.study.records import RESULTS, header, search_results
from directloss.study.sharing import OnTrial, work_together
from directloss.study.trial import load_data, run_trial
from directloss.training.search import TrialStore

SPREADSHEET = "results.csv"

_PACKAGES = ("torch", "numpy", "numba", "scikit-learn", "accelerate", "optuna")


def compare(
    comparison: Comparison,
    out: Path,
    *,
    command: list[str],
    workers: int = 1,
    on_start: Callable[[], None] = lambda: None,
    on_trial: OnTrial = lambda *_: None,
) -> schema.Results:
    """Runs all trials that `out` does not hold yet and writes `results.json` and `results.csv`.

    Data and configuration are checked before the folder is touched. A run that was interrupted, or
    killed, continues where it was, and several processes may work on one folder at once.

    Args:
        comparison: everything that the numbers depend on.
        out: output folder.
        command: the command line, for the record.
        workers: processes of this one.
        on_start, on_trial: for a display of progress; nothing can be refused after `on_start`.

    Raises:
        DirectLossError: configuration, data or folder do not fit.
    """
    comparison.check()
    if workers < 1:
        raise ArgumentError("workers", workers, "1 or more")
    columns = load_data(comparison, 0).columns
    for seed in range(comparison.seeds):  # what does not fit a split is found now, not hours later
        rows = load_data(comparison, seed).rows["train"]
        if comparison.batch is not None:
            check_positives(comparison.batch_positives, comparison.batch, len(rows))
    methods, seeds = comparison.methods, comparison.seeds
    known = comparison.known_methods()
    todo = assignments(methods, columns, seeds, comparison.trials, known)
    metric = metric_named(comparison.metric)
    higher_is_better = metric.make_task().higher_is_better
    with output_folder(out, comparison.model_dump(mode="json"), patience=SHARED) as folder:
        store = TrialStore(folder / TRIALS, higher_is_better=higher_is_better, methods=known)
    features = make_features(comparison, folder) if comparison.of_images else None
    on_start()
    work_together(
        lambda _: todo,
        partial(run_trial, comparison, features),
        store,
        folder / CLAIMS,
        workers=workers,
        on_trial=on_trial,
    )
    title = f"Training methods on {Path(comparison.data).name}"
    results = search_results(
        header(title, command, comparison, _PACKAGES),
        schema.Metric(name=metric.words, higher_is_better=higher_is_better),
        methods,
        columns,
        seeds,
        searched=store,
        reported=store,
    )
    write_whole(folder / RESULTS, results.to_json())
    write_whole(folder / SPREADSHEET, spreadsheet(results))
    return results


def spreadsheet(results: schema.Results) -> str:
    """The chosen runs as CSV, one a line; names of classes are no formulas."""
    fields = ("validation", "test", "test_peak", "spread_final", "seconds", "diverged")
    settings = ("learning_rate", "epsilon", "l2", "length", "balance")
    rows: list[list[object]] = [["method", "column", "seed", *settings, *fields]]
    for run in results.runs:
        values = [getattr(run.settings, name) for name in settings]
        values += [getattr(run, name) for name in fields]
        rows.append([run.method, run.column, run.seed, *values])
    text = io.StringIO()
    write_rows(text, rows)
    return text.getvalue()
