"""Losses of every task that `directloss` exports.

A task that needs no arguments takes part by itself; another one, or another form of it, by one line
in `LINES`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from torch import Tensor

import directloss as dl
from benchmarks.case import CLASSES, Case, Drawn

__all__ = ["LINES", "Line", "losses", "task_lines"]

Targets = Literal["binary", "graded"]
TaskLoss = Callable[[Tensor, Drawn, Case], Tensor]


@dataclass(frozen=True, slots=True)
class Line:
    """A task as it is measured: its class, arguments, targets, and how the tables call it."""

    task: str
    arguments: dict[str, Any] = field(default_factory=dict)
    targets: Targets = "binary"
    name: str = ""
    directions: tuple[str, ...] = ("positive", "negative")


LINES = (
    Line("AveragePrecision", directions=("positive", "negative", "both")),
    Line("AveragePrecision", {"k": 100}, name="AveragePrecision@100"),
    Line("PartialAUC", {"max_fpr": 0.1}, name="PartialAUC(0.1)"),
    Line("NDCG"),
    Line("NDCG", targets="graded", name="NDCG, graded"),
    Line("NDCG", {"k": 100}, targets="graded", name="NDCG@100, graded"),
    Line("PrecisionAtK", {"k": 100}, name="Precision@100"),
    Line("RecallAtK", {"k": 100}, name="Recall@100"),
    Line("Tversky", {"alpha": 0.3, "beta": 0.7}, name="Tversky(0.3, 0.7)"),
    Line("CostMatrix", {"costs": np.abs(np.subtract.outer(range(CLASSES), range(CLASSES)))}),
    Line("TopKError", {"k": 3}, name="TopKError(3)"),
)

OWN_METRIC = ("RankingTask", "CountingTask", "ListTask")
"""Bases for a user's own metric: their cost is that of what the user gives."""


def exported_tasks() -> list[str]:
    """Names of the tasks that are a metric."""
    found = []
    for name in dl.__all__:
        value = getattr(dl, name)
        if not inspect.isclass(value) or not issubclass(value, dl.Task):
            continue
        if not inspect.isabstract(value) and name not in OWN_METRIC:
            found.append(name)
    return found


def task_lines() -> Iterator[Line]:
    """A line for every exported task, in the order of the package."""
    for name in exported_tasks():
        yield from [line for line in LINES if line.task == name] or [Line(name)]


def losses() -> dict[str, TaskLoss]:
    """Direct loss of every task, and the other two updates of average precision."""
    found: dict[str, TaskLoss] = {}
    for line in task_lines():
        for direction in line.directions:
            name = f"{line.name or line.task} {direction}"
            found[name] = _direct(line, direction)
    found["AveragePrecision hinge"] = lambda scores, drawn, case: dl.functional.hinge_loss(
        scores, drawn.binary, dl.AveragePrecision()
    )
    found["AveragePrecision perceptron"] = lambda scores, drawn, case: (
        dl.functional.perceptron_loss(scores, drawn.binary, dl.AveragePrecision())
    )
    return found


def make_task(line: Line) -> dl.Task:
    """The task of a line; a `TypeError` says that a task needs a line of its own."""
    try:
        task: dl.Task = getattr(dl, line.task)(**line.arguments)
    except TypeError as error:
        raise TypeError(f"{line.task} needs a line in benchmarks/tasks.py: {error}") from error
    return task


def _direct(line: Line, direction: Any) -> TaskLoss:
    task = make_task(line)
    # The modules are what people use; they are built once, as in a training run.
    made: dict[float, dl.DirectLoss] = {}

    def loss(scores: Tensor, drawn: Drawn, case: Case) -> Tensor:
        if case.epsilon not in made:
            made[case.epsilon] = dl.DirectLoss(
                task, epsilon=case.epsilon, unit="loss", direction=direction
            )
        loss_fn = made[case.epsilon]
        if task.target_per_list:
            value: Tensor = loss_fn(drawn.rows(), drawn.classes)
        else:
            value = loss_fn(scores, drawn.graded if line.targets == "graded" else drawn.binary)
        return value

    return loss
