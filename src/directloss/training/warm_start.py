"""Two losses one after the other: what people train with first, then the metric."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from directloss.errors import ArgumentError

SHARE = 0.4
"""Of the steps of a run, those of the first loss (`docs/refine.md`)."""


class WarmStart(nn.Module):
    r"""A loss for a share of the steps, and another one on the scores in spreads from there.

    .. math:: L = \begin{cases} L_1(\phi) & \text{before the switch} \\
              L_2(\phi / \sigma) & \text{from there}\end{cases}

    :math:`\sigma`, the pooled within-list standard deviation of the scores, is measured on the
    first batch behind the switch and then held fixed, so that what the second loss has of units of
    the scores (epsilon, a scale, a margin) means the same for every network. It is a number of the
    loss: the network stays as it is. It is part of ``state_dict()``; which phase it is, follows
    from the step, and `reach` tells it.

    Args:
        first, then: modules of (scores, targets) that return a scalar.
        share: of the steps, those of `first`; 0 for a model that is trained already.
    """

    spread: Tensor

    def __init__(self, first: nn.Module, then: nn.Module, *, share: float = SHARE) -> None:
        super().__init__()
        if not 0.0 <= share < 1.0:
            raise ArgumentError("share", share, "0 or more, and below 1")
        self.first = first
        self.then = then
        self.share = share
        self.switched = False
        self.register_buffer("spread", torch.tensor(math.nan))

    def switch(self, steps: int) -> int:
        """The number of steps before the switch, of a run of so many."""
        return round(self.share * steps)

    def reach(self, step: int, steps: int) -> None:
        """Before the step behind so many, of a run: which of the losses it takes."""
        self.switched = step >= self.switch(steps)

    def forward(self, scores: Tensor, targets: Tensor, *, groups: Tensor | None = None) -> Tensor:
        """The loss of the phase."""
        lists = {} if groups is None else {"groups": groups}
        if not self.switched:
            first: Tensor = self.first(scores, targets, **lists)
            return first
        if self.training and bool(self.spread.isnan()):
            self.spread.fill_(_deviation(scores.detach(), groups))
        spread = 1.0 if bool(self.spread.isnan()) else float(self.spread)
        then: Tensor = self.then(scores / spread, targets, **lists)
        return then

    def extra_repr(self) -> str:
        return f"share={self.share:g}, spread={float(self.spread):g}"


def _deviation(scores: Tensor, groups: Tensor | None) -> float:
    """Pooled standard deviation within the lists; 1 where all scores of each list are equal."""
    values = scores.cpu().double()
    if groups is None:
        centred = values - values.mean(0)
    else:
        _, lists, sizes = torch.unique(groups.cpu(), return_inverse=True, return_counts=True)
        sums = values.new_zeros(len(sizes), *values.shape[1:]).index_add(0, lists, values)
        centred = values - (sums / sizes.reshape(-1, *[1] * (values.ndim - 1)))[lists]
    deviation = float(centred.square().mean().sqrt())
    return deviation if deviation > 0.0 else 1.0
