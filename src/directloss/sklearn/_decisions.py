"""Scores as decisions and probabilities: a threshold beside a calibration by scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from directloss.sklearn._rows import Array
from directloss.tasks import Task
from directloss.tasks.counting import Counting
from directloss.thresholds import fit_threshold


def threshold_of(task: Task, calibrator: Any, scores: Array, positive: Array) -> float:
    """Above which score a row is called positive.

    Of a metric of counts the best one for the metric; of any other where the probability is 1/2.
    """
    if isinstance(task, Counting):
        return fit_threshold(torch.from_numpy(scores), torch.from_numpy(positive), task)
    if isinstance(calibrator, LogisticRegression):
        return -float(calibrator.intercept_[0] / calibrator.coef_[0, 0])
    x, y = calibrator.X_thresholds_, calibrator.y_thresholds_
    below = int(np.searchsorted(y, 0.5, side="right"))  # how many are not above 1/2
    if below in (0, len(x)):
        return float(x[0] - 1.0 if below == 0 else x[-1] + 1.0)
    return float(np.interp(0.5, y[below - 1 : below + 1], x[below - 1 : below + 1]))


def shift(calibrator: Any, threshold: float) -> None:
    """Makes a calibrator of scores one of the decision function, scores less the threshold."""
    if isinstance(calibrator, LogisticRegression):
        # The threshold first, so that where it is that of 1/2 the intercept becomes exactly 0.
        middle = -calibrator.intercept_ / calibrator.coef_[0]
        calibrator.intercept_ = -calibrator.coef_[0] * (middle - threshold)
        return
    calibrator.fit(calibrator.X_thresholds_ - threshold, calibrator.y_thresholds_)


def identity() -> LogisticRegression:
    """A calibrator of scores that are log-odds already."""
    calibrator = LogisticRegression()
    calibrator.coef_, calibrator.intercept_ = np.ones((1, 1)), np.zeros(1)
    calibrator.classes_ = np.array([False, True])
    return calibrator


def probabilities(calibrator: Any, decision: Array) -> Array:
    """Of the positive class, (n,)."""
    if isinstance(calibrator, LogisticRegression):
        found = expit(decision * calibrator.coef_[0, 0] + calibrator.intercept_[0])
    else:
        found = calibrator.predict(decision)
    return np.asarray(found, np.float64)
