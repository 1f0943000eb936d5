"""The study: settings are tuned on a seed of their own, then run on the seeds that are reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from directloss.files import write_whole
from directloss.paper.synthetic.candidates import Grid, candidate
from directloss.paper.synthetic.claims import judge
from directloss.paper.synthetic.columns import Column
from directloss.paper.synthetic.config import TUNING_SEED, StudyConfig
from directloss.paper.synthetic.results import (
    RULES,
    ColumnRecord,
    Rule,
    StudyResults,
    StudyRun,
    TuningTrial,
)
from directloss.paper.synthetic.trial import run_trial
from directloss.study.assignments import Assignment
from directloss.study.folder import CLAIMS, SHARED, TRIALS, output_folder
from directloss.study.records import RESULTS, header, run_record, trial_record
from directloss.study.sharing import Found, OnTrial, work_together
from directloss.training.methods import Method, Settings
from directloss.training.search import Cell, Finished, TrialStore, plan

_PACKAGES = ("torch", "numpy", "numba", "accelerate", "optuna")
_DIGITS = 6

_TITLES = {
    "synthetic": "Data of a random network: the methods of the paper, and more",
    "linear": "Data of a linear function: the methods of the paper, and more",
}


class StudyPlan:
    """What a study has to run, given what is finished."""

    def __init__(self, config: StudyConfig) -> None:
        self._columns = config.columns()
        self._settings: dict[Cell, list[Settings]] = {
            Cell(method, column.name, TUNING_SEED): plan(
                candidate(method, column.grid).method, column.trials, TUNING_SEED
            )
            for column in self._columns
            for method in column.methods
        }

    def methods(self) -> dict[str, Method]:
        """The methods for the store: each with the values of all its grids."""
        found: dict[str, Method] = {}
        for column in self._columns:
            for name in column.methods:
                method = candidate(name, column.grid).method
                if name in found:
                    method = replace(method, grid=_union(found[name].grid, method.grid))
                found[name] = method
        return found

    def assignments(self, found: Found) -> list[Assignment]:
        """Column by column: all of tuning, then the reported seeds of what has been tuned."""
        todo = []
        for column in self._columns:
            for number in range(column.trials):
                todo += [self._tuning(method, column, number) for method in column.methods]
            for seed in range(column.seeds):
                for method in column.methods:
                    todo += self._reported(method, column, seed, found)
        return todo

    def choices(self, method: str, column: str, found: Found) -> dict[Rule, int]:
        """The number of the chosen settings by each rule; empty while tuning is unfinished."""
        cell = Cell(method, column, TUNING_SEED)
        trials = found.get(cell, {})
        if len(trials) < len(self._settings[cell]):
            return {}
        return {rule: _best(trials, rule) for rule in RULES}

    def _tuning(self, method: str, column: Column, number: int) -> Assignment:
        cell = Cell(method, column.name, TUNING_SEED)
        return Assignment(cell, number, self._settings[cell][number])

    def _reported(self, method: str, column: Column, seed: int, found: Found) -> list[Assignment]:
        settings = self._settings[Cell(method, column.name, TUNING_SEED)]
        numbers = dict.fromkeys(self.choices(method, column.name, found).values())
        cell = Cell(method, column.name, seed)
        return [Assignment(cell, number, settings[number]) for number in numbers]


def run_study(
    config: StudyConfig,
    out: Path,
    *,
    command: list[str],
    workers: int = 1,
    on_trial: OnTrial = lambda *_: None,
) -> StudyResults:
    """Runs all trials that `out` does not hold yet and writes `results.json`.

    A study that was interrupted, or killed, continues where it was, and several processes may work
    on one folder at once: each trial is run by one of them.

    Args:
        config: everything that the numbers depend on.
        out: output folder.
        command: the command line, for the record.
        workers: processes of this one.
        on_trial: for a display of progress.

    Raises:
        DirectLossError: configuration or folder do not fit.
    """
    config.check()
    study = StudyPlan(config)
    with output_folder(out, config.model_dump(mode="json"), patience=SHARED) as folder:
        store = TrialStore(folder / TRIALS, methods=study.methods())
    found = work_together(
        study.assignments,
        partial(run_trial, config),
        store,
        folder / CLAIMS,
        workers=workers,
        on_trial=on_trial,
    )
    results = _collect(config, study, found, command)
    write_whole(folder / RESULTS, results.to_json())
    return results


def _union(one: Grid, other: Grid) -> Grid:
    return {axis: tuple(sorted({*one[axis], *other[axis]})) for axis in one}


def _best(trials: Mapping[int, Finished], rule: Rule) -> int:
    def value(trial: Finished) -> float:
        return float(trial.notes["train"]) if rule == "training" else trial.validation

    best = max(trials.values(), key=lambda t: (not t.diverged, value(t), -t.number))
    return best.number


def _collect(
    config: StudyConfig, study: StudyPlan, found: Found, command: list[str]
) -> StudyResults:
    columns = config.columns()
    runs = [
        _run(Cell(method, column.name, seed), found, study.choices(method, column.name, found))
        for column in columns
        for method in column.methods
        for seed in range(column.seeds)
    ]
    flat = [run for several in runs for run in several]
    records = [_record(column) for column in columns]
    methods = list(dict.fromkeys(name for column in columns for name in column.methods))
    return StudyResults(
        **header(_TITLES[config.kind], command, config, _PACKAGES),
        columns=records,
        methods=methods,
        runs=flat,
        trials=[
            _tuning_trial(Cell(method, column.name, TUNING_SEED), trial)
            for column in columns
            for method in column.methods
            for _, trial in sorted(found[Cell(method, column.name, TUNING_SEED)].items())
        ],
        claims=judge(config.kind, records, flat),
    )


def _record(column: Column) -> ColumnRecord:
    return ColumnRecord(
        name=column.name,
        explanation=column.explanation,
        setting=column.setting,
        flips=column.flips,
        iterations=column.iterations,
        trials=column.trials,
        methods=list(column.methods),
    )


def _run(cell: Cell, found: Found, choices: Mapping[Rule, int]) -> list[StudyRun]:
    return [
        _study_run(cell, found[cell][number], [r for r in RULES if choices[r] == number])
        for number in dict.fromkeys(choices.values())
    ]


def _study_run(cell: Cell, trial: Finished, chosen_by: list[Rule]) -> StudyRun:
    notes: dict[str, Any] = _rounded(dict(trial.notes))
    record = run_record(cell, replace(trial, notes=notes, validation=_rounded(trial.validation)))
    return StudyRun(
        **dict(record),
        chosen_by=chosen_by,
        accuracy=notes["accuracy"],
        accuracy_flipped=notes["accuracy_flipped"],
    )


def _tuning_trial(cell: Cell, trial: Finished) -> TuningTrial:
    record = trial_record(cell, replace(trial, validation=_rounded(trial.validation)))
    return TuningTrial(**dict(record), train=_rounded(trial.notes["train"]))


def _rounded(value: Any) -> Any:
    """The same with floats to a few digits: beyond them is noise, and the file is committed."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value
