"""A small problem that a network can learn."""

from __future__ import annotations

import torch

from directloss.training import Part, Parts


def small_parts(n: int = 120, features: int = 5, seed: int = 0) -> Parts:
    """Positive: the top 20 % of a fixed direction, with noise; three parts of n samples."""
    generator = torch.Generator().manual_seed(seed)
    direction = torch.randn(features, generator=generator)

    def part() -> Part:
        x = torch.randn(n, features, generator=generator)
        signal = x @ direction + 0.3 * torch.randn(n, generator=generator)
        return Part(x, signal > signal.quantile(0.8))

    return Parts(part(), part(), part())
