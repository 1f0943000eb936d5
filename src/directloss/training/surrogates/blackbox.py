"""Blackbox differentiation of average precision.

Ranking is a linear programme over permutations, rk(s) = argmin over pi of <s, pi> (the highest
score gets rank 1), and

    L = 1 - 1/P * sum over positives of rk+(s)_i / rk(s)_i,

with rk+ the ranks among the positives alone. The gradient through rk is that of a piecewise linear
interpolation of the programme, with one more call of it at a perturbed input:

    dL/ds = -1/lambda * [ rk(s) - rk(s + lambda * dL/drk) ].

A margin lifts the negatives by margin/2 and lowers the positives by as much before ranking.

Source: Rolinek, Musil, Paulus, Vlastelica, Michaelis, Martius, "Optimizing rank-based metrics with
blackbox differentiation", CVPR 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["blackbox_map_loss"]


def blackbox_map_loss(
    scores: Tensor,
    targets: Tensor,
    *,
    interpolation: float = 4.0,
    margin: float = 0.02,
    ranks: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """1 - AP of one list, with the blackbox gradient.

    Args:
        scores: (n,), floating.
        targets: (n,), 0 or 1.
        interpolation: lambda > 0; larger ones smooth more.
        margin: >= 0, in units of the scores.
        ranks: scores (n,) to ranks in their type, 1 for the highest; None: by one sort.
    """
    positive = targets > 0
    shifted = scores + torch.where(positive, -margin / 2, margin / 2)
    ranks = ranks or _ranks
    among_all: Tensor = _Rank.apply(shifted, interpolation, ranks)[positive]
    among_positives: Tensor = _Rank.apply(shifted[positive], interpolation, ranks)
    return 1.0 - (among_positives / among_all).mean()


class _Rank(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, scores: Tensor, interpolation: float, rank: Callable[[Tensor], Tensor]
    ) -> Tensor:
        ranks = rank(scores)
        ctx.interpolation, ctx.rank = interpolation, rank
        ctx.save_for_backward(scores, ranks)
        return ranks

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        scores, ranks = ctx.saved_tensors
        perturbed = ctx.rank(scores + ctx.interpolation * gradient)
        return (perturbed - ranks) / ctx.interpolation, None, None


def _ranks(scores: Tensor) -> Tensor:
    ranks = torch.empty_like(scores)
    ranks[torch.argsort(scores, descending=True)] = torch.arange(
        1, scores.numel() + 1, dtype=scores.dtype, device=scores.device
    )
    return ranks
