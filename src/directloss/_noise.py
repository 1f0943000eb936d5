"""Scores with noise of unit deviation, the same in every process and in traced graphs."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from directloss._terms import Step
from directloss.inference.memory import lent

__all__ = ["KINDS", "Kind", "antithetic", "draw", "draw_copies", "draw_traced"]

Kind = Literal["normal", "logistic"]

KINDS: tuple[Kind, ...] = ("normal", "logistic")

_MULTIPLIER = 0x9E3779B97F4A7C15
"""Odd, with bits in no order: what follows from two seeds does not meet for 2^63 draws."""

_MANY = 1 << 16
"""Scores of all copies from which fresh memory, which the system hands out page by page, takes
longer to get than memory that the thread has kept."""

_WIDTHS = {torch.float32: np.float32, torch.float64: np.float64}


def draw_copies(
    state: Tensor, rows: Tensor, pairs: int, kind: Kind, scale: Step, *, traced: bool
) -> Tensor:
    """Copies of all rows with noise, (2 * pairs, ...): with + s Z of each pair, then with - s Z.

    Args:
        state, rows, pairs, kind: as in `draw`.
        scale: s.
        traced: whether tensors may be stand-ins without data.
    """
    if traced:
        return antithetic(rows, draw_traced(state, rows, pairs, kind), scale)
    if isinstance(scale, Tensor) or not rows.is_cpu:
        return antithetic(rows, draw(state, rows, pairs, kind), scale)
    # To the same bits, without memory for the noise.
    copies = _empty((2, pairs, *rows.shape), rows.dtype)
    plus, minus = copies.unbind()
    noise = _fill(minus, state, kind)
    torch.add(rows, noise, alpha=scale, out=plus)
    torch.sub(rows, noise, alpha=scale, out=minus)
    return copies.flatten(0, 1)


def _empty(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Of many numbers, in memory that the thread keeps."""
    items = math.prod(shape)
    if items < _MANY:
        return torch.empty(shape, dtype=dtype, device="cpu")
    words = lent(-(-items * dtype.itemsize // 8), "copies").view(_WIDTHS[dtype])
    return torch.from_numpy(words[:items]).reshape(shape)


def antithetic(rows: Tensor, noise: Tensor, scale: Step) -> Tensor:
    """rows + s Z and rows - s Z, (2 * pairs, ...).

    Args:
        noise: Z, with an axis of pairs before those of `rows`.
        scale: s.
    """
    signs = torch.tensor([1.0, -1.0], dtype=rows.dtype, device=rows.device)
    factors = scale * signs.reshape(2, *(1,) * noise.ndim)
    return torch.addcmul(rows, noise, factors).flatten(0, 1)


def draw(state: Tensor, rows: Tensor, pairs: int, kind: str) -> Tensor:
    """Z for each entry of `rows`, `pairs` times; the other of a pair is -Z.

    Args:
        state: int64 (2,): the seed, and how many draws were made before.
        rows: whose shape, type and device the noise has, after an axis of `pairs`.
        pairs: how many.
        kind: of mean 0 and deviation 1: "normal" or "logistic".

    Numbers are drawn on the CPU, and so are the same on every device.
    """
    drawn = torch.empty((pairs, *rows.shape), dtype=rows.dtype, device="cpu")
    return _fill(drawn, state, kind).to(rows.device)


def _fill(out: Tensor, state: Tensor, kind: str) -> Tensor:
    """Draw into a tensor of the CPU."""
    seed, draws = state.tolist()
    generator = torch.Generator().manual_seed((seed * _MULTIPLIER + draws) % 2**63)
    if kind == "normal":
        return out.normal_(generator=generator)
    uniform = out.uniform_(generator=generator)
    return uniform.logit_(eps=2.0**-26).mul_(math.sqrt(3.0) / math.pi)


draw_traced = torch.library.custom_op("directloss::noise", draw, mutates_args=())
"""The same as an operator: a graph cannot seed a generator."""


@draw_traced.register_fake
def _(state: Tensor, rows: Tensor, pairs: int, kind: str) -> Tensor:
    return rows.new_empty((pairs, *rows.shape))
