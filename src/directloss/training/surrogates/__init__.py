"""Other people's losses for average precision, each from its paper, as losses and as methods.

Each loss is a function of one list, `loss(scores (n,), targets (n,)) -> 0-d tensor`, lower is
better, differentiable by autograd.
"""

from __future__ import annotations

from directloss.training.surrogates.blackbox import blackbox_map_loss
from directloss.training.surrogates.methods import SURROGATES
from directloss.training.surrogates.smooth_ap import fast_smooth_ap_loss, smooth_ap_loss
from directloss.training.surrogates.soft_rank import soft_rank, soft_rank_ap_loss

__all__ = [
    "SURROGATES",
    "blackbox_map_loss",
    "fast_smooth_ap_loss",
    "smooth_ap_loss",
    "soft_rank",
    "soft_rank_ap_loss",
]
