"""Noise of unit deviation, the same in every process and in traced graphs."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

__all__ = ["KINDS", "Kind", "draw", "draw_traced"]

Kind = Literal["normal", "logistic"]

KINDS: tuple[Kind, ...] = ("normal", "logistic")

_MULTIPLIER = 0x9E3779B97F4A7C15
"""Odd, with bits in no order: what follows from two seeds does not meet for 2^63 draws."""


def draw(state: Tensor, rows: Tensor, pairs: int, kind: str) -> Tensor:
    """Z for each entry of `rows`, `pairs` times; the other of a pair is -Z.

    Args:
        state: int64 (2,): the seed, and how many draws were made before.
        rows: whose shape, type and device the noise has, after an axis of `pairs`.
        pairs: how many.
        kind: of mean 0 and deviation 1: "normal" or "logistic".

    Numbers are drawn on the CPU, and so are the same on every device.
    """
    seed, draws = state.tolist()
    generator = torch.Generator().manual_seed((seed * _MULTIPLIER + draws) % 2**63)
    shape = (pairs, *rows.shape)
    if kind == "normal":
        drawn = torch.randn(shape, generator=generator, dtype=rows.dtype)
    else:
        uniform = torch.rand(shape, generator=generator, dtype=rows.dtype)
        drawn = torch.logit(uniform, eps=2.0**-26) * (math.sqrt(3.0) / math.pi)
    return drawn.to(rows.device)


draw_traced = torch.library.custom_op("directloss::noise", draw, mutates_args=())
"""The same as an operator: a graph cannot seed a generator."""


@draw_traced.register_fake
def _(state: Tensor, rows: Tensor, pairs: int, kind: str) -> Tensor:
    return rows.new_empty((pairs, *rows.shape))
