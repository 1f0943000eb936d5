"""Search over a method's grid, stored so that nothing finished is ever done twice.

Every method gets the same number of trials. Which settings they are is fixed beforehand by
`plan`, so that a search does not depend on when it was interrupted or how many processes worked
on it. Optuna keeps the trials in one SQLite file; each (method, column, seed) is one study there,
which `optuna-dashboard` can show.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import create_trial

from directloss.errors import ArgumentError
from directloss.training.methods import METHODS, Method, Settings
from directloss.training.ties import Finer, rank

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True, order=True)
class Cell:
    """What one search is made for."""

    method: str
    column: str
    seed: int

    @property
    def study_name(self) -> str:
        """Name of its study in the store."""
        return f"{self.method}/{self.column}/{self.seed}"


@dataclass(frozen=True)
class Finished:
    """A trial of the store: its place in the plan, its validation metric, and what it noted.

    Training that `diverged` is chosen only where no other trial of the cell survived. `finer`
    decides between trials of equal validation metric, see `ties`.
    """

    number: int
    settings: Settings
    validation: float
    diverged: bool
    notes: Mapping[str, Any]
    finer: Finer = ()


def plan(method: Method, trials: int, seed: int) -> list[Settings]:
    """The settings to try: `trials` distinct points of the grid, a Latin hypercube in short.

    Each axis is gone through in a random order before any of its values is used again, so that
    few trials already cover every axis. The order of an axis depends on the seed and its name only:
    methods that share an axis (learning rate, L2) meet its values in the same order.

    Raises:
        ArgumentError: the grid has fewer points than `trials`.
    """
    if not 1 <= trials <= method.grid_size:
        raise ArgumentError(
            "trials", trials, f"1 to {method.grid_size}, the distinct settings of {method.name}"
        )
    generators = {
        axis: np.random.default_rng((seed, zlib.crc32(axis.encode()))) for axis in method.grid
    }
    queues: dict[str, list[float]] = {axis: [] for axis in method.grid}
    chosen: dict[Settings, None] = {}
    while len(chosen) < trials:
        point = {}
        for axis, values in method.grid.items():
            queues[axis] = queues[axis] or generators[axis].permutation(values).tolist()
            point[axis] = queues[axis].pop()
        chosen[Settings(**point)] = None
    return list(chosen)


class TrialStore:
    """Finished trials in an SQLite file.

    A trial is written in one transaction when it has ended: a process that is killed leaves whole
    trials only.

    Args:
        path: the file; made if it does not exist.
        higher_is_better: whether the best trial has the highest or the lowest value.
        methods: the methods that may be recorded, by name, with their grids.
    """

    def __init__(
        self,
        path: Path,
        *,
        higher_is_better: bool = True,
        methods: Mapping[str, Method] = METHODS,
    ) -> None:
        self._methods = methods
        # The file is opened by its name: in an address `?`, `%` and braces mean something.
        connect = partial(sqlite3.connect, path.resolve(), check_same_thread=False)
        self._storage = optuna.storages.RDBStorage(
            "sqlite:///trials", engine_kwargs={"creator": connect}
        )
        self._direction: Literal["maximize", "minimize"] = (
            "maximize" if higher_is_better else "minimize"
        )
        self.refresh()
        self._studies: dict[Cell, optuna.Study] = {}

    def refresh(self) -> None:
        """Learns of the cells that other processes have begun since."""
        self._known = set(optuna.get_all_study_names(self._storage))

    def finished(self, cell: Cell) -> dict[int, Finished]:
        """The cell's trials by their place in the plan."""
        if cell.study_name not in self._known:
            return {}
        trials = self._study(cell).get_trials(deepcopy=False)
        found = (_read(trial) for trial in trials if trial.state.is_finished())
        return {trial.number: trial for trial in found}

    def record(self, cell: Cell, trial: Finished) -> None:
        """Adds a trial that has ended."""
        grid = self._methods[cell.method].grid
        point = {axis: getattr(trial.settings, axis) for axis in grid}
        self._study(cell).add_trial(
            create_trial(
                value=trial.validation,
                params=point,
                distributions={axis: CategoricalDistribution(v) for axis, v in grid.items()},
                user_attrs={
                    "number": trial.number,
                    "diverged": trial.diverged,
                    "finer": list(trial.finer),
                    **trial.notes,
                },
            )
        )

    def best(self, cell: Cell) -> Finished:
        """The trial with the best validation metric; of equal ones `finer` decides.

        Of trials that are equal in that, too, the earliest of the plan, to which a longer plan adds
        nothing.
        """
        higher = self._direction == "maximize"

        def quality(trial: Finished) -> tuple[Any, ...]:
            value = rank(trial.validation, trial.finer, higher_is_better=higher)
            return (not trial.diverged, value, -trial.number)

        return max(self.finished(cell).values(), key=quality)

    def _study(self, cell: Cell) -> optuna.Study:
        if cell not in self._studies:
            self._studies[cell] = optuna.create_study(
                storage=self._storage,
                study_name=cell.study_name,
                direction=self._direction,
                load_if_exists=True,
            )
            self._known.add(cell.study_name)
        return self._studies[cell]


def _read(trial: optuna.trial.FrozenTrial) -> Finished:
    notes = dict(trial.user_attrs)
    assert trial.value is not None, "only trials with a value are recorded"
    number, diverged = notes.pop("number"), notes.pop("diverged")
    finer = tuple(notes.pop("finer", ()))  # trials of earlier releases have none
    return Finished(number, Settings(**trial.params), trial.value, diverged, notes, finer)
