"""A study of short waits, run by several processes at once."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

from directloss.study.assignments import Assignment
from directloss.study.sharing import Found, work_together
from directloss.training.methods import Settings
from directloss.training.search import Cell, Finished, TrialStore

SETTINGS = Settings(learning_rate=0.1, l2=0.0)


def plan(trials: int, found: Found) -> list[Assignment]:
    """Trials of one cell, and one of a second cell when all of them are finished."""
    first, second = Cell("logistic", "first", 0), Cell("logistic", "second", 0)
    todo = [Assignment(first, number, SETTINGS) for number in range(trials)]
    if len(found.get(first, {})) == trials:
        todo.append(Assignment(second, 0, SETTINGS))
    return todo


def wait(log: Path, assignment: Assignment) -> Finished:
    """Notes who runs what, then takes a while."""
    with log.open("a") as file:
        file.write(f"{os.getpid()} {assignment.cell.column} {assignment.number}\n")
    time.sleep(0.05)
    return Finished(assignment.number, SETTINGS, 0.5, diverged=False, notes={})


def work(folder: Path, trials: int, log: Path) -> None:
    """What each of the processes does."""
    store = TrialStore(folder / "trials.sqlite3")
    work_together(partial(plan, trials), partial(wait, log), store, folder / "claims")
