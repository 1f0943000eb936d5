"""Train PyTorch networks directly on the metric that you report."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from directloss import errors, functional
    from directloss.losses import DirectLoss, HingeLoss, PerceptronLoss
    from directloss.perturbation import Perturbation
    from directloss.tasks import (
        BEDROC,
        NDCG,
        ROCAUC,
        AveragePrecision,
        BalancedError,
        Chain,
        CostMatrix,
        CountingTask,
        Dice,
        FBeta,
        GMean,
        Jaccard,
        LinearChain,
        ListTask,
        MatthewsCorrelation,
        MulticlassZeroOne,
        PartialAUC,
        PrecisionAtK,
        RankingTask,
        RecallAtK,
        ReciprocalRank,
        RPrecision,
        Task,
        TopKError,
        Tversky,
        ZeroOne,
    )

__version__ = "0.1.0"

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
    "DirectLoss",
    "FBeta",
    "GMean",
    "HingeLoss",
    "Jaccard",
    "LinearChain",
    "ListTask",
    "MatthewsCorrelation",
    "MulticlassZeroOne",
    "PartialAUC",
    "PerceptronLoss",
    "Perturbation",
    "PrecisionAtK",
    "RPrecision",
    "RankingTask",
    "RecallAtK",
    "ReciprocalRank",
    "Task",
    "TopKError",
    "Tversky",
    "ZeroOne",
    "errors",
    "functional",
]

_MODULES = ("errors", "functional", "losses", "tasks", "training")

if not TYPE_CHECKING:  # a type checker would take every name to be there

    def __getattr__(name: str) -> Any:
        # The library is imported at the first use of a name: the commands answer for their help,
        # version and completion without torch.
        if name in _MODULES:
            return import_module(f"{__name__}.{name}")
        if name in __all__:
            for module in ("losses", "perturbation", "tasks"):
                defined = vars(import_module(f"{__name__}.{module}"))
                if name in defined:
                    globals()[name] = defined[name]
                    return defined[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
