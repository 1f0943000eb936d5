"""Smooth-AP.

The step function in the ranks becomes a sigmoid of temperature tau: with d_ij = s_j - s_i and
G(x) = 1 / (1 + exp(-x / tau)),

    L = 1 - 1/P * sum_{i pos} (1 + sum_{j pos, j != i} G(d_ij))
                              / (1 + sum_{j pos, j != i} G(d_ij) + sum_{j neg} G(d_ij)).

A P x n matrix: O(P n) time and memory, as it is usually written; `fast_smooth_ap_loss` needs
O(n log n).

Source: Brown, Xie, Kalogeiton, Zisserman, "Smooth-AP: smoothing the path towards large-scale image
retrieval", ECCV 2020.
"""

from __future__ import annotations

import torch
from torch import Tensor

from directloss.training.surrogates.soft_counts import soft_counts

__all__ = ["fast_smooth_ap_loss", "smooth_ap_loss"]


def smooth_ap_loss(scores: Tensor, targets: Tensor, *, temperature: float = 0.01) -> Tensor:
    """Smooth-AP of one list.

    Args:
        scores: (n,), floating; the paper's are cosine similarities.
        targets: (n,), 0 or 1.
        temperature: tau > 0, in units of the scores.
    """
    positive = targets > 0
    kept = scores[positive]
    above = torch.sigmoid((scores - kept[:, None]) / temperature)
    above_among_positives = above[:, positive]
    # The diagonal, an item against itself, is G(0) = 1/2 and no part of the sums.
    rank_among_positives = 0.5 + above_among_positives.sum(1)
    rank = 0.5 + above.sum(1)
    return 1.0 - (rank_among_positives / rank).mean()


def fast_smooth_ap_loss(scores: Tensor, targets: Tensor, *, temperature: float = 0.01) -> Tensor:
    """`smooth_ap_loss` by `soft_counts`: the same to about six digits, on the CPU."""
    kept = scores[targets > 0]
    rank_among_positives = 0.5 + soft_counts(kept, kept, temperature)
    rank = 0.5 + soft_counts(scores, kept, temperature)
    return (1.0 - (rank_among_positives / rank).mean()).to(scores.dtype)
