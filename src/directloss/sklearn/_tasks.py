"""A task by its name."""

from __future__ import annotations

from typing import Any

from directloss.errors import ArgumentError
from directloss.study.metrics import metric_named
from directloss.tasks import Task


def task_of(task: Any) -> Task:
    """A task, given as it is or by the name that the commands know.

    Raises:
        ArgumentError: there is no such metric, or it has one target a list.
    """
    found = metric_named(task).make_task() if isinstance(task, str) else task
    if not isinstance(found, Task) or found.target_per_list:
        raise ArgumentError("task", repr(task), "a metric of scores, by name or as a task")
    return found
