"""Metrics that know their own score F and their two argmaxes."""

from directloss.tasks.base import Direction, Solution, Task, TaskBase
from directloss.tasks.chain import Chain
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
from directloss.tasks.multiclass import CostMatrix, MulticlassZeroOne, TopKError
from directloss.tasks.own import ListTask
from directloss.tasks.pairs import (
    ROCAUC,
    AveragePrecision,
    PartialAUC,
    RankingTask,
    ReciprocalRank,
)
from directloss.tasks.positions import (
    BEDROC,
    NDCG,
    PrecisionAtK,
    RankBiasedPrecision,
    RecallAtK,
    RPrecision,
)
from directloss.tasks.structured import LinearChain

__all__ = [
    "BEDROC",
    "NDCG",
    "ROCAUC",
    "AveragePrecision",
    "BalancedError",
    "Chain",
    "CostMatrix",
    "CountingTask",
    "Dice",
    "Direction",
    "FBeta",
    "GMean",
    "Jaccard",
    "LinearChain",
    "ListTask",
    "MatthewsCorrelation",
    "MulticlassZeroOne",
    "PartialAUC",
    "PrecisionAtK",
    "RPrecision",
    "RankBiasedPrecision",
    "RankingTask",
    "RecallAtK",
    "ReciprocalRank",
    "Solution",
    "Task",
    "TaskBase",
    "TopKError",
    "Tversky",
    "ZeroOne",
]
