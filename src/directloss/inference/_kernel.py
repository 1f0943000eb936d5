"""How every kernel is compiled, in one place."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

import numpy as np
from numba import config, njit, types
from numpy.typing import NDArray

from directloss.inference._compiling import watch
from directloss.inference._disk import keep_on_disk

# With its first kernel numba looks for the BLAS of SciPy, if there is one, and that takes longer
# than all the rest of a first loss. An import is where one expects to wait.
with suppress(ImportError):
    import scipy.linalg.cython_blas  # noqa: F401

watch()

Array = NDArray[Any]
"""A numpy array whose type and shape the docstring gives."""

ZERO = cast("int", np.int64(0))
"""0 as any other number. A plain 0 is a type of its own to numba, which compiles a callee for that,
and then for numbers, too."""

_Function = TypeVar("_Function", bound=Callable[..., Any])

_INTERPRETED = bool(config.DISABLE_JIT)  # type: ignore[attr-defined]
"""NUMBA_DISABLE_JIT=1: nothing is compiled, so that a debugger can step through it."""

# Nobody calls a kernel from C: its wrapper for that would be a tenth of what is compiled.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    if _INTERPRETED:
        return function
    dispatcher = njit(**_OPTIONS, **options)(function)
    keep_on_disk(dispatcher)
    return dispatcher


def kernel(function: _Function) -> _Function:
    """Compile on first use: without the GIL, kept on disk, IEEE division, never `fastmath`.

    Infinities, NaN and exact comparisons carry meaning in every solver, which `fastmath` would
    let the compiler ignore.
    """
    return cast("_Function", _compiled(function))


class _Inner:
    """A kernel that other kernels call as any, and Python by way of one that is compiled for it.

    Compiled without a way in from Python: to call numba's own object would be a jump to nowhere.
    """

    def __init__(self, dispatcher: Any) -> None:
        self.dispatcher = dispatcher  # held here: the type of a kernel has only a weak reference
        self._numba_type_ = types.Dispatcher(dispatcher)  # what a kernel takes this object for

    def __call__(self, *arguments: Any) -> Any:
        return _call(self, *arguments)


@njit
def _call(function: Any, *arguments: Any) -> Any:
    return function(*arguments)


def _without_entry(function: Callable[..., Any], **options: Any) -> Any:
    compiled = _compiled(function, no_cpython_wrapper=True, **options)
    return compiled if _INTERPRETED else _Inner(compiled)


def inner(function: _Function) -> _Function:
    """Compile as `kernel` does, for callers that are kernels, which spares the way in from Python.

    Of a family's compiling that is a fifteenth.
    """
    return cast("_Function", _without_entry(function))


def inlined(function: _Function) -> _Function:
    """Compile as `kernel` does, and paste the body into each caller."""
    return cast("_Function", _compiled(function, inline="always"))


def summation(function: _Function) -> _Function:
    """Compile as `inner` does, but let sums be taken in any order: several items at once.

    Of all that `fastmath` allows that alone, which leaves infinities, NaN and comparisons as they
    are. The result still depends on nothing but the processor's width.
    """
    return cast("_Function", _without_entry(function, fastmath={"reassoc"}))
