"""Two losses one after the other: what people train with first, then the metric."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from directloss._arguments import number
from directloss.errors import ArgumentError
from directloss.losses import DirectLoss
from directloss.perturbation import Perturbation
from directloss.tasks import Task
from directloss.tasks.counting import Counting
from directloss.thresholds import fit_threshold

SHARE = 0.4
"""Of the steps of a run, those of the first loss (`docs/refine.md`)."""

_EPSILON = 2.0
"""Epsilon in deviations of the noise. At .3 spreads of noise and .6 of epsilon nearly every batch
has a gradient, near to the smoothed one in direction, for every task (`docs/epsilon.md`)."""


class WarmStart(nn.Module):
    r"""A loss for a share of the steps, and another one on the scores in spreads from there.

    .. math:: L = \begin{cases} L_1(\phi) & \text{before the switch} \\
              L_2((\phi - t) / \sigma) & \text{from there}\end{cases}

    :math:`\sigma`, the pooled within-list standard deviation of the scores, is measured on the
    first batch behind the switch and then held fixed, so that what the second loss has of units of
    the scores (epsilon, a scale, a margin) means the same for every network. So is t, the threshold
    that is best there for the metric `cut`, as cross-entropy puts the border of its decisions
    elsewhere; without `cut` it is 0. Both are numbers of the loss: the network stays as it is. They
    are part of ``state_dict()``; which phase it is, follows from the step, and `reach` tells it.

    Args:
        first, then: modules of (scores, targets) that return a scalar.
        share: of the steps, those of `first`; 0 for a model that is trained already.
        cut: a metric of decisions, for targets of 0/1; None: t = 0.
    """

    spread: Tensor
    threshold: Tensor

    def __init__(
        self,
        first: nn.Module,
        then: nn.Module,
        *,
        share: float = SHARE,
        cut: Counting | None = None,
    ) -> None:
        super().__init__()
        if not 0.0 <= share < 1.0:
            raise ArgumentError("share", share, "0 or more, and below 1")
        self.first = first
        self.then = then
        self.share = share
        self.cut = cut
        self.switched = False
        self.register_buffer("spread", torch.tensor(math.nan))
        self.register_buffer("threshold", torch.tensor(0.0, dtype=torch.float64))

    def switch(self, steps: int) -> int:
        """The number of steps before the switch, of a run of so many; each loss has one or more."""
        if self.share == 0.0 or steps < 2:
            return 0
        return min(max(round(self.share * steps), 1), steps - 1)

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
            if self.cut is not None:
                self.threshold.fill_(fit_threshold(scores.detach(), targets, self.cut))
        spread = 1.0 if bool(self.spread.isnan()) else float(self.spread)
        then: Tensor = self.then((scores - float(self.threshold)) / spread, targets, **lists)
        return then

    def extra_repr(self) -> str:
        return f"share={self.share:g}, spread={float(self.spread):g}"


def warm_start(
    first: nn.Module, task: Task, scale: float, *, noise: bool = True, share: float = SHARE
) -> WarmStart:
    """A first loss, then the direct loss of a metric in direction "both".

    Args:
        first: the first loss.
        task: the metric.
        scale: deviation of the noise on the scores, in spreads; epsilon is twice that.
        noise: False for none, with the same epsilon.
        share: of the steps, those of `first`.

    Raises:
        ArgumentError: a value is wrong.
    """
    scale = number("scale", scale, lambda found: 0.0 < found < math.inf, "a positive finite number")
    if not isinstance(noise, bool):
        raise ArgumentError("noise", repr(noise), "True or False")
    then = DirectLoss(
        task,
        epsilon=_EPSILON * scale,
        direction="both",
        perturbation=Perturbation(scale) if noise else None,
    )
    return WarmStart(first, then, share=share, cut=task if isinstance(task, Counting) else None)


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
