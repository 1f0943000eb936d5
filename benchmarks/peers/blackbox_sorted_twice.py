"""Blackbox differentiation of average precision with ranks as its authors' code takes them.

Their ranks are an argsort of an argsort, two sorts where `directloss.training.surrogates.blackbox`
writes the inverse of one permutation. The loss and its gradient are the same.

Source: Rolinek, Musil, Paulus, Vlastelica, Michaelis, Martius, "Optimizing rank-based metrics with
blackbox differentiation", CVPR 2020; the ranks are those of `blackbox_backprop/ranking.py` in
https://github.com/martius-lab/blackbox-backprop.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["blackbox_map_loss_sorted_twice"]


def blackbox_map_loss_sorted_twice(
    scores: Tensor, targets: Tensor, *, interpolation: float = 4.0, margin: float = 0.02
) -> Tensor:
    """1 - AP of one list, with the blackbox gradient; arguments as for `blackbox_map_loss`."""
    positive = targets > 0
    shifted = scores + torch.where(positive, -margin / 2, margin / 2)
    all_ranks: Tensor = _RankTwice.apply(shifted, interpolation)
    own_ranks: Tensor = _RankTwice.apply(shifted[positive], interpolation)
    return 1.0 - (own_ranks / all_ranks[positive]).mean()


class _RankTwice(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, interpolation: float) -> Tensor:
        ranks = _descending_ranks(scores)
        ctx.save_for_backward(scores, ranks)
        ctx.interpolation = interpolation
        return ranks

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        scores, ranks = ctx.saved_tensors
        moved = _descending_ranks(scores + ctx.interpolation * gradient)
        return (moved - ranks) / ctx.interpolation, None


def _descending_ranks(scores: Tensor) -> Tensor:
    return torch.argsort(torch.argsort(scores, descending=True)).to(scores.dtype) + 1.0
