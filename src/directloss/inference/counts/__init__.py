"""Exact loss-augmented inference for metrics of (tp, fp): near-linear time, either sign."""

from __future__ import annotations

from directloss.inference.counts.kernel import ByCounts, solve
from directloss.inference.counts.metrics import (
    BALANCED_ERROR,
    ERROR_RATE,
    GMEAN,
    MATTHEWS,
    TABLE,
    TVERSKY,
    Metric,
    is_defined,
    task_loss,
    task_losses,
)
from directloss.inference.counts.solvers import solver_of

__all__ = [
    "BALANCED_ERROR",
    "ERROR_RATE",
    "GMEAN",
    "MATTHEWS",
    "TABLE",
    "TVERSKY",
    "ByCounts",
    "Metric",
    "is_defined",
    "solve",
    "solver_of",
    "task_loss",
    "task_losses",
]
