"""The same formula for arrays on the host and for tensors that stay on their device."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from directloss.inference._kernel import Array

__all__ = ["Numbers", "largest", "least", "root", "where"]

Numbers = Array | Tensor
"""float64, one a list."""


def where(condition: Any, first: Any, second: Any) -> Any:
    """`first` where the condition holds, else `second`."""
    if isinstance(condition, Tensor):
        return torch.where(condition, first, second)
    return np.where(condition, first, second)


def least(first: Any, second: Any) -> Any:
    """The smaller of two, entry by entry."""
    return where(first < second, first, second)


def largest(first: Any, second: Any) -> Any:
    """The larger of two, entry by entry."""
    return where(first < second, second, first)


def root(values: Any) -> Any:
    """The square root."""
    return values.sqrt() if isinstance(values, Tensor) else np.sqrt(values)
