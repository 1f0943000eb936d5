"""Softmax over classes as a baseline for one class: trained on all, rated as a ranking of one.

A target is a set of classes, written as the bits of a whole number: bit k for class k. A person may
do two things at once, or none of them; the outputs are the classes and, last, "none".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import directloss as dl


def encode(positive: Tensor) -> Tensor:
    """0/1 of each class, `(n, classes)` -> sets as bits, int64 `(n,)`."""
    return (positive.long() << torch.arange(positive.shape[1])).sum(dim=1)


def decode(targets: Tensor, classes: int) -> Tensor:
    """The reverse of `encode`."""
    return (targets[:, None] >> torch.arange(classes, device=targets.device)) & 1


class Softmax(nn.Module):
    """Cross-entropy of the softmax with equal shares for all classes of a sample.

    Scores `(n, classes + 1)` and sets of classes `(n,)` -> mean over the samples.
    """

    def forward(self, scores: Tensor, targets: Tensor, *, groups: Tensor | None = None) -> Tensor:
        wanted = decode(targets, scores.shape[1] - 1).to(scores.dtype)
        none = wanted.sum(dim=1, keepdim=True) == 0
        wanted = torch.cat([wanted, none.to(scores.dtype)], dim=1)
        return cross_entropy(scores, wanted / wanted.sum(dim=1, keepdim=True))


class ClassPrecision:
    """Average precision of one class by the softmax's odds for it.

    The odds order samples as the probability does, and do not round to equal ones near 1.
    """

    higher_is_better = True

    def __init__(self, number: int) -> None:
        self._number = number
        self._ap = dl.AveragePrecision()

    def scores(self, outputs: Tensor) -> Tensor:
        """Logarithm of the odds, `(n, classes + 1)` -> `(n,)`; a vector is taken as it is."""
        if outputs.ndim == 1:
            return outputs
        others = torch.cat([outputs[:, : self._number], outputs[:, self._number + 1 :]], dim=1)
        return outputs[:, self._number] - others.logsumexp(dim=1)

    def metric(self, scores: Tensor, targets: Tensor, *, groups: Tensor | None = None) -> Tensor:
        """Average precision; `targets` are sets of classes."""
        return self._ap.metric(self.scores(scores), (targets >> self._number) & 1)


class SoftmaxHead(nn.Module):
    """Features `(n, width)` -> scores `(n, classes + 1)`, with spread 1 for the given features."""

    def __init__(self, features: Tensor, classes: int, generator: torch.Generator) -> None:
        super().__init__()
        width = features.shape[1]
        self.head = nn.Linear(width, classes + 1)
        nn.init.normal_(self.head.weight, std=width**-0.5, generator=generator)
        nn.init.zeros_(self.head.bias)
        with torch.no_grad():
            self.head.weight.div_(self(features).std(correction=0))

    def forward(self, features: Tensor) -> Tensor:
        scores: Tensor = self.head(features)
        return scores
