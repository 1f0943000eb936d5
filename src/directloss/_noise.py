"""Noise of unit deviation in antithetic pairs, the same in every process and in traced graphs."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

__all__ = ["KINDS", "Kind", "antithetic"]

Kind = Literal["normal", "logistic"]

KINDS: tuple[Kind, ...] = ("normal", "logistic")

_MULTIPLIER = 0x9E3779B97F4A7C15
"""Odd, with bits in no order: what follows from two seeds does not meet for 2^63 draws."""


@torch.library.custom_op("directloss::antithetic", mutates_args=())
def antithetic(state: Tensor, rows: Tensor, samples: int, kind: str) -> Tensor:
    """Z and -Z, `samples` / 2 times, for each entry of `rows`.

    Args:
        state: int64 (2,): the seed, and how many draws were made before.
        rows: whose shape, type and device the noise has, after an axis of `samples`.
        kind: of mean 0 and deviation 1: "normal" or "logistic".

    An operator, since a graph cannot seed a generator. Numbers are drawn on the CPU, and so are the
    same on every device.
    """
    seed, draws = state.tolist()
    generator = torch.Generator().manual_seed((seed * _MULTIPLIER + draws) % 2**63)
    shape = (samples // 2, *rows.shape)
    if kind == "normal":
        half = torch.randn(shape, generator=generator, dtype=rows.dtype)
    else:
        uniform = torch.rand(shape, generator=generator, dtype=rows.dtype)
        half = torch.logit(uniform, eps=2.0**-26) * (math.sqrt(3.0) / math.pi)
    return torch.cat([half, -half]).to(rows.device)


@antithetic.register_fake
def _(state: Tensor, rows: Tensor, samples: int, kind: str) -> Tensor:
    return rows.new_empty((samples, *rows.shape))
