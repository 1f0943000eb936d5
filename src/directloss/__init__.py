"""Train PyTorch networks directly on the metric that you report."""

from directloss import errors, functional
from directloss.losses import DirectLoss, HingeLoss, PerceptronLoss
from directloss.tasks import (
    AveragePrecision,
    BalancedError,
    CountingTask,
    Dice,
    FBeta,
    GMean,
    Jaccard,
    MatthewsCorrelation,
    RankingTask,
    Task,
    Tversky,
    ZeroOne,
)

__version__ = "0.1.0"

__all__ = [
    "AveragePrecision",
    "BalancedError",
    "CountingTask",
    "Dice",
    "DirectLoss",
    "FBeta",
    "GMean",
    "HingeLoss",
    "Jaccard",
    "MatthewsCorrelation",
    "PerceptronLoss",
    "RankingTask",
    "Task",
    "Tversky",
    "ZeroOne",
    "errors",
    "functional",
]
