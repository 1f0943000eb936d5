"""Files that a user names to be written."""

from __future__ import annotations

from pathlib import Path

from directloss.errors import ArgumentError


def refuse_no_file(argument: str, path: Path) -> None:
    """Raises `ArgumentError` if no file can be at a path: found before what takes long."""
    if not path.parent.is_dir():
        raise ArgumentError(argument, repr(str(path)), "a file in a folder that exists")
    if path.is_dir():
        raise ArgumentError(argument, repr(str(path)), "a file, and this is a folder")
