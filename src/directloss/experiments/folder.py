"""The output folder of an experiment: one configuration, whole files only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from directloss.errors import DirectLossError
from directloss.files import read_file, write_whole

CONFIGURATION = "configuration.json"
TRIALS = "trials.sqlite3"
_LOCK = ".lock"
_MOST_BYTES = 1 << 24  # of a configuration
_PATIENCE = 30.0  # seconds that setting up a folder may take another process


class FolderError(DirectLossError):
    """The output folder cannot be used; the message says why and what to do."""


@contextmanager
def locked_folder(path: Path) -> Iterator[Path]:
    """Makes or reopens the folder and keeps other processes out of it.

    Raises:
        FolderError: it cannot be written, or is in use.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / _LOCK, timeout=0)
        lock.acquire()
    except Timeout as error:
        raise FolderError(f"--out: another process is working in {path}") from error
    except OSError as error:
        raise FolderError(f"--out: cannot write to {path}: {error.strerror}") from error
    try:
        yield path
    finally:
        lock.release()


@contextmanager
def output_folder(path: Path, configuration: dict[str, Any]) -> Iterator[Path]:
    """A locked folder of one comparison.

    Raises:
        FolderError: it cannot be written, is in use, or holds another configuration.
    """
    with locked_folder(path):
        _check_configuration(path, configuration)
        yield path


@contextmanager
def shared_folder(path: Path, configuration: dict[str, Any]) -> Iterator[Path]:
    """Makes or reopens a folder in which several processes work on one configuration.

    Inside the context no other process sets the folder up: what all of them need is made there.

    Raises:
        FolderError: it cannot be written, or holds another configuration.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / _LOCK, timeout=_PATIENCE)
        lock.acquire()
    except Timeout as error:
        raise FolderError(f"--out: another process keeps {path} for itself") from error
    except OSError as error:
        raise FolderError(f"--out: cannot write to {path}: {error.strerror}") from error
    try:
        _check_configuration(path, configuration)
        yield path
    finally:
        lock.release()


def _check_configuration(folder: Path, configuration: dict[str, Any]) -> None:
    file = folder / CONFIGURATION
    wanted = json.loads(json.dumps(configuration))
    if file.exists():
        found = _read(file)
        changed = [
            f"{name} was {found.get(name)!r}, now {wanted.get(name)!r}"
            for name in sorted(found.keys() | wanted.keys())
            if found.get(name) != wanted.get(name)
        ]
        if changed:
            shown = "; ".join(changed[:3]) + ("; ..." if len(changed) > 3 else "")
            raise FolderError(
                f"--out: {folder} holds another comparison ({shown}); "
                "choose another folder or delete this one"
            )
        return
    if (folder / TRIALS).exists():
        raise FolderError(
            f"--out: {folder} holds {TRIALS} without {CONFIGURATION}; choose another folder"
        )
    try:
        write_whole(file, json.dumps(wanted, indent=2) + "\n")
    except OSError as error:
        raise FolderError(f"--out: cannot write to {folder}: {error.strerror}") from error


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_file(file, most=_MOST_BYTES))
    except OSError as error:
        raise FolderError(f"--out: cannot read {file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise FolderError(f"--out: {file} is not a configuration: {error}") from error
    if not isinstance(found, dict):
        raise FolderError(f"--out: {file} is not a configuration")
    return found
