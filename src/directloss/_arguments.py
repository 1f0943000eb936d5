"""What arguments have to be: a number, a whole number, a step, a function of so many arguments."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from directloss.errors import ArgumentError

__all__ = [
    "as_tensor",
    "check_function",
    "index_number",
    "is_number",
    "number",
    "plain",
    "step",
    "whole_number",
]

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
            found = float(plain(value))  # type: ignore[arg-type]
        except OverflowError:  # a whole number past the largest float
            found = math.inf
        if fits(found):
            return found
    raise ArgumentError(name, _shown(value), wanted)


def whole_number(name: str, value: object, *, least: int = 1, wanted: str = "") -> int:
    """A whole number of a type for such, at least `least` and within int64.

    Raises:
        ArgumentError: it is none, or out of range; `wanted` tells what else may be given.
    """
    found = plain(value)
    if isinstance(found, Integral) and not isinstance(found, bool) and least <= int(found) < 2**63:
        return int(found)
    raise ArgumentError(name, repr(value), wanted or f"an int >= {least} (and < 2^63)")


def index_number(ignore_index: object) -> int:
    """An `ignore_index`: any whole number.

    Raises:
        ArgumentError: it is none.
    """
    wanted = "an int, or None"
    return whole_number("ignore_index", ignore_index, least=-(2**63), wanted=wanted)


def step(name: str, value: object, wanted: str = _STEP) -> float:
    """An epsilon or a margin: positive, finite, and not so small that 1 / it is infinite.

    Raises:
        ArgumentError: it is no such number.
    """
    return number(name, value, lambda found: 0.0 < found < math.inf > 1.0 / found, wanted)


def _shown(value: object) -> str:
    """What came, for an error: of an array its number, or its shape and type."""
    if not isinstance(value, np.ndarray | Tensor):
        return repr(value)
    if is_number(value):
        return repr(plain(value))
    kind = "a tensor" if isinstance(value, Tensor) else "an array"
    return f"{kind} of shape {tuple(value.shape)} and type {value.dtype}"


def check_function(name: str, given: object, *parameters: str) -> None:
    """Refuses what cannot be called with so many arguments, by position.

    Args:
        name: the argument that the error names.
        parameters: their names, for the error.

    Raises:
        ArgumentError: it is no function, or one of other arguments.
    """
    wanted = f"a function of ({', '.join(parameters)})"
    if not callable(given):
        raise ArgumentError(name, repr(given), wanted)
    if isinstance(given, np.ufunc):
        if given.nin != len(parameters):
            raise ArgumentError(name, f"{given!r} of {given.nin} arguments", wanted)
        return
    try:
        signature = inspect.signature(given)
    except (TypeError, ValueError):  # some functions written in C do not say
        return
    try:
        signature.bind(*parameters)
    except TypeError as error:
        called = getattr(given, "__name__", type(given).__name__)
        raise ArgumentError(name, f"{called}{signature}", wanted) from error


def as_tensor(name: str, value: Any) -> Tensor:
    """A numpy array as a tensor, without a copy where it may be written to; all else as it is.

    Raises:
        ArgumentError: its entries are not numbers.
    """
    if not isinstance(value, np.ndarray):
        return value  # type: ignore[no-any-return]
    if value.dtype.kind not in "biuf" or value.dtype.itemsize > 8:
        raise ArgumentError(name, f"an array of type {value.dtype}", "numbers")
    usable = value.flags.writeable and min(value.strides, default=0) >= 0
    native = value.astype(value.dtype.newbyteorder("="), copy=not usable)
    return torch.from_numpy(native)


def is_number(value: object) -> bool:
    """Whether it is a real number, which a truth value is not."""
    found = plain(value)
    return isinstance(found, Real) and not isinstance(found, bool)


def plain(value: object) -> object:
    """What an array or a tensor of shape () holds; all else as it is."""
    if isinstance(value, np.ndarray | Tensor) and value.ndim == 0:
        return value.item()
    return value
