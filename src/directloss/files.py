"""Files: written whole or not at all, and read only where they are files."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def write_whole(path: Path, content: bytes | str, *, durable: bool = True) -> None:
    """Puts `content` at `path`: whoever reads meanwhile meets the old file or the new one.

    Args:
        path: whatever is there is replaced; a symbolic link is replaced and not followed.
        content: text is written as UTF-8.
        durable: whether to wait until the file and its name are on the disk.

    Raises:
        OSError: the file cannot be written; nothing is left of it.
    """
    with whole_file(path, durable=durable) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def whole_file(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """A file to write, which takes its place at `path` when the context ends without an error.

    The draft lies in the same folder. Its name cannot be guessed, it is made anew or not at all,
    and the umask decides who may read it. A process that is killed leaves it behind.

    Raises:
        OSError: as for `write_whole`.
    """
    draft = path.with_name(f".{secrets.token_hex(8)}.draft")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS | getattr(os, "O_NOFOLLOW", 0)
    try:
        handle = os.open(draft, flags, 0o666)
    except OSError as error:  # which names the draft, of which nobody knows
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(handle)
        try:
            draft.replace(path)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Waits until the names of the folder are on the disk; without it a crash may undo a rename."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_file(path: Path) -> BinaryIO:
    """Opens a file for reading; a pipe or a device in its place is refused, never waited for.

    Raises:
        OSError: there is none, it cannot be read, or what is there is no file.
    """
    handle = os.open(path, os.O_RDONLY | _FLAGS | getattr(os, "O_NONBLOCK", 0))
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is a folder, a pipe or a device, no file", str(path))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_file(path: Path, *, most: int | None = None) -> bytes:
    """The content of a file, as `open_file` opens it.

    Args:
        most: bytes that it may have; None for any number.

    Raises:
        OSError: as for `open_file`, or it is larger.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if most is not None and size > most:
            raise OSError(
                errno.EFBIG, f"it has {size:,} bytes, at most {most:,} are read", str(path)
            )
        return file.read() if most is None else file.read(size)  # sets aside what it is told


def is_text(name: str) -> bool:
    """Whether the name of a file is text; the system also allows other bytes in it."""
    return not any("\ud800" <= sign <= "\udfff" for sign in name)


_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
