"""Scores of a model on data that come in pieces."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from directloss.study.metrics import ReportedMetric, metric_named
from directloss.training._rows import Scored
from directloss.training.data import Part

__all__ = ["DECISIONS", "Scored", "fit_threshold", "fit_thresholds", "measure", "score"]

DECISIONS = ("accuracy", "balanced-accuracy", "f1", "jaccard", "mcc", "gmean")
"""The metrics of decisions that every model gets a threshold for."""


@torch.no_grad()
def score(model: nn.Module, chunks: Iterable[Part]) -> Scored | None:
    """Scores of all samples, float64 on the CPU; None without any.

    No more than a piece of the features is held at a time.
    """
    device = next(model.parameters()).device
    pieces = [
        Scored(model(part.features.to(device)).double().cpu(), part.targets, part.groups)
        for part in chunks
    ]
    return Scored.join(pieces) if pieces else None


def measure(metric: ReportedMetric, scored: Scored, threshold: float | None) -> float:
    """The metric; decisions are score > threshold."""
    shifted = scored.scores - (threshold or 0.0)
    return float(metric.make_task().metric(shifted, scored.targets, **scored.lists))


def fit_threshold(metric: ReportedMetric, train: Scored) -> float | None:
    """The threshold that is best on the training part, for a metric of decisions."""
    fit = metric.threshold()
    return None if fit is None else fit(train.scores, train.targets)


def fit_thresholds(names: Iterable[str], train: Scored) -> dict[str, float]:
    """The threshold for each of the named metrics that rates decisions."""
    fitted = {name: fit_threshold(metric_named(name), train) for name in names}
    return {name: threshold for name, threshold in fitted.items() if threshold is not None}
