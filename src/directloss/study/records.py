"""Finished trials as the records of a results file."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

import directloss as dl
from directloss.report import schema
from directloss.training.methods import Settings
from directloss.training.search import Cell, Finished


def run_record(cell: Cell, trial: Finished) -> schema.Run:
    """A chosen trial; of its notes those that a run has."""
    notes: dict[str, Any] = {
        name: value for name, value in trial.notes.items() if name in schema.Run.model_fields
    }
    return schema.Run(
        method=cell.method,
        column=cell.column,
        seed=cell.seed,
        settings=_settings(trial.settings),
        validation=trial.validation,
        diverged=trial.diverged,
        **notes,
    )


def trial_record(cell: Cell, trial: Finished) -> schema.Trial:
    """A trial of the search."""
    return schema.Trial(
        method=cell.method,
        column=cell.column,
        seed=cell.seed,
        number=trial.number,
        settings=_settings(trial.settings),
        validation=trial.validation,
        diverged=trial.diverged,
    )


def versions(*packages: str) -> dict[str, str]:
    """Of this package, Python, and the named ones."""
    own = {"directloss": dl.__version__, "python": platform.python_version()}
    return own | {name: importlib.metadata.version(name) for name in packages}


def _settings(settings: Settings) -> schema.Settings:
    return schema.Settings(
        learning_rate=settings.learning_rate, epsilon=settings.epsilon, l2=settings.l2
    )
