"""What a study writes down: a training run as a trial, trials as the records of its results."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from directloss.report import schema
from directloss.study.assignments import Assignment
from directloss.study.table import make_table
from directloss.training import FitResult
from directloss.training.methods import Settings
from directloss.training.model_folder import installed_versions
from directloss.training.search import Cell, Finished, TrialStore

RESULTS = "results.json"


@contextmanager
def warnings_noted() -> Iterator[list[warnings.WarningMessage]]:
    """Keeps warnings from the terminal: they become a part of the record, which a page shows."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


def finished(
    assignment: Assignment,
    result: FitResult,
    caught: Sequence[warnings.WarningMessage],
    *,
    higher_is_better: bool = True,
    **notes: Any,
) -> Finished:
    """A training run as a trial of the store, with more `notes` where they are given."""
    best = max if higher_is_better else min
    history = result.history
    return Finished(
        number=assignment.number,
        settings=assignment.settings,
        validation=result.validation,
        diverged=result.diverged,
        notes={
            "test": result.test,
            "test_peak": best(history.test, default=result.test),
            "spread_final": history.spread[-1] if len(history) else 0.0,
            "seconds": round(result.seconds, 3),
            "warnings": sorted({str(warning.message) for warning in caught}),
            "history": history.record(),
            **notes,
        },
        finer=result.finer,
    )


def header(
    title: str, command: Sequence[str], configuration: BaseModel, packages: Sequence[str]
) -> dict[str, Any]:
    """The fields of a `schema.Document`, as of now."""
    return {
        "title": title,
        "command": list(command),
        "created": datetime.now().astimezone().isoformat(timespec="seconds"),
        "versions": installed_versions(packages),
        "configuration": configuration.model_dump(mode="json"),
    }


def search_results(
    head: Mapping[str, Any],
    metric: schema.Metric,
    methods: Sequence[str],
    columns: Sequence[str],
    seeds: int,
    *,
    searched: TrialStore,
    reported: TrialStore,
) -> schema.Results:
    """The results of a search in each cell.

    Args:
        head: see `header`.
        metric: what the table shows.
        methods, columns, seeds: the cells.
        searched: all of its trials are recorded.
        reported: the best of its trials is the run of a cell.
    """
    every = [Cell(m, column, seed) for m in methods for column in columns for seed in range(seeds)]
    runs = [run_record(cell, reported.best(cell)) for cell in every]
    return schema.Results(
        **head,
        metric=metric,
        columns=list(columns),
        methods=list(methods),
        runs=runs,
        trials=[
            trial_record(cell, trial)
            for cell in every
            for _, trial in sorted(searched.finished(cell).items())
        ],
        table=make_table(runs, methods, columns, higher_is_better=metric.higher_is_better),
    )


def run_record(cell: Cell, trial: Finished) -> schema.Run:
    """A chosen trial; of its notes those that a run has."""
    notes = {name: trial.notes[name] for name in trial.notes.keys() & schema.Run.model_fields}
    return schema.Run(**_point(cell, trial), **notes)


def trial_record(cell: Cell, trial: Finished) -> schema.Trial:
    """A trial of the search."""
    return schema.Trial(**_point(cell, trial), number=trial.number)


def _point(cell: Cell, trial: Finished) -> dict[str, Any]:
    return {
        **asdict(cell),
        "settings": _settings(trial.settings),
        "validation": trial.validation,
        "diverged": trial.diverged,
    }


def _settings(settings: Settings) -> schema.Settings:
    return schema.Settings(**asdict(settings))
