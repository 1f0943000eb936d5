"""Lovasz hinge of the Jaccard index.

With labels y = +-1 and margin errors m_i = max(0, 1 - y_i s_i) in descending order, the loss is the
Lovasz extension of the Jaccard loss of the set of mispredicted items:

    L = sum_i m_(i) * [ Delta({(1), ..., (i)}) - Delta({(1), ..., (i-1)}) ],
    Delta(M) = |M| / |positives union M|.

One sort; the bracket is constant under autograd.

Source: Berman, Rannen Triki, Blaschko, "The Lovasz-softmax loss", CVPR 2018.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["lovasz_hinge"]


def lovasz_hinge(scores: Tensor, targets: Tensor) -> Tensor:
    """Lovasz hinge of one list (the pixels of one image).

    Args:
        scores: (n,), floating; the prediction is score > 0.
        targets: (n,), 0 or 1.
    """
    signs = targets.to(scores.dtype) * 2 - 1
    errors, order = torch.sort(1 - scores * signs, descending=True)
    with torch.no_grad():
        found = (targets > 0)[order]
        # Counts above 2**24 do not fit into float32.
        missed = found.cumsum(0)
        false_alarms = torch.arange(1, found.numel() + 1, device=found.device) - missed
        loss = 1 - (missed[-1] - missed).double() / (missed[-1] + false_alarms)
        growth = torch.diff(loss, prepend=loss.new_zeros(1)).to(scores.dtype)
    return (torch.relu(errors) * growth).sum()
