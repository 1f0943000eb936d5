"""Exact loss-augmented inference for metrics of (tp, fp): near-linear time, either sign."""

from __future__ import annotations

from directloss.inference.counts.kernel import (
    ByCounts,
    Solvers,
    solve,
    solve_counts,
    solve_counts_table,
)
from directloss.inference.counts.metrics import (
    BALANCED_ERROR,
    ERROR_RATE,
    GMEAN,
    MATTHEWS,
    TVERSKY,
    is_defined,
    task_loss,
    task_losses,
)

__all__ = [
    "BALANCED_ERROR",
    "ERROR_RATE",
    "GMEAN",
    "MATTHEWS",
    "TVERSKY",
    "ByCounts",
    "Solvers",
    "is_defined",
    "solve",
    "solve_counts",
    "solve_counts_table",
    "task_loss",
    "task_losses",
]
