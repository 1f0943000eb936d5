"""A task by its name, and the targets that it knows."""

from __future__ import annotations

from typing import Any

from directloss.errors import ArgumentError
from directloss.sklearn._rows import Array
from directloss.study.metrics import metric_named
from directloss.tasks import Task
from directloss.training._order import any_order


def task_of(task: Any, *, of_classes: bool = False) -> Task:
    """A task, given as it is or by the name that the commands know.

    Args:
        task: see above.
        of_classes: whether it may be one with scores of several classes.

    Raises:
        ArgumentError: there is no such metric, or it has scores of several classes.
    """
    found = _named(task) if isinstance(task, str) else task
    if not isinstance(found, Task):
        raise ArgumentError("task", repr(task), "a metric of scores, by name or as a task")
    if found.target_per_list and not of_classes:
        wanted = "a metric of two classes, such as dl.ZeroOne(); no estimator has more"
        raise ArgumentError("task", repr(task), wanted)
    return found


def check_targets(name: str, targets: Array, task: Task, labels: str = "0 or 1") -> None:
    """Refuses targets that the metric does not know.

    Args:
        name: the argument that the error names.
        targets: numbers.
        task: the metric.
        labels: what is wanted where the metric knows two classes.

    Raises:
        ArgumentError: naming `name`.
    """
    try:
        task.read_targets(targets.ravel())
    except ArgumentError as error:
        if error.argument != "targets":
            raise
        wanted = error.wanted
        if wanted == task.labels_wanted:
            wanted = labels
            if hasattr(task, "relevant_from"):
                wanted += f"; of relevances take task={_from_one(task)}"
        raise ArgumentError(name, error.came, wanted) from error


def has_order(task: Task, targets: Array, lists: Array) -> bool:
    """Whether two items of a list differ in relevance, or the metric is not one of an order."""
    if not task.ranks:
        return True
    return any_order(task.labels_of(targets), lists)


def _named(name: str) -> Task:
    try:
        found: Task = metric_named(name).make_task()
    except ArgumentError as error:
        wanted = error.wanted
        if wanted.startswith("one of"):
            wanted = wanted.replace("-", "_") + ", or a task (`-` and `_` are the same)"
        raise ArgumentError("task", error.came, wanted) from error
    return found


def _from_one(task: Task) -> str:
    begin = repr(task).removesuffix(")")
    return f"dl.{begin}{'' if begin.endswith('(') else ', '}relevant_from=1)"
