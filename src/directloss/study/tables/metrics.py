"""The metrics of the study, on the scores of several networks at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

import directloss as dl
from directloss.inference._kernel import Array
from directloss.tasks.base import Task
from directloss.tasks.counting import Counting
from directloss.thresholds import fit_threshold

__all__ = ["METRICS", "Metric"]

MAX_FPR = 0.05
TOP = 0.01


@dataclass(frozen=True)
class Metric:
    """A metric, higher being better.

    Attributes:
        task: of lists of n items.
        share: epsilon as a share of the shift of the scores that is wanted, by the share of
            positives; in the unit of the loss.
        shown: what is reported of the task's metric.
    """

    task: Callable[[int], Task]
    share: Callable[[float], float]
    shown: Callable[[Tensor], Tensor] = lambda values: values

    def of(self, scores: Tensor, labels: Tensor, thresholds: Array | None) -> Array:
        """One value a network, (S,), of scores (S, n); positive is what is above the threshold."""
        task = self.task(labels.numel())
        if thresholds is not None:
            scores = scores.double() - torch.from_numpy(thresholds)[:, None]
        values = task.metric(scores, labels.expand_as(scores), reduction="none")
        return self.shown(values).numpy()

    def thresholds(self, scores: Tensor, labels: Tensor) -> Array | None:
        """The best threshold of each network; None for metrics of an order."""
        task = self.task(labels.numel())
        if not isinstance(task, Counting):
            return None
        return np.array([fit_threshold(row, labels, task) for row in scores])


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "AP": Metric(lambda _: dl.AveragePrecision(), lambda _: 0.3),
        "F1": Metric(lambda _: dl.FBeta(1.0), lambda prior: 1.5 * prior),
        "partial AUC": Metric(
            lambda _: dl.PartialAUC(MAX_FPR),
            lambda _: 2.0 * MAX_FPR,
            dl.PartialAUC(MAX_FPR).standardized,
        ),
        "precision": Metric(lambda n: dl.PrecisionAtK(max(1, round(TOP * n))), lambda _: 1.0),
        "balanced accuracy": Metric(lambda _: dl.BalancedError(), lambda prior: 2.0 * prior),
    }
)
"""By name. "precision" is that of the top 1 %, "partial AUC" that up to 5 % false positives."""
