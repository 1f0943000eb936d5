"""A task's metric as scikit-learn wants it."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import make_scorer

from directloss.errors import ArgumentError
from directloss.sklearn._rows import check_weights, counts_of
from directloss.sklearn._tasks import task_of
from directloss.tasks import Task

MOST = 10_000_000
"""Rows that weights may stand for where nothing is trained."""


class TaskValue:
    """(y_true, y_score) -> the metric of a task.

    Args:
        task: the metric.
        labels: whether scores are predicted labels.
    """

    def __init__(self, task: Task, *, labels: bool = False) -> None:
        self.task = task
        self.labels = labels
        self.__name__ = repr(task)

    def __call__(
        self,
        y_true: Any,
        y_score: Any,
        *,
        group: Any = None,
        sample_weight: Any = None,
        pos_label: Any = None,
    ) -> float:
        """Of (n,) one list, or one each value of `group`; of (n, labels) the mean of the labels.

        Args:
            group: labels of rows, (n,).
            sample_weight: how many rows a row stands for, (n,), as in `DirectLossClassifier`.
            pos_label: the class that is positive; None: targets are 0/1 or relevances as they are.
        """
        targets, scores = _numbers("y_true", y_true, pos_label), np.asarray(y_score)
        if self.labels:
            scores = _numbers("y_score", y_score, pos_label) - 0.5
        groups = None if group is None else np.unique(np.asarray(group), return_inverse=True)[1]
        weights = check_weights(sample_weight, len(targets))
        if weights is not None:
            if groups is not None:
                raise ArgumentError("sample_weight", "weights beside group", "one of the two")
            rows = np.repeat(np.arange(len(targets)), counts_of(weights, most=MOST))
            targets, scores = targets[rows], scores[rows]
        dim = 0 if targets.ndim == 2 else -1
        scores = scores.astype(np.float64)
        return float(self.task.metric(scores, targets, dim=dim, groups=groups))


def _numbers(name: str, y: Any, pos_label: Any) -> Any:
    y = y.toarray() if hasattr(y, "toarray") else np.asarray(y)
    if pos_label is not None:
        return (y == pos_label).astype(np.float64)
    if y.dtype.kind not in "biuf":
        raise ArgumentError(name, f"labels of type {y.dtype}", "numbers, or pos_label= as well")
    return y.astype(np.float64)


def metric_scorer(task: Any, *, pos_label: Any = None) -> Any:
    """A scorer for `scoring=` of scikit-learn: the exact metric of a task.

    A metric that ranks is taken of `decision_function`, or of `predict_proba`, or of `predict`
    where there is nothing else; a metric of decisions is taken of `predict`. Where lower is better,
    the sign is turned, as scikit-learn wants it. Lists come as `group=`, by metadata routing
    (``set_score_request(group=True)``).

    Args:
        task: the metric, by name or as a task.
        pos_label: the class that is positive, where y is neither 0/1 nor relevances.

    Example:
        >>> from sklearn.datasets import load_breast_cancer
        >>> from sklearn.model_selection import cross_val_score
        >>> from sklearn.naive_bayes import GaussianNB
        >>> X, y = load_breast_cancer(return_X_y=True)
        >>> cross_val_score(GaussianNB(), X, y, scoring=metric_scorer("ap")).min() > 0.9
        np.True_
    """
    found = task_of(task)
    methods = ("decision_function", "predict_proba", "predict")
    return make_scorer(
        TaskValue(found, labels=found.decides),
        response_method="predict" if found.decides else methods,
        greater_is_better=found.higher_is_better,
        **({} if pos_label is None else {"pos_label": pos_label}),
    )
