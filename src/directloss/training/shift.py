"""Epsilon from a shift of scores: how far the loss augmentation may move one score."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import directloss as dl

_OF_PREVALENCE: dict[type, Callable[[float], float]] = {
    dl.FBeta: lambda prevalence: 1.5 * prevalence,
    dl.Jaccard: lambda prevalence: prevalence,
    dl.BalancedError: lambda prevalence: 2.0 * prevalence,
    dl.GMean: lambda prevalence: 2.0 * prevalence,
}
"""Metrics of sets: the smaller the set, the further does one epsilon move a score of it."""

_FIXED: dict[type, Callable[[Any], float]] = {
    dl.AveragePrecision: lambda _: 0.3,
    dl.PartialAUC: lambda task: 2.0 * task.max_fpr,
    dl.PrecisionAtK: lambda _: 1.0,
    dl.RecallAtK: lambda _: 1.0,
    dl.ZeroOne: lambda _: 1.0,
}


def direct_loss(task: Any, shift: float, *, noise: bool) -> nn.Module:
    """The direct loss in direction "both" whose epsilon moves a score by `shift` or less.

    Args:
        task: the metric.
        shift: in units of the scores.
        noise: whether there is noise on the scores, of that deviation.
    """
    perturbation = dl.Perturbation(shift) if noise else None
    of_prevalence = next((f for kind, f in _OF_PREVALENCE.items() if isinstance(task, kind)), None)
    if of_prevalence is not None:
        loss = dl.DirectLoss(task, direction="both", perturbation=perturbation)
        return _OfPrevalence(loss, lambda prevalence: shift * of_prevalence(prevalence))
    fixed = next((f for kind, f in _FIXED.items() if isinstance(task, kind)), None)
    share = task.epsilon_scale if fixed is None else fixed(task)
    return dl.DirectLoss(task, epsilon=shift * share, direction="both", perturbation=perturbation)


class _OfPrevalence(nn.Module):
    """A direct loss whose epsilon follows from the share of positives of its first batch."""

    def __init__(self, loss_fn: dl.DirectLoss, epsilon: Callable[[float], float]) -> None:
        super().__init__()
        self.loss_fn = loss_fn
        self._epsilon = epsilon

    def forward(self, scores: Tensor, targets: Tensor, *, groups: Tensor | None = None) -> Tensor:
        if self.training and math.isnan(self.loss_fn.epsilon.item()):
            prevalence = float((targets > 0).to(torch.float64).mean())
            self.loss_fn.epsilon = self._epsilon(prevalence) if prevalence else "auto"
        loss: Tensor = self.loss_fn(scores, targets, groups=groups)
        return loss
