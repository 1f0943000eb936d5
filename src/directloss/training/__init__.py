"""Training on arrays, the methods by name, and the search over their settings."""

from __future__ import annotations

from directloss.training.config import FitConfig
from directloss.training.data import Part, Parts
from directloss.training.fit import FitResult, Metric, ScoreCollapseWarning, fit
from directloss.training.history import History
from directloss.training.methods import METHODS, Method, Settings, default_methods
from directloss.training.sampler import BalancedBatchSampler
from directloss.training.search import TrialStore, plan

__all__ = [
    "METHODS",
    "BalancedBatchSampler",
    "FitConfig",
    "FitResult",
    "History",
    "Method",
    "Metric",
    "Part",
    "Parts",
    "ScoreCollapseWarning",
    "Settings",
    "TrialStore",
    "default_methods",
    "fit",
    "plan",
]
