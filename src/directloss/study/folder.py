"""The output folder of a study or a training run: one configuration, whole files only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from directloss.errors import DirectLossError
from directloss.files import read_file, write_whole
from directloss.training.model_folder import CONFIGURATION as OF_A_TRAINING
from directloss.training.model_folder import MODEL

CONFIGURATION = "configuration.json"
TRIALS = "trials.sqlite3"
CLAIMS = "claims"
_LOCK = ".lock"
_MOST_BYTES = 1 << 24  # of a configuration

SHARED = 30.0
"""Patience for a folder that several processes share: what setting it up may take another one."""


class FolderError(DirectLossError):
    """The output folder cannot be used; the message says why and what to do."""


@contextmanager
def output_folder(
    path: Path, configuration: Mapping[str, Any] | None = None, *, patience: float = 0.0
) -> Iterator[Path]:
    """Makes or reopens a folder, and keeps other processes out of it inside the context.

    Processes that share the work on a folder set it up inside the context and work outside.

    Args:
        path: the folder.
        configuration: what all results in the folder depend on; None: the caller sees to that.
        patience: seconds to wait for a process that is in the folder.

    Raises:
        FolderError: it cannot be written, is in use, or holds another configuration.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / _LOCK, timeout=patience)
        lock.acquire()
    except Timeout as error:
        raise FolderError(f"out: another process is working in {path}") from error
    except OSError as error:
        raise FolderError(f"out: cannot write to {path}: {error.strerror}") from error
    try:
        if configuration is not None:
            _check_configuration(path, configuration)
        yield path
    finally:
        lock.release()


def refuse_changes(
    folder: Path, found: Mapping[str, Any], wanted: Mapping[str, Any], noun: str
) -> None:
    """Refuses a folder whose configuration is another one, naming the first differences.

    Raises:
        FolderError: the two differ.
    """
    changed = [
        f"{name} was {found.get(name)!r}, now {wanted.get(name)!r}"
        for name in sorted(found.keys() | wanted.keys())
        if found.get(name) != wanted.get(name)
    ]
    if changed:
        shown = "; ".join(changed[:3]) + ("; ..." if len(changed) > 3 else "")
        raise FolderError(
            f"out: {folder} holds another {noun} ({shown}); "
            "choose another folder or delete this one"
        )


def _check_configuration(folder: Path, configuration: Mapping[str, Any]) -> None:
    file = folder / CONFIGURATION
    wanted = json.loads(json.dumps(configuration))
    if file.exists():
        refuse_changes(folder, _read(file), wanted, "comparison")
        return
    for name in (MODEL, OF_A_TRAINING):
        if (folder / name).exists():
            raise FolderError(
                f"out: {folder} is that of a training ({name}); choose another folder"
            )
    if (folder / TRIALS).exists():
        raise FolderError(
            f"out: {folder} holds {TRIALS} without {CONFIGURATION}; choose another folder"
        )
    try:
        write_whole(file, json.dumps(wanted, indent=2) + "\n")
    except OSError as error:
        raise FolderError(f"out: cannot write to {folder}: {error.strerror}") from error


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_file(file, most=_MOST_BYTES))
    except OSError as error:
        raise FolderError(f"out: cannot read {file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise FolderError(f"out: {file} is not a configuration: {error}") from error
    if not isinstance(found, dict):
        raise FolderError(f"out: {file} is not a configuration")
    return found
