from __future__ import annotations

import hashlib
import lzma
import re
import tarfile
from pathlib import Path

import pytest

from benchmarks import archive

DOCS = archive.FOLDER.parent
CITATION = re.compile(r"\[[\w-]+\.tar\.xz\]\(([^)]+)\), SHA-256 `(\w+)`")
FILES = {"b/two.json": b"[2]", "a.json": b"{}", "empty": b""}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    archive.write(tmp_path / "new" / "a.tar.xz", FILES)
    assert archive.read(tmp_path / "new" / "a.tar.xz") == FILES


def test_the_same_files_in_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    archive.write(tmp_path / "1.tar.xz", FILES)
    archive.write(tmp_path / "2.tar.xz", dict(reversed(FILES.items())))
    assert (tmp_path / "1.tar.xz").read_bytes() == (tmp_path / "2.tar.xz").read_bytes()


def test_a_folder_in_an_archive_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.xz", "w:xz") as tar:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    with pytest.raises(ValueError, match="folder is no file"):
        archive.read(tmp_path / "a.tar.xz")


@pytest.mark.parametrize("path", sorted(archive.FOLDER.glob("*.tar.xz")), ids=lambda p: p.name)
def test_archives_are_as_they_would_be_written_again(path: Path, tmp_path: Path) -> None:
    archive.write(tmp_path / "again.tar.xz", archive.read(path))
    # Another release of the compressor may pack the same contents otherwise.
    again, kept = (lzma.decompress(each.read_bytes()) for each in (tmp_path / "again.tar.xz", path))
    assert again == kept


def test_every_archive_is_cited_with_its_digest() -> None:
    cited = {}
    for page in DOCS.rglob("*.md"):
        for link, digest in CITATION.findall(page.read_text(encoding="utf-8")):
            cited[(page.parent / link).resolve()] = digest
    digests = {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in archive.FOLDER.glob("*.tar.xz")
    }
    assert digests and cited == digests
