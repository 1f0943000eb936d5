"""Other ways to train on a ranking or set metric, each written from its paper, one file each.

Every loss here is a function of one list, `loss(scores (n,), targets (n,)) -> 0-d tensor`, lower is
better, differentiable by autograd. They import torch (and numpy and numba for the isotonic
regression) and nothing of `directloss`, so that they can stand beside it in any experiment.
"""

from benchmarks.peers.ap_loss import ap_loss
from benchmarks.peers.approx_ndcg import approx_ndcg_loss
from benchmarks.peers.blackbox_map import blackbox_map_loss
from benchmarks.peers.lambda_rank import lambda_rank_loss
from benchmarks.peers.lovasz_hinge import lovasz_hinge
from benchmarks.peers.smooth_ap import smooth_ap_loss
from benchmarks.peers.soft_rank_ap import soft_rank, soft_rank_ap_loss

__all__ = [
    "ap_loss",
    "approx_ndcg_loss",
    "blackbox_map_loss",
    "lambda_rank_loss",
    "lovasz_hinge",
    "smooth_ap_loss",
    "soft_rank",
    "soft_rank_ap_loss",
]
