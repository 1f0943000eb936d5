"""What decides between models of equal validation metric.

A metric of few steps is soon at its best: precision at k = 3 after a few of the first weights, far
from the end of training. The first of equals is then an untrained model. So a finer quantity
decides, and where all are equal the later one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

import directloss as dl
from directloss.training.warm_start import WarmStart

Finer = tuple[float, ...]
"""Quantities of which the first that differs decides; higher is better."""


@torch.no_grad()
def finer(
    loss_fn: nn.Module, scores: Tensor, targets: Tensor, groups: Tensor | None = None
) -> Finer:
    """Average precision, the phase of training, and the negative loss on the validation part.

    A target counts as positive where it is above 0. The losses of two phases are different
    quantities and are not compared: the later phase counts as the finer one.

    Args:
        loss_fn: what is trained with, in evaluation mode.
        scores: (n, ...); where a sample has several, there is no average precision.
        targets, groups: (n,).
    """
    precision = -math.inf
    if scores.ndim == 1:
        task = dl.AveragePrecision()
        precision = float(task.metric(scores, targets > 0, groups=groups))
    later = any(isinstance(m, WarmStart) and m.switched for m in loss_fn.modules())
    loss = float(loss_fn(scores, targets, **({} if groups is None else {"groups": groups})))
    return (precision, float(later), -loss)


def rank(validation: float, finer: Finer, *, higher_is_better: bool) -> tuple[float, ...]:
    """What sorts models, the best last: by validation metric, then by finer quantities.

    NaN, a metric that is undefined, comes first.
    """
    values = (validation if higher_is_better else -validation, *finer)
    return tuple(-math.inf if math.isnan(value) else value for value in values)
