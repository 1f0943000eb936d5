"""Blackbox differentiation of average precision with ranks as its authors' code takes them.

Their ranks are an argsort of an argsort, two sorts where `directloss.training.surrogates.blackbox`
writes the inverse of one permutation. The loss and its gradient are the same.

Source: Rolinek, Musil, Paulus, Vlastelica, Michaelis, Martius, "Optimizing rank-based metrics with
blackbox differentiation", CVPR 2020; the ranks are those of `blackbox_backprop/ranking.py` in
https://github.com/martius-lab/blackbox-backprop.
"""

from __future__ import annotations

import torch
from torch import Tensor

from directloss.training.surrogates import blackbox_map_loss

__all__ = ["blackbox_map_loss_sorted_twice"]


def blackbox_map_loss_sorted_twice(
    scores: Tensor, targets: Tensor, *, interpolation: float = 4.0, margin: float = 0.02
) -> Tensor:
    """1 - AP of one list, with the blackbox gradient; arguments as for `blackbox_map_loss`."""
    return blackbox_map_loss(
        scores, targets, interpolation=interpolation, margin=margin, ranks=_descending_ranks
    )


def _descending_ranks(scores: Tensor) -> Tensor:
    return torch.argsort(torch.argsort(scores, descending=True)).to(scores.dtype) + 1.0
