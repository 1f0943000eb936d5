"""A task's metric as scikit-learn wants it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import make_scorer

from directloss.errors import ArgumentError
from directloss.sklearn._classes import classes_of, values_of_rows
from directloss.sklearn._rows import (
    Array,
    check_weights,
    counts_of,
    in_range,
    numbers_of_lists,
)
from directloss.sklearn._tasks import check_targets, task_of
from directloss.tasks import Task

MOST = 10_000_000
"""Rows that weights may stand for where nothing is trained."""

_METHODS = ("decision_function", "predict_proba", "predict")


class TaskValue:
    """(y_true, y_score) -> the metric of a task.

    Args:
        task: the metric.
        labels: whether scores are predicted labels.
        classes: of a task of classes the class of each column of the scores; None: y are indices.
    """

    def __init__(self, task: Task, *, labels: bool = False, classes: Array | None = None) -> None:
        self.task = task
        self.labels = labels
        self.classes = classes
        self.__name__ = repr(task)

    def __call__(
        self,
        y_true: Any,
        y_score: Any,
        *,
        group: Any = None,
        sample_weight: Any = None,
        pos_label: Any = None,
        name: str = "y_true",
    ) -> float:
        """Of (n,) one list, or one each value of `group`; of (n, labels) the mean of the labels.

        Args:
            y_true: targets 0/1, -1/1 or relevances; of a task of classes labels, or indices.
            y_score: scores, or predicted labels; of a task of classes (n, classes).
            group: labels of rows, (n,).
            sample_weight: how many rows a row stands for, (n,); exact where the metric has weights
                of rows, and else as in `DirectLossClassifier`.
            pos_label: the class that is positive; None: targets are as above.
            name: of the targets, for errors.

        Warns:
            UndefinedMetricWarning: the metric is undefined; the value is NaN.
        """
        if group is not None and sample_weight is not None:
            raise ArgumentError("sample_weight", "weights beside group", "one of the two")
        if self.task.target_per_list:
            value = self._of_classes(name, y_true, np.asarray(y_score), group, sample_weight)
        else:
            targets, scores = _numbers(name, y_true, pos_label), np.asarray(y_score)
            if self.labels:
                scores = _numbers("y_score", y_score, pos_label) - 0.5
            value = self._of_lists(name, targets, scores, group, sample_weight)
        if np.isnan(value):
            message = f"{self.task!r} is undefined for this {name}: it has nothing to rank or count"
            warnings.warn(message, UndefinedMetricWarning, stacklevel=2)
        return value

    def _of_classes(
        self, name: str, y: Any, scores: Array, group: Any, sample_weight: Any
    ) -> float:
        """The mean over the rows on which the metric is defined."""
        if group is not None:
            raise ArgumentError("group", "labels of rows", f"None: {self.task!r} has no lists")
        values = values_of_rows(self.task, name, y, scores, self.classes)
        known = ~np.isnan(values)
        weights = in_range(check_weights(sample_weight, len(values)))
        counted = known.astype(np.float64) if weights is None else known * weights
        return float(np.average(values[known], weights=counted[known])) if counted.any() else np.nan

    def _of_lists(
        self, name: str, targets: Array, scores: Array, group: Any, sample_weight: Any
    ) -> float:
        targets = self._checked(name, targets, scores)
        groups = None if group is None else numbers_of_lists(group, len(targets))
        weights = in_range(check_weights(sample_weight, len(targets)))
        if weights is not None:
            exact = self.task.has_weighted_metric
            rows = np.flatnonzero(weights) if exact else _copies(weights)
            targets, scores = targets[rows], scores[rows]
            weights = _of_items(weights[rows], targets) if exact else None
        dim = 0 if targets.ndim == 2 else -1
        scores = scores.astype(np.float64)
        return float(self.task.metric(scores, targets, dim=dim, groups=groups, weight=weights))

    def _checked(self, name: str, targets: Array, scores: Array) -> Array:
        """Targets as the task knows them."""
        if targets.ndim == 1 and scores.ndim == 2:
            came = f"labels for scores of {scores.shape[1]} classes"
            raise ArgumentError(name, came, f"two classes: {self.task!r} has no more")
        if not self.task.graded and np.isin(targets, (-1.0, 1.0)).all():
            targets = (targets > 0.0).astype(np.float64)
        labels = "0 or 1"
        if name == "y_true":
            labels = "two classes, 0 and 1 or -1 and 1; of others name one by pos_label="
        check_targets(name, targets, self.task, labels)
        return targets


def _copies(weights: Array) -> Array:
    """Numbers of rows, each as often as its weight says."""
    return np.repeat(np.arange(len(weights)), counts_of(weights, most=MOST))


def _of_items(weights: Array, targets: Array) -> Array:
    """Weights in the shape of the targets, (n,) or (n, labels)."""
    return weights if targets.ndim == 1 else np.repeat(weights[:, None], targets.shape[1], 1)


def _numbers(name: str, y: Any, pos_label: Any) -> Any:
    y = y.toarray() if hasattr(y, "toarray") else np.asarray(y)
    if pos_label is not None:
        return (y == pos_label).astype(np.float64)
    if y.dtype.kind not in "biuf":
        raise ArgumentError(name, f"labels of type {y.dtype}", "numbers, or pos_label= as well")
    return y.astype(np.float64)


class ScorerOfClasses:
    """A scorer of scikit-learn whose metric is told the class of each column of the scores.

    Args:
        task: a metric of one target a list.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._scorer = self._with(None)

    def __call__(self, estimator: Any, X: Any, y_true: Any, **given: Any) -> float:
        """The metric of an estimator, higher is better; arguments as of all scorers."""
        return float(self._with(classes_of(estimator))(estimator, X, y_true, **given))

    def __repr__(self) -> str:
        return repr(self._scorer)

    def set_score_request(self, **asked: Any) -> ScorerOfClasses:
        """Which metadata the scorer takes; see scikit-learn on metadata routing."""
        self._scorer.set_score_request(**asked)
        return self

    def get_metadata_routing(self) -> Any:
        """Which metadata the scorer takes, as scikit-learn asks for it."""
        return self._scorer.get_metadata_routing()

    def _accept_sample_weight(self) -> bool:
        return True  # asked by the searches of scikit-learn 1.9

    def _with(self, classes: Array | None) -> Any:
        return make_scorer(
            TaskValue(self._task, classes=classes),
            response_method=_METHODS[:2],
            greater_is_better=self._task.higher_is_better,
        )


def metric_scorer(task: Any, *, pos_label: Any = None) -> Any:
    """A scorer for `scoring=` of scikit-learn: the exact metric of a task.

    A metric that ranks is taken of `decision_function`, or of `predict_proba`, or of `predict`
    where there is nothing else; a metric of decisions is taken of `predict`. One of several classes
    (`MulticlassZeroOne`, `TopKError`, `CostMatrix`) is taken of `decision_function` or
    `predict_proba` of three classes or more, (n, classes), and y are labels as in the `classes_` of
    the estimator, or class indices from 0 where it has none. A label that the training part lacked
    was never predicted. Rows of a `CostMatrix` are the sorted classes; where a training part may
    lack one, labels have to be class indices. Where lower is better, the sign is turned, as
    scikit-learn wants it. Lists come as `group=`, by metadata routing
    (``set_score_request(group=True)``).

    Args:
        task: the metric, by name or as a task.
        pos_label: the class that is positive, where y is neither 0/1, -1/1 nor relevances.

    Raises:
        ArgumentError: there is no such metric, or `pos_label` for one of several classes.

    Example:
        >>> from sklearn.datasets import load_breast_cancer
        >>> from sklearn.model_selection import cross_val_score
        >>> from sklearn.naive_bayes import GaussianNB
        >>> X, y = load_breast_cancer(return_X_y=True)
        >>> cross_val_score(GaussianNB(), X, y, scoring=metric_scorer("ap")).min() > 0.9
        np.True_
    """
    found = task_of(task, of_classes=True)
    if found.target_per_list:
        if pos_label is not None:
            raise ArgumentError("pos_label", repr(pos_label), f"None, as {found!r} has several")
        return ScorerOfClasses(found)
    return make_scorer(
        TaskValue(found, labels=found.decides),
        response_method="predict" if found.decides else _METHODS,
        greater_is_better=found.higher_is_better,
        **({} if pos_label is None else {"pos_label": pos_label}),
    )
