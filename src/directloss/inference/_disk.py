"""Compiled kernels on disk: never older than their sources, and never a reason to fail."""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numba
from numba import config
from numba.core.caching import FunctionCache, IndexDataCacheFile

__all__ = ["keep_on_disk"]

_log = logging.getLogger("directloss")


def _package_stamp() -> bytes:
    """What changes when any file with kernels does, or how numba is asked to compile them."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    stats = [(file.name, (stat := file.stat()).st_mtime_ns, stat.st_size) for file in files]
    asked = config.BOUNDSCHECK, config.OPT  # type: ignore[attr-defined]
    return repr((numba.__version__, asked, stats)).encode()


_STAMP = _package_stamp()


class _Files(IndexDataCacheFile):
    """numba's two files, each behind a digest of what it holds and of what it was made from.

    numba has no digest. A flipped bit could then be an error of any kind, or code that does
    something else; and after a crash the index could name a file of older code.
    """

    def _load_index(self) -> dict[Any, str]:
        try:
            return cast("dict[Any, str]", self._read(self._index_path))
        except Exception:  # whatever is wrong with it: there is no code yet
            return {}

    def _save_index(self, overloads: dict[Any, str]) -> None:
        self._write(self._index_path, overloads)

    def _load_data(self, name: str) -> Any:
        return self._read(os.path.join(self._cache_path, name))

    def _save_data(self, name: str, data: Any) -> None:
        self._write(os.path.join(self._cache_path, name), data)

    def _read(self, path: str) -> Any:
        content = Path(path).read_bytes()
        payload = content[_DIGEST:]
        if _digest(payload) != content[:_DIGEST]:
            raise OSError(f"{path} is damaged, or older than the sources")
        return pickle.loads(payload)

    def _write(self, path: str, content: Any) -> None:
        payload = self._dump(content)  # type: ignore[no-untyped-call]
        with self._open_for_write(path) as file:
            file.write(_digest(payload) + payload)


_DIGEST = hashlib.sha256().digest_size


def _digest(payload: bytes) -> bytes:
    return hashlib.sha256(_STAMP + payload).digest()


class _Cache(FunctionCache):
    """numba's own, tied to all files with kernels, not to the one that the kernel stands in.

    A kernel holds the code of the kernels that it calls; numba would go on with the old code of the
    others after an update.
    """

    said = False
    """Whether this process has told why it cannot keep its code."""

    def __init__(self, function: Any) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        at = self._cache_file
        base = at._index_name.removesuffix(".nbi")
        self._cache_file = _Files(at._cache_path, base, _STAMP)  # type: ignore[no-untyped-call]

    def load_overload(self, signature: Any, context: Any) -> Any:
        try:
            return super().load_overload(signature, context)  # type: ignore[no-untyped-call]
        except Exception as error:  # whatever is wrong with the files: they are written anew
            _log.debug("compiled code was not used: %s", error)
            return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        try:
            super().save_overload(signature, compiled)  # type: ignore[no-untyped-call]
        except OSError as error:  # the disk is full, the folder gone
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
