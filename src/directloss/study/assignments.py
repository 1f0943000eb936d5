"""The unit of work: one training run of a search."""

from __future__ import annotations

from dataclasses import dataclass

from directloss.training.methods import METHODS, Settings
from directloss.training.search import Cell, plan


@dataclass(frozen=True)
class Assignment:
    """Train `cell.method` on `cell.column` with trial `number` of the cell's plan."""

    cell: Cell
    number: int
    settings: Settings


def assignments(
    methods: tuple[str, ...], columns: list[str], seeds: int, trials: int
) -> list[Assignment]:
    """All units of work, methods alternating, so that an interrupted run has tried each alike."""
    plans = {
        (method, seed): plan(METHODS[method], trials, seed)
        for method in methods
        for seed in range(seeds)
    }
    return [
        Assignment(Cell(method, column, seed), number, plans[method, seed][number])
        for seed in range(seeds)
        for column in columns
        for number in range(trials)
        for method in methods
    ]
