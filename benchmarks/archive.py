"""The raw numbers of a study: one compressed archive, named on its page by its SHA-256.

The same files give the same archive: names in order, no times, no owners.
"""

from __future__ import annotations

import io
import lzma
import os
import tarfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

__all__ = ["FOLDER", "citation", "path_of", "read", "write"]

FOLDER = Path(__file__).parents[1] / "docs" / "archives"


def path_of(study: str) -> Path:
    """Where the archive of a study is kept."""
    return FOLDER / f"{study}.tar.xz"


def write(archive: Path, files: Mapping[str, bytes]) -> None:
    """Writes an archive of these files, by name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)  # time, owner and group are 0
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    archive.parent.mkdir(parents=True, exist_ok=True)
    archive.write_bytes(lzma.compress(buffer.getvalue(), preset=9 | lzma.PRESET_EXTREME))


def read(archive: Path) -> dict[str, bytes]:
    """The files of an archive, by name."""
    files = {}
    with tarfile.open(archive, mode="r:xz") as tar:
        for entry in tar:
            content = tar.extractfile(entry)
            if content is None:
                raise ValueError(f"{archive}: {entry.name} is no file")
            files[entry.name] = content.read()
    return files


def citation(archive: Path, page: Path) -> str:
    """One sentence for the page: where the raw numbers are, and their digest."""
    link = Path(os.path.relpath(archive, page.parent)).as_posix()
    digest = sha256(archive.read_bytes()).hexdigest()
    return f"Raw numbers: [{archive.name}]({link}), SHA-256 `{digest}`."
