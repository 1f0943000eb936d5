"""AP-loss by error-driven updates.

With H a step of width 2 delta, H(x) = clamp(x / (2 delta) + 1/2, 0, 1), the primary term of
positive i and negative j is

    L_ij = H(s_j - s_i) / (1 + sum_{k != i} H(s_k - s_i)),     L = 1/P * sum_ij L_ij,

and instead of a derivative the update itself is passed back: -1/P * sum_j L_ij to positive i,
+1/P * sum_i L_ij to negative j. With interpolated precision, positives are taken in ascending
order, the precision of each is raised to the largest one so far, and its L_ij shrink in proportion.

O(P n) time; rows are made in blocks, so memory stays bounded.

Source: Chen, Li, Lin, See, Wang, Duan, Chen, He, Zou, "Towards accurate one-stage object detection
with AP-loss", CVPR 2019, section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["ap_loss"]


def ap_loss(
    scores: Tensor,
    targets: Tensor,
    *,
    delta: float = 1.0,
    interpolated: bool = True,
    block_size: int = 1 << 22,
) -> Tensor:
    """AP-loss of one list; its gradient is the error-driven update.

    Args:
        scores: (n,), floating.
        targets: (n,), 0 or 1.
        delta: half the width of the step, > 0, in units of the scores.
        interpolated: whether the precision of a positive is the largest at it or below it.
        block_size: entries of the matrix that are held at a time.
    """
    with torch.no_grad():
        positive = targets > 0
        negatives = scores[~positive]
        positives, order = scores[positive].sort()
        count = positives.numel()
        precision = torch.empty_like(positives)
        raised = torch.empty_like(positives)
        from_negatives = torch.zeros_like(negatives)
        best = scores.new_zeros(1)
        rows = max(block_size // scores.numel(), 1)
        for block in torch.arange(count).split(rows):
            own = positives[block, None]
            # The item itself is H(0) = 1/2 in the first sum, and counts 1.
            hits = 0.5 + _step(positives - own, delta).sum(1)
            errors = _step(negatives - own, delta)
            precision[block] = hits / (hits + errors.sum(1))
            raised[block] = torch.cat([best, precision[block]]).cummax(0).values[1:]
            if not interpolated:
                raised[block] = precision[block]
            best = raised[block][-1:]
            # A precision of 1 has no errors below it, only zeros to scale.
            room = (1 - precision[block]).clamp(min=torch.finfo(scores.dtype).tiny)
            scale = (1 - raised[block]) / room / (hits + errors.sum(1))
            from_negatives += scale @ errors
        update = torch.zeros_like(scores)
        update[~positive] = from_negatives / count
        from_positives = torch.empty_like(positives)
        from_positives[order] = -(1 - raised) / count
        update[positive] = from_positives
        value = 1 - raised.mean()
    carrier = (update * scores).sum()
    return value + (carrier - carrier.detach())


def _step(differences: Tensor, delta: float) -> Tensor:
    return differences.div_(2 * delta).add_(0.5).clamp_(0, 1)
