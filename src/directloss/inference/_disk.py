"""Compiled kernels on disk: never older than their sources, and never a reason to fail."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from numba.core.caching import FunctionCache

__all__ = ["keep_on_disk"]

_log = logging.getLogger("directloss")


def _package_stamp() -> tuple[tuple[str, int, int], ...]:
    """What changes when any file with kernels does."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return tuple((file.name, (stat := file.stat()).st_mtime_ns, stat.st_size) for file in files)


_STAMP = _package_stamp()

_UNREADABLE = (OSError, EOFError, UnpicklingError)
"""What numba raises where files are missing, locked or torn."""


class _Cache(FunctionCache):
    """numba's own, tied to all files with kernels, not to the one that the kernel stands in.

    A kernel holds the code of the kernels that it calls; numba would go on with the old code of the
    others after an update.
    """

    said = False
    """Whether this process has told why it cannot keep its code."""

    def __init__(self, function: Any) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        self._cache_file._source_stamp = _STAMP

    def load_overload(self, signature: Any, context: Any) -> Any:
        try:
            return super().load_overload(signature, context)  # type: ignore[no-untyped-call]
        except _UNREADABLE:
            return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        try:
            super().save_overload(signature, compiled)  # type: ignore[no-untyped-call]
        except _UNREADABLE as error:  # or cannot be written: the disk is full, the folder gone
            if not _Cache.said:
                _Cache.said = True
                _log.warning("directloss cannot keep compiled code: %s", error)
            # An index that names what is not there could find an older file of that name.
            with suppress(OSError):
                Path(self._cache_file._index_path).unlink()


def keep_on_disk(dispatcher: Any) -> None:
    """Keep what is compiled where numba does: `NUMBA_CACHE_DIR`, else beside the source, else in
    the user's cache. Where none can be written to, each process compiles for itself."""
    try:
        dispatcher._cache = _Cache(dispatcher.py_func)
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
