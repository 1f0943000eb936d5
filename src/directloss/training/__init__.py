"""Training on arrays, the methods by name, and the search over their settings."""

from __future__ import annotations

from directloss.training.config import FitConfig
from directloss.training.data import Part, Parts
from directloss.training.distributed import GlobalBatchLoss, raise_on_all
from directloss.training.fit import FitResult, Metric, ScoreCollapseWarning, fit
from directloss.training.history import History
from directloss.training.methods import METHODS, Method, Settings, default_methods
from directloss.training.sampler import BalancedBatchSampler
from directloss.training.score_memory import ScoreMemory
from directloss.training.search import TrialStore, plan
from directloss.training.whole_dataset import Chunk, WholeDatasetStep, whole_dataset_step

__all__ = [
    "METHODS",
    "BalancedBatchSampler",
    "Chunk",
    "FitConfig",
    "FitResult",
    "GlobalBatchLoss",
    "History",
    "Method",
    "Metric",
    "Part",
    "Parts",
    "ScoreCollapseWarning",
    "ScoreMemory",
    "Settings",
    "TrialStore",
    "WholeDatasetStep",
    "default_methods",
    "fit",
    "plan",
    "raise_on_all",
    "whole_dataset_step",
]
