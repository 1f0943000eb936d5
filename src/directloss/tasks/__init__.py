"""Metrics that know their own score F and their two argmaxes."""

from directloss.tasks.base import Direction, Solution, Task
from directloss.tasks.counting import (
    BalancedError,
    CountingTask,
    Dice,
    FBeta,
    GMean,
    Jaccard,
    MatthewsCorrelation,
    Tversky,
    ZeroOne,
)
from directloss.tasks.pairs import AveragePrecision, RankingTask

__all__ = [
    "AveragePrecision",
    "BalancedError",
    "CountingTask",
    "Dice",
    "Direction",
    "FBeta",
    "GMean",
    "Jaccard",
    "MatthewsCorrelation",
    "RankingTask",
    "Solution",
    "Task",
    "Tversky",
    "ZeroOne",
]
