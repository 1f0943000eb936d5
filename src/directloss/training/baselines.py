"""The losses that people train with: what the metric's own loss has to beat."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss


class Logistic(nn.Module):
    """Binary cross-entropy of raw scores. A graded target is positive where it is above 0."""

    def forward(self, scores: Tensor, targets: Tensor, *, groups: Tensor | None = None) -> Tensor:
        return binary_cross_entropy_with_logits(scores, (targets > 0).to(scores.dtype))


class Regression(nn.Module):
    """Mean squared difference of score and target."""

    def forward(self, scores: Tensor, targets: Tensor, *, groups: Tensor | None = None) -> Tensor:
        return mse_loss(scores, targets.to(scores.dtype))


class ListNet(nn.Module):
    """Cross-entropy of two softmax distributions over a list, of targets and of scores.

    The top-one loss of ListNet, averaged over the lists. Without groups all samples are one list.

    Source: Cao, Qin, Liu, Tsai, Li, ICML 2007.
    """

    def forward(self, scores: Tensor, targets: Tensor, *, groups: Tensor | None = None) -> Tensor:
        if groups is None:
            groups = torch.zeros_like(targets, dtype=torch.int64)
        names, lists = torch.unique(groups, return_inverse=True)
        wanted = _log_softmax(targets.to(scores.dtype), lists).exp()
        total: Tensor = -(wanted * _log_softmax(scores, lists)).sum()
        return total / len(names)


class Mixed(nn.Module):
    """Cross-entropy plus `weight` times another loss."""

    def __init__(self, other: nn.Module, weight: float) -> None:
        super().__init__()
        self.logistic = Logistic()
        self.other = other
        self.weight = weight

    def forward(self, scores: Tensor, targets: Tensor, *, groups: Tensor | None = None) -> Tensor:
        total: Tensor = self.logistic(scores, targets) + self.weight * self.other(
            scores, targets, groups=groups
        )
        return total


class CrossEntropy(nn.Module):
    """`Logistic`, or for graded relevances in lists `ListNet`.

    Args:
        graded: whether targets may be relevances.
        balance: exponent b of the weight (negatives / positives)^b of a positive of `Logistic`.
    """

    def __init__(self, *, graded: bool, balance: float = 0.0) -> None:
        super().__init__()
        self.graded = graded
        self.balance = balance
        self.listwise = ListNet()

    def forward(self, scores: Tensor, targets: Tensor, *, groups: Tensor | None = None) -> Tensor:
        if self.graded and groups is not None:
            return self.listwise(scores, targets, groups=groups)  # type: ignore[no-any-return]
        labels = (targets > 0).to(scores.dtype)
        positives = labels.sum()
        odds = (len(labels) - positives) / positives.clamp(min=1.0)
        return binary_cross_entropy_with_logits(scores, labels, pos_weight=odds**self.balance)


def _log_softmax(values: Tensor, lists: Tensor) -> Tensor:
    """Logarithm of the softmax within each list; `lists` numbers them from 0 without a gap."""
    count = int(lists.max()) + 1
    largest = values.new_full((count,), -math.inf).scatter_reduce(0, lists, values.detach(), "amax")
    shifted = values - largest[lists]
    # index_add, whose order of additions is fixed, so that runs repeat to the last bit.
    sums = values.new_zeros(count).index_add(0, lists, shifted.exp())
    return shifted - sums.log()[lists]
