"""The least that a step of average precision takes: its kernels, and one node of autograd.

What a step has besides is what makes it a loss that one can use: layouts, masks, groups and
entries left out, tables of any metric, several lists, checks, half precisions, devices, tracers.
The difference says what all of that costs; no rewriting of it could gain more.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmarks.timing import Step
from directloss._update import as_node
from directloss.inference.rankings import Rankings, solve_rankings

__all__ = ["bare_step"]


def bare_step(scores: Tensor, targets: Tensor, epsilon: float, direction: str) -> Step:
    """Forward and backward of one list; whatever does not hang on the scores is made before.

    Args:
        scores: float32 (n,), a leaf.
        targets: (n,), 0 or 1, both among them.
        direction: "positive" or "negative".
    """
    n = scores.numel()
    sign = 1.0 if direction == "positive" else -1.0
    weights, coefficients = (0.0, sign * epsilon), (-sign / epsilon, sign / epsilon)
    labels, offsets = targets.numpy().astype(np.uint8), np.array([0, n])
    ranks, start = np.arange(n + 1, dtype=np.float64), np.zeros(1, np.int64)
    scales = np.array([1.0 / labels.sum()])
    discounts = 1.0 / np.maximum(np.arange(n + 1), 1)
    solvers = (None, "separable" if sign > 0 else "debts")
    positives = np.array([labels.sum()], np.int64)

    def step() -> None:
        scores.grad = None
        gradient = np.empty(n, np.float32)
        losses, values, defined = np.empty((1, 2)), np.empty((1, 2)), np.empty(1, np.bool_)
        tables = (ranks, start, scales), (discounts, start, 1)
        terms = weights, coefficients, solvers, True
        flat = scores.detach().numpy(), True, labels, offsets, positives
        outputs = gradient, losses, values, defined
        solve_rankings(0, 1, Rankings(*flat, *tables, *terms, outputs))
        value = torch.from_numpy(losses[0, :1].astype(np.float32).reshape(()))
        as_node(scores, value, torch.from_numpy(gradient)).backward()

    return step
