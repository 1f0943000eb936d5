"""ApproxNDCG.

The position of an item becomes a sum of sigmoids, and NDCG a smooth function of them:

    p_i = 1 + sum_{j != i} 1 / (1 + exp(alpha (s_i - s_j))),
    L = 1 - 1/IDCG * sum_i (2^rel_i - 1) / log2(1 + p_i).

Only items with a gain need their position: a P x n matrix for binary relevance.

Source: Qin, Liu, Li, "A general approximation framework for direct optimization of information
retrieval measures", Information Retrieval 13 (2010).
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["approx_ndcg_loss"]


def approx_ndcg_loss(scores: Tensor, targets: Tensor, *, alpha: float = 10.0) -> Tensor:
    """1 - ApproxNDCG of one list.

    Args:
        scores: (n,), floating.
        targets: (n,), relevance >= 0, binary or graded.
        alpha: steepness > 0, in units of 1 / score.
    """
    gains = torch.exp2(targets.to(scores.dtype)) - 1
    relevant = gains > 0
    discounts = 1 / torch.log2(torch.arange(2, scores.numel() + 2, dtype=scores.dtype))
    ideal = (gains.sort(descending=True).values * discounts).sum()
    above = torch.sigmoid(alpha * (scores - scores[relevant, None]))
    # The item against itself is 1/2 of the sum, and no part of it.
    positions = 0.5 + above.sum(1)
    return 1 - (gains[relevant] / torch.log2(1 + positions)).sum() / ideal
