"""Scores of a model on data that come in pieces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from directloss.study.metrics import ReportedMetric, metric_named
from directloss.training.data import Part

DECISIONS = ("accuracy", "balanced-accuracy", "f1", "jaccard", "mcc", "gmean")
"""The metrics of decisions that every model gets a threshold for."""


@dataclass(frozen=True)
class Scored:
    """Scores float64 `(n,)`, targets `(n,)` and perhaps groups `(n,)` of a part, on the CPU."""

    scores: Tensor
    targets: Tensor
    groups: Tensor | None = None

    @classmethod
    def join(cls, pieces: Sequence[Scored | None]) -> Scored:
        """All pieces as one; None is a process that had none."""
        some = [piece for piece in pieces if piece is not None]
        groups = [piece.groups for piece in some if piece.groups is not None]
        return cls(
            torch.cat([piece.scores for piece in some]),
            torch.cat([piece.targets for piece in some]),
            torch.cat(groups) if groups else None,
        )

    @property
    def lists(self) -> dict[str, Tensor]:
        """What tells a metric the lists, as keyword arguments."""
        return {} if self.groups is None else {"groups": self.groups}


@torch.no_grad()
def score(model: nn.Module, chunks: Iterable[Part]) -> Scored | None:
    """Scores of all samples; no more than a piece of the features is held at a time."""
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
