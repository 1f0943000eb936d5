"""Other ways to train on a ranking or set metric, each written from its paper, one file each.

Every loss here is a function of one list, `loss(scores (n,), targets (n,)) -> 0-d tensor`, lower is
better, differentiable by autograd. Those that the experiments train with, too, live in
`directloss.training.surrogates`.
"""

from benchmarks.peers.ap_loss import ap_loss
from benchmarks.peers.approx_ndcg import approx_ndcg_loss
from benchmarks.peers.blackbox_sorted_twice import blackbox_map_loss_sorted_twice
from benchmarks.peers.lambda_rank import lambda_rank_loss
from benchmarks.peers.lovasz_hinge import lovasz_hinge
from directloss.training.surrogates import (
    blackbox_map_loss,
    smooth_ap_loss,
    soft_rank,
    soft_rank_ap_loss,
)

__all__ = [
    "ap_loss",
    "approx_ndcg_loss",
    "blackbox_map_loss",
    "blackbox_map_loss_sorted_twice",
    "lambda_rank_loss",
    "lovasz_hinge",
    "smooth_ap_loss",
    "soft_rank",
    "soft_rank_ap_loss",
]
