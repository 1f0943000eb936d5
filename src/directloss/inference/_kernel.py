"""How every kernel is compiled, in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]
"""A numpy array whose type and shape the docstring gives."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


def kernel(function: _Function) -> _Function:
    """Compile on first use: without the GIL, kept on disk, IEEE division, never `fastmath`.

    Infinities, NaN and exact comparisons carry meaning in every solver, which `fastmath` would
    let the compiler ignore.
    """
    return cast("_Function", njit(nogil=True, cache=True, error_model="numpy")(function))


def inlined(function: _Function) -> _Function:
    """Compile as `kernel` does, and paste the body into each caller."""
    compiler = njit(nogil=True, cache=True, error_model="numpy", inline="always")
    return cast("_Function", compiler(function))
