"""Batches, whole data sets and several processes; the fit loop, the methods and their search.

`fit`, `refine`, `Run`, `plan` and `TrialStore`, with what belongs to them, need
`directloss[train]`; all else needs the library alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from directloss._extras import TRAIN, require
from directloss.training.config import FitConfig
from directloss.training.data import Part, Parts, Sources
from directloss.training.distributed import GlobalBatchLoss, raise_on_all
from directloss.training.history import Entry, History
from directloss.training.methods import METHODS, Method, Settings, all_methods, default_methods
from directloss.training.metric import Metric
from directloss.training.multilabel_sampler import MultilabelBatchSampler
from directloss.training.refinement import Refinement
from directloss.training.sampler import BalancedBatchSampler, WholeListSampler
from directloss.training.score_memory import ScoreMemory
from directloss.training.stratified_sampler import StratifiedBatchSampler
from directloss.training.warm_start import WarmStart
from directloss.training.whole_dataset import Chunk, WholeDatasetStep, whole_dataset_step

if TYPE_CHECKING:
    from directloss.training._fit import FitResult, ScoreCollapseWarning, fit
    from directloss.training._refine import RECIPE, DivergedWarning, Refined, refine
    from directloss.training.run import Run
    from directloss.training.search import TrialStore, plan
    from directloss.training.steps import DivergedError

__all__ = [
    "METHODS",
    "RECIPE",
    "BalancedBatchSampler",
    "Chunk",
    "DivergedError",
    "DivergedWarning",
    "Entry",
    "FitConfig",
    "FitResult",
    "GlobalBatchLoss",
    "History",
    "Method",
    "Metric",
    "MultilabelBatchSampler",
    "Part",
    "Parts",
    "Refined",
    "Refinement",
    "Run",
    "ScoreCollapseWarning",
    "ScoreMemory",
    "Settings",
    "Sources",
    "StratifiedBatchSampler",
    "TrialStore",
    "WarmStart",
    "WholeDatasetStep",
    "WholeListSampler",
    "all_methods",
    "default_methods",
    "fit",
    "plan",
    "raise_on_all",
    "refine",
    "whole_dataset_step",
]

_OF_THE_EXTRA = {
    "DivergedError": ("steps", "accelerate"),
    "DivergedWarning": ("_refine", "accelerate"),
    "FitResult": ("_fit", "accelerate"),
    "RECIPE": ("_refine", "accelerate"),
    "Refined": ("_refine", "accelerate"),
    "refine": ("_refine", "accelerate"),
    "Run": ("run", "accelerate"),
    "ScoreCollapseWarning": ("_fit", "accelerate"),
    "fit": ("_fit", "accelerate"),
    "TrialStore": ("search", "optuna"),
    "plan": ("search", "optuna"),
}
"""Name -> the module that defines it, and the package that this module needs."""

if not TYPE_CHECKING:  # a type checker would take every name to be there

    def __getattr__(name: str) -> Any:
        if name not in _OF_THE_EXTRA:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, package = _OF_THE_EXTRA[name]
        require(f"{__name__}.{name}", "train", {package: TRAIN[package]})
        return getattr(import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
