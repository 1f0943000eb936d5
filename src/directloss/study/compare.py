"""Methods side by side: search on validation, report on test."""

from __future__ import annotations

import importlib.metadata
import io
import platform
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import directloss as dl
from directloss.errors import ArgumentError
from directloss.files import write_whole
from directloss.report import schema
from directloss.report.lines import write_rows
from directloss.study.assignments import Assignment, assignments
from directloss.study.config import Comparison
from directloss.study.folder import TRIALS, output_folder
from directloss.study.metrics import metric_named
from directloss.study.table import make_table
from directloss.study.trial import load_problems, run_trial
from directloss.study.workers import run_all
from directloss.training.search import Cell, Finished, TrialStore

RESULTS = "results.json"
SPREADSHEET = "results.csv"

_VERSIONS = ("torch", "numpy", "numba", "scikit-learn", "accelerate", "optuna")

OnTrial = Callable[[Assignment, Finished, bool], None]
"""Called for each finished trial: what it was, what it gave, whether it was found in the store."""


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
    killed, continues where it was: trials are stored one by one as they end.

    Args:
        comparison: everything that the numbers depend on.
        out: output folder.
        command: the command line, for the record.
        workers: processes.
        on_start, on_trial: for a display of progress; nothing can be refused after `on_start`.

    Raises:
        DirectLossError: configuration, data or folder do not fit.
    """
    comparison.check()
    if workers < 1:
        raise ArgumentError("--workers", workers, "1 or more")
    columns = load_problems(comparison, 0).columns
    for seed in range(1, comparison.seeds):
        load_problems(comparison, seed)  # a split that lacks a class is found now, not hours later
    todo = assignments(comparison.methods, columns, comparison.seeds, comparison.trials)
    task = metric_named(comparison.metric).make_task()
    with output_folder(out, comparison.model_dump(mode="json")) as folder:
        store = TrialStore(folder / TRIALS, higher_is_better=task.higher_is_better)
        on_start()
        _run_missing(comparison, store, todo, workers, on_trial)
        results = _collect(comparison, store, columns, task.higher_is_better, command)
        write_whole(folder / RESULTS, results.to_json())
        write_whole(folder / SPREADSHEET, spreadsheet(results))
    return results


def spreadsheet(results: schema.Results) -> str:
    """The chosen runs as CSV, one a line; names of classes are no formulas."""
    fields = ("validation", "test", "test_peak", "spread_final", "seconds", "diverged")
    settings = ("learning_rate", "epsilon", "l2")
    rows: list[list[object]] = [["method", "column", "seed", *settings, *fields]]
    for run in results.runs:
        values = [getattr(run.settings, name) for name in settings]
        values += [getattr(run, name) for name in fields]
        rows.append([run.method, run.column, run.seed, *values])
    text = io.StringIO()
    write_rows(text, rows)
    return text.getvalue()


def _run_missing(
    comparison: Comparison,
    store: TrialStore,
    todo: list[Assignment],
    workers: int,
    on_trial: OnTrial,
) -> None:
    missing = []
    for assignment in todo:
        found = store.finished(assignment.cell).get(assignment.number)
        if found is None:
            missing.append(assignment)
        else:
            on_trial(assignment, found, True)
    for assignment, finished in run_all(missing, partial(run_trial, comparison), workers):
        store.record(assignment.cell, finished)
        on_trial(assignment, finished, False)


def _collect(
    comparison: Comparison,
    store: TrialStore,
    columns: list[str],
    higher_is_better: bool,
    command: list[str],
) -> schema.Results:
    cells = [
        Cell(method, column, seed)
        for method in comparison.methods
        for column in columns
        for seed in range(comparison.seeds)
    ]
    runs = [_run(cell, store.best(cell)) for cell in cells]
    return schema.Results(
        title=f"Training methods on {Path(comparison.data).name}",
        command=command,
        created=datetime.now().astimezone().isoformat(timespec="seconds"),
        versions=_versions(),
        configuration=comparison.model_dump(mode="json"),
        metric=schema.Metric(
            name=metric_named(comparison.metric).words,
            higher_is_better=higher_is_better,
            scale=100.0,
        ),
        columns=columns,
        methods=list(comparison.methods),
        runs=runs,
        trials=[
            _trial(cell, trial)
            for cell in cells
            for _, trial in sorted(store.finished(cell).items())
        ],
        table=make_table(runs, comparison.methods, columns, higher_is_better=higher_is_better),
    )


def _settings(trial: Finished) -> schema.Settings:
    settings = trial.settings
    return schema.Settings(
        learning_rate=settings.learning_rate, epsilon=settings.epsilon, l2=settings.l2
    )


def _run(cell: Cell, trial: Finished) -> schema.Run:
    return schema.Run(
        method=cell.method,
        column=cell.column,
        seed=cell.seed,
        settings=_settings(trial),
        validation=trial.validation,
        diverged=trial.diverged,
        **trial.notes,
    )


def _trial(cell: Cell, trial: Finished) -> schema.Trial:
    return schema.Trial(
        method=cell.method,
        column=cell.column,
        seed=cell.seed,
        number=trial.number,
        settings=_settings(trial),
        validation=trial.validation,
        diverged=trial.diverged,
    )


def _versions() -> dict[str, str]:
    versions = {"directloss": dl.__version__, "python": platform.python_version()}
    return versions | {name: importlib.metadata.version(name) for name in _VERSIONS}
