"""Labels of several classes beside the columns of an estimator's scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from directloss.errors import ArgumentError
from directloss.sklearn._rows import Array
from directloss.tasks import Task
from directloss.tasks.multiclass import CostMatrix, MulticlassZeroOne, TopKError

_MOST_NAMED = 10


def classes_of(estimator: Any) -> Array | None:
    """The class of each column of an estimator's scores; None where it does not say."""
    found = getattr(estimator, "classes_", None)
    if found is None or any(np.ndim(each) for each in found):  # of several outputs
        return None
    return np.asarray(found)


def values_of_rows(
    task: Task, name: str, y: Any, scores: Array, classes: Array | None = None
) -> Array:
    """The metric of each row, float64 (n,); NaN where it is undefined.

    A label that no column is of was never predicted: the 0-1 error and the top-k error are 1 there.

    Args:
        task: a metric of one target a list.
        name: of the labels, for errors.
        y: (n,) labels as `classes` has them; class indices where that is None.
        scores: (n, classes).
        classes: of the columns.

    Raises:
        ArgumentError: scores or labels do not fit, or the task has no value for a label that no
            column is of.
    """
    if scores.ndim != 2:
        wanted = "(n, classes), of three classes or more; of two take dl.ZeroOne()"
        raise ArgumentError("y_score", f"shape {scores.shape}", wanted)
    if classes is None:
        targets = _indices(name, y, scores)
    else:
        scores, classes = _with_every_cost(task, scores, classes)
        targets = _columns(name, np.asarray(y), classes)
    seen = targets >= 0
    if not seen.all() and not isinstance(task, MulticlassZeroOne | TopKError):
        came = f"{_named(np.asarray(y)[~seen])}, of which there is no score"
        raise ArgumentError(name, came, f"labels out of {_named(classes)} for {task!r}")
    values = np.zeros(len(targets))
    if seen.any():
        values[seen] = task.metric(scores[seen], targets[seen], reduction="none")
    return values


def _with_every_cost(task: Task, scores: Array, classes: Array) -> tuple[Array, Array]:
    """Scores and classes, with a column of each class that only the costs have: never predicted."""
    if scores.shape[1] != len(classes):
        came = f"{scores.shape[1]} columns"
        raise ArgumentError("y_score", came, f"{len(classes)}, one a class of the estimator")
    count = len(task.costs) if isinstance(task, CostMatrix) else 0
    if count in (0, len(classes)):  # 0: the 0-1 error is that of any number of classes
        return scores, classes
    if classes.dtype.kind not in "iuf" or not np.isin(classes, np.arange(count)).all():
        wanted = f"{count} classes, as the costs have, or class indices 0 to {count - 1} as labels"
        raise ArgumentError("y_score", f"scores of the classes {_named(classes)}", wanted)
    wide = np.full((len(scores), count), -np.inf)
    wide[:, classes.astype(np.int64)] = np.maximum(scores, np.finfo(np.float64).min)
    return wide, np.arange(count)


def _columns(name: str, y: Array, classes: Array) -> Array:
    """The column of each label, int64 (n,); -1 where there is none."""
    if y.ndim != 1 or pd.isna(y).any():
        came = "NaN or None" if y.ndim == 1 else f"shape {y.shape}"
        raise ArgumentError(name, came, "a label for every row, (n,)")
    # A dictionary, as numpy takes the text "1" for the number 1.
    place = {label: column for column, label in enumerate(classes.tolist())}
    found = np.array([place.get(label, -1) for label in y.tolist()], np.int64)
    numbers = (labels.dtype.kind in "biuf" for labels in (y, classes))
    if (found < 0).all() and len(set(numbers)) == 2:
        came = f"{_named(y)} of type {y.dtype}"
        raise ArgumentError(name, came, f"labels as the estimator has, {_named(classes)}")
    return found


def _indices(name: str, y: Any, scores: Array) -> Array:
    targets = np.asarray(y)
    if targets.dtype.kind not in "biuf":
        wanted = "class indices, as of a LabelEncoder, where an estimator has no classes_"
        raise ArgumentError(name, f"labels of type {targets.dtype}", wanted)
    if targets.ndim != 1 or not np.isin(targets, np.arange(scores.shape[1])).all():
        came = f"{_named(np.unique(targets))} of shape {targets.shape}"
        wanted = f"class indices 0 to {scores.shape[1] - 1} of shape (n,), as of a LabelEncoder"
        raise ArgumentError(name, came, wanted)
    return targets.astype(np.int64)


def _named(labels: Any) -> str:
    """The first labels, for an error."""
    found = list(dict.fromkeys(np.asarray(labels).ravel().tolist()))
    return ", ".join(map(repr, found[:_MOST_NAMED])) + (" ..." if len(found) > _MOST_NAMED else "")
