"""LambdaRank with the change in NDCG.

For items i more relevant than j, with ranks r_i of the current scores and gains 2^rel - 1,

    L = sum_{rel_i > rel_j} |Z_ij| * log(1 + exp(-(s_i - s_j))),
    Z_ij = (2^rel_i - 2^rel_j) * (1/log2(1 + r_i) - 1/log2(1 + r_j)) / IDCG,

Z constant; the lambdas are its gradient, -|Z_ij| / (1 + exp(s_i - s_j)) on s_i and the opposite on
s_j. One matrix a level of relevance, of its items against all below: P x N for binary relevance.

Source: Burges, Ragno, Le, "Learning to rank with nonsmooth cost functions", NIPS 2006; Burges,
"From RankNet to LambdaRank to LambdaMART", MSR-TR-2010-82.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

__all__ = ["lambda_rank_loss"]


def lambda_rank_loss(scores: Tensor, targets: Tensor) -> Tensor:
    """LambdaRank of one list.

    Args:
        scores: (n,), floating.
        targets: (n,), relevance >= 0, binary or graded.
    """
    with torch.no_grad():
        gains = torch.exp2(targets.to(scores.dtype)) - 1
        discounts = 1 / torch.log2(torch.arange(2, scores.numel() + 2, dtype=scores.dtype))
        ideal = (gains.sort(descending=True).values * discounts).sum()
        own_discount = torch.empty_like(scores)
        own_discount[scores.argsort(descending=True)] = discounts
    loss = scores.new_zeros(())
    for level in targets.unique()[1:]:
        upper, lower = targets == level, targets < level
        change = (gains[upper, None] - gains[lower]) * (
            own_discount[upper, None] - own_discount[lower]
        )
        margins = scores[upper, None] - scores[lower]
        loss = loss + (change.abs() * softplus(-margins)).sum() / ideal
    return loss
