"""Average precision of soft ranks.

A rank vector is the projection of the scores onto the permutahedron, the hull of all permutations
of rho = (n, ..., 1); regularised by a quadratic term of strength e it becomes

    r(s) = argmin over mu in Perm(rho) of 1/2 || mu - (-s / e) ||^2 ,

and for e -> 0 the hard ranks (1 for the highest score). Computed from z = -s / e sorted descending
and one isotonic regression: r = z - v, v = argmin over v_1 >= ... >= v_n of
1/2 || v - (z - rho) ||^2, by pooling adjacent violators in O(n); the derivative of v averages over
each pool. The loss is

    L = 1 - 1/P * sum over positives of r+(s)_i / r(s)_i,    r+ the soft ranks among the positives.

Source: Blondel, Teboul, Berthet, Djolonga, "Fast differentiable sorting and ranking", ICML 2020;
the loss as in Rolinek et al., CVPR 2020.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["soft_rank", "soft_rank_ap_loss"]


def soft_rank_ap_loss(scores: Tensor, targets: Tensor, *, strength: float = 0.01) -> Tensor:
    """1 - AP of the soft ranks of one list.

    Args:
        scores: (n,), floating, on the CPU.
        targets: (n,), 0 or 1.
        strength: e > 0, in units of the scores: two items whose scores differ by less than e times
            the difference of their ranks share their ranks.
    """
    positive = targets > 0
    among_all = soft_rank(scores, strength)[positive]
    among_positives = soft_rank(scores[positive], strength)
    return 1.0 - (among_positives / among_all).mean()


def soft_rank(scores: Tensor, strength: float) -> Tensor:
    """Soft ranks of (n,) scores, 1 for the highest, in the type of the scores."""
    ranks: Tensor = _SoftRank.apply(scores, strength)
    return ranks


class _SoftRank(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, strength: float) -> Tensor:
        # Ranks of a million items differ by less than float32 tells apart in z.
        z, order = torch.sort(scores.double() / -strength, descending=True)
        target = z - torch.arange(z.numel(), 0, -1, dtype=z.dtype)
        values, pool = np.empty(z.numel()), np.empty(z.numel(), np.int64)
        _pool_adjacent_violators(target.numpy(), values, pool)
        ctx.strength = strength
        ctx.save_for_backward(order, torch.from_numpy(pool))
        ranks = torch.empty_like(z)
        ranks[order] = z - torch.from_numpy(values)
        return ranks.to(scores.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        order, pool = ctx.saved_tensors
        in_order = gradient.double()[order]
        pools = int(pool[-1]) + 1
        sums = in_order.new_zeros(pools).index_add_(0, pool, in_order)
        means = sums / torch.bincount(pool, minlength=pools)
        result = torch.empty_like(in_order)
        result[order] = (in_order - means[pool]) / -ctx.strength
        return result.to(gradient.dtype), None


@numba.njit(nogil=True, cache=True)
def _pool_adjacent_violators(
    target: NDArray[np.float64], values: NDArray[np.float64], pool: NDArray[np.int64]
) -> None:
    """The descending sequence nearest to `target`, and the number of the pool of each entry."""
    n = target.size
    sums, counts = np.empty(n), np.empty(n, np.int64)
    last = -1
    for i in range(n):
        last += 1
        sums[last], counts[last] = target[i], 1
        while last > 0 and sums[last - 1] / counts[last - 1] <= sums[last] / counts[last]:
            sums[last - 1] += sums[last]
            counts[last - 1] += counts[last]
            last -= 1
    at = 0
    for p in range(last + 1):
        values[at : at + counts[p]] = sums[p] / counts[p]
        pool[at : at + counts[p]] = p
        at += counts[p]
