"""What arguments have to be: a number, a whole number, a step, a function of so many arguments."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral, Real

import numpy as np
from torch import Tensor

from directloss.errors import ArgumentError

__all__ = ["is_number", "number", "step", "whole_number"]

_STEP = "a positive finite number of at least 5.6e-309, so that 1 / it is finite"


def number(name: str, value: object, fits: Callable[[float], bool], wanted: str) -> float:
    """A real number, of Python, numpy (of shape (), too) or torch, as a float; no truth value.

    Args:
        name: the argument that the error names.
        fits: whether the number will do; False for NaN.
        wanted: what the error asks for.

    Raises:
        ArgumentError: it is no number, or does not fit.
    """
    if is_number(value):
        try:
            found = float(_plain(value))  # type: ignore[arg-type]
        except OverflowError:  # a whole number past the largest float
            found = math.inf
        if fits(found):
            return found
    raise ArgumentError(name, _came(value), wanted)


def _came(value: object) -> str:
    if isinstance(value, Tensor):
        if value.ndim or value.is_complex():
            return f"a tensor of shape {tuple(value.shape)} and type {value.dtype}"
        return repr(value.item())
    return repr(value)


def whole_number(name: str, value: object, *, least: int = 1, wanted: str = "") -> int:
    """A whole number of a type for such, at least `least` and within int64.

    Raises:
        ArgumentError: it is none, or out of range; `wanted` tells what else may be given.
    """
    found = _plain(value)
    if isinstance(found, Integral) and not isinstance(found, bool) and least <= int(found) < 2**63:
        return int(found)
    raise ArgumentError(name, repr(value), wanted or f"an int >= {least}")


def step(name: str, value: object, wanted: str = _STEP) -> float:
    """An epsilon or a margin: positive, finite, and not so small that 1 / it is infinite.

    Raises:
        ArgumentError: it is no such number.
    """
    return number(name, value, lambda found: 0.0 < found < math.inf > 1.0 / found, wanted)


def is_number(value: object) -> bool:
    """Whether it is a real number, which a truth value is not."""
    found = _plain(value)
    return isinstance(found, Real) and not isinstance(found, bool)


def _plain(value: object) -> object:
    """What an array or a tensor of shape () holds; all else as it is."""
    if isinstance(value, np.ndarray | Tensor) and value.ndim == 0:
        return value.item()
    return value
