"""The unit of work: one training run of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from directloss.training.methods import METHODS, Method, Settings
from directloss.training.search import Cell, plan


@dataclass(frozen=True)
class Assignment:
    """Train `cell.method` on `cell.column` with trial `number` of the cell's plan."""

    cell: Cell
    number: int
    settings: Settings


def cells(methods: Sequence[str], columns: Sequence[str], seeds: int) -> list[Cell]:
    """All searches, methods alternating."""
    return [
        Cell(method, column, seed)
        for seed in range(seeds)
        for column in columns
        for method in methods
    ]


def assignments(
    methods: Sequence[str],
    columns: Sequence[str],
    seeds: int,
    trials: int,
    known: Mapping[str, Method] = METHODS,
) -> list[Assignment]:
    """All units of work, methods alternating, so that an interrupted run has tried each as often.

    `known` holds the methods by name, with their grids. A method of more `effort` gets so many
    times the trials.
    """
    plans = {
        (method, seed): plan(known[method], trials * known[method].effort, seed)
        for method in methods
        for seed in range(seeds)
    }
    return [
        Assignment(Cell(method, column, seed), number, plans[method, seed][number])
        for seed in range(seeds)
        for column in columns
        for turn in range(trials)
        for method in methods
        for number in range(turn * known[method].effort, (turn + 1) * known[method].effort)
    ]
