"""How every kernel is compiled, in one place."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit
from numpy.typing import NDArray

# With its first kernel numba looks for the BLAS of SciPy, if there is one, and that takes longer
# than all the rest of a first loss. An import is where one expects to wait.
with suppress(ImportError):
    import scipy.linalg.cython_blas  # noqa: F401

Array = NDArray[Any]
"""A numpy array whose type and shape the docstring gives."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _package_stamp() -> tuple[tuple[str, int, int], ...]:
    """What changes when any file with kernels does."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return tuple((file.name, (stat := file.stat()).st_mtime_ns, stat.st_size) for file in files)


_STAMP = _package_stamp()


def _stamped(dispatcher: Any) -> Any:
    """Tie the compiled code on disk to all files with kernels, not to its own file alone.

    A kernel holds the code of the kernels that it calls; numba looks only at the file in which it
    stands itself, and would go on with the old code of the others after an update.
    """
    dispatcher._cache._cache_file._source_stamp = _STAMP
    return dispatcher


# Nobody calls a kernel from C: its wrapper for that would be a tenth of what is compiled.
_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
}


def kernel(function: _Function) -> _Function:
    """Compile on first use: without the GIL, kept on disk, IEEE division, never `fastmath`.

    Infinities, NaN and exact comparisons carry meaning in every solver, which `fastmath` would
    let the compiler ignore.
    """
    compiler = njit(**_OPTIONS)
    return cast("_Function", _stamped(compiler(function)))


def inlined(function: _Function) -> _Function:
    """Compile as `kernel` does, and paste the body into each caller."""
    compiler = njit(**_OPTIONS, inline="always")
    return cast("_Function", _stamped(compiler(function)))


def summation(function: _Function) -> _Function:
    """Compile as `kernel` does, but let sums be taken in any order: several items at once.

    Of all that `fastmath` allows that alone, which leaves infinities, NaN and comparisons as they
    are. The result still depends on nothing but the processor's width.
    """
    compiler = njit(**_OPTIONS, fastmath={"reassoc"})
    return cast("_Function", _stamped(compiler(function)))
