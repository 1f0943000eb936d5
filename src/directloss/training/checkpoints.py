"""Checkpoints that survive a crash at any moment, and are never believed without proof.

A file holds, in this order: a line that says what it is; the SHA-256 of the two parts that follow;
a line of JSON (which run, which step, how many bytes); the state as `torch.save` writes it; and
room for the next state that will be written in this place. The state is read by torch's restricted
unpickler, which builds tensors and plain containers and runs no code.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from directloss.errors import DirectLossError
from directloss.files import read_file, sync_folder

State = dict[str, Any]
"""Tensors, numbers, texts and None in dictionaries, lists and tuples, nested as you like."""

_TITLE = b"directloss checkpoint 2\n"
_NAME = re.compile(r"step-(\d{12})\.checkpoint")
_DRAFT = "next.draft"
_ROOM_TO_GROW = 65_536  # bytes: histories grow, and with them the state


class CheckpointError(DirectLossError):
    """A checkpoint cannot be written, or none can be believed; the message says why."""


@dataclass(frozen=True)
class Found:
    """The newest checkpoint that is whole and belongs to the run.

    Attributes:
        step: number of steps that had been taken.
        state: as it was saved.
        refused: why newer files were not taken, a sentence each.
    """

    step: int
    state: State
    refused: tuple[str, ...]


class Checkpoints:
    """The last `keep` checkpoints of one run, in a folder of their own.

    A save writes a draft, waits until it is on the disk, and only then gives it its name: a
    checkpoint that has a name is whole. Space for the next draft is set aside by the first save and
    handed on from the oldest checkpoint at every later one, so that a disk which fills up during
    the run (on file systems that overwrite in place) does not stop it from being saved.

    Args:
        folder: made if it does not exist. One process may work in it at a time.
        run: identity of the run; checkpoints of other runs are refused.
        keep: how many to keep, at least 1.
    """

    def __init__(self, folder: Path, run: str, *, keep: int = 3) -> None:
        self.folder = folder
        self._run = run
        self._keep = keep
        with _named_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def save(self, step: int, state: State) -> Path:
        """Writes a checkpoint; when this returns, it survives a loss of power.

        Raises:
            CheckpointError: the disk is full or cannot be written; earlier checkpoints are kept.
        """
        content = pack(self._run, step, state)
        draft, path = self.folder / _DRAFT, self._path(step)
        first = not draft.exists()
        with _named_errors(self.folder):
            _write_through(draft, content)
            os.replace(draft, path)
            sync_folder(self.folder)
            self._make_room(draft, len(content), must=first)
        return path

    def latest(self) -> Found | None:
        """The newest checkpoint that can be believed; None if the folder holds none at all.

        A file that is refused is renamed (`.refused` behind its name), so that it is neither
        tried again nor counted among those to keep.

        Raises:
            CheckpointError: there are checkpoints, but none can be believed.
        """
        refused: list[str] = []
        for step, path in reversed(self._numbered()):
            try:
                state = unpack(read_file(path), run=self._run, step=step)
            except (CheckpointError, OSError) as error:
                refused.append(f"{path.name} is refused: {error}")
                with _named_errors(self.folder):
                    path.rename(path.with_name(f"{path.name}.refused"))
                continue
            return Found(step, state, tuple(refused))
        if refused:
            raise CheckpointError(
                f"{self.folder} holds no checkpoint that can be believed ({'; '.join(refused)}); "
                "the same command starts anew"
            )
        return None

    def steps(self) -> list[int]:
        """Steps of the checkpoints that are there, oldest first; nothing is read."""
        return [step for step, _ in self._numbered()]

    def forget(self) -> None:
        """Removes all checkpoints, so that another run may begin in this folder."""
        for _, path in self._numbered():
            path.unlink()
        self.release()

    def release(self) -> None:
        """Gives back the space that is set aside, once nothing will be saved any more."""
        (self.folder / _DRAFT).unlink(missing_ok=True)

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:012d}.checkpoint"

    def _numbered(self) -> list[tuple[int, Path]]:
        matches = ((_NAME.fullmatch(path.name), path) for path in self.folder.iterdir())
        return sorted((int(match[1]), path) for match, path in matches if match)

    def _make_room(self, draft: Path, size: int, *, must: bool) -> None:
        """Hands the oldest checkpoint's place on to the next draft, or sets a new one aside."""
        checkpoints = [path for _, path in self._numbered()]
        for path in checkpoints[: -self._keep]:
            path.replace(draft)
        if draft.exists():
            return
        try:
            _set_aside(draft, size)
        except OSError:
            if len(checkpoints) > 1:
                checkpoints[0].replace(draft)  # fewer checkpoints are better than no next one
            elif must:
                raise


def pack(run: str, step: int, state: State) -> bytes:
    """The content of a checkpoint file."""
    payload = io.BytesIO()
    torch.save(state, payload)
    line = json.dumps({"run": run, "step": step, "bytes": payload.getbuffer().nbytes}).encode()
    parts = (_digest(line, payload.getvalue()), line, payload.getvalue())
    return _TITLE + b"\n".join(parts)


def unpack(content: bytes, *, run: str, step: int) -> State:
    """The state in a checkpoint file.

    Raises:
        CheckpointError: it is no checkpoint, is cut short or damaged, or of another run or step.
    """
    title, rest = content[: len(_TITLE)], content[len(_TITLE) :]
    if title != _TITLE:
        if _TITLE.startswith(title):
            raise CheckpointError(f"it is cut short, {len(content)} bytes are left")
        raise CheckpointError("it is no checkpoint of this program, or its first line is damaged")
    digest, _, body = rest.partition(b"\n")
    line, _, payload = body.partition(b"\n")
    about = _read_line(line)
    payload = payload[: about["bytes"]]
    if len(payload) < about["bytes"]:
        raise CheckpointError(f"it is cut short: {len(payload)} of {about['bytes']} bytes are left")
    if _digest(line, payload) != digest:
        raise CheckpointError("it is damaged: its checksum does not fit")
    if about["run"] != run:
        raise CheckpointError("it belongs to another run (other configuration or data)")
    if about["step"] != step:
        raise CheckpointError(f"it is of step {about['step']}, which is not what its name says")
    try:
        state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever the restricted unpickler stumbles over
        reason = str(error).split("\n", maxsplit=1)[0]
        raise CheckpointError(f"its state holds what is not plain data: {reason}") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"its state is of type {type(state).__name__}, not a dictionary")
    return state


def _digest(line: bytes, payload: bytes) -> bytes:
    digest = hashlib.sha256(line + b"\n")
    digest.update(payload)
    return digest.hexdigest().encode()


def _read_line(line: bytes) -> dict[str, Any]:
    try:
        about = json.loads(line)
        if isinstance(about, dict) and isinstance(about["bytes"], int) and about["bytes"] >= 0:
            return {"run": about["run"], "step": about["step"], "bytes": about["bytes"]}
    except (ValueError, KeyError, RecursionError):
        pass
    raise CheckpointError("it is damaged or cut short: its second line cannot be read")


def _write_through(path: Path, content: bytes) -> None:
    """Writes over the beginning of whatever is there, in place: space set aside is used."""
    _set_aside(path, len(content))
    with os.fdopen(os.open(path, os.O_RDWR | _NO_LINK), "r+b") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _set_aside(path: Path, size: int) -> None:
    """Makes sure of room for `size` bytes, before anything is written to a disk that may be full.

    Room to grow is only asked for with a new file: one that was handed on has it, and a run that
    needs more than that should not stop for want of yet more.
    """
    if not _is_plain(path):
        path.unlink(missing_ok=True)
    new = not path.exists()
    handle = os.open(path, os.O_RDWR | _NO_LINK | (os.O_CREAT | os.O_EXCL if new else 0), 0o666)
    try:
        if hasattr(os, "posix_fallocate"):  # not on macOS
            os.posix_fallocate(handle, 0, size + _ROOM_TO_GROW if new else size)
    except OSError:
        if new:
            path.unlink()
        raise
    finally:
        os.close(handle)


def _is_plain(path: Path) -> bool:
    """Whether it is a file of one name: what is written to a link would go elsewhere."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1


_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def _named_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise CheckpointError(f"cannot save to {folder}: {reason}") from error
