from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from directloss.files import open_file, read_file, whole_file, write_whole


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_the_old_one_or_the_new_one(tmp_path: Path, durable: bool) -> None:
    file = tmp_path / "f.json"
    write_whole(file, "old", durable=durable)
    with pytest.raises(UnicodeEncodeError):
        write_whole(file, "half \ud800", durable=durable)
    with pytest.raises(KeyError), whole_file(file, durable=durable) as draft:
        draft.write(b"half")
        raise KeyError
    assert file.read_bytes() == b"old"
    write_whole(file, b"new", durable=durable)
    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]


def test_what_cannot_reach_the_disk_takes_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    write_whole(file, b"old")

    def fail(_: int) -> None:
        raise OSError("pulled the plug")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="pulled the plug"):
        write_whole(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]
    write_whole(file, b"new", durable=False)
    assert file.read_bytes() == b"new"


def test_two_writers_of_one_name_do_not_share_a_draft(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with whole_file(file) as one:
        one.write(b"first, ")
        with whole_file(file) as other:
            other.write(b"other")
        assert file.read_bytes() == b"other"
        one.write(b"second")
    assert file.read_bytes() == b"first, second"


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim, file = tmp_path / "victim", tmp_path / "file"
    victim.write_text("precious")
    file.symlink_to(victim)
    write_whole(file, b"new")
    assert victim.read_text() == "precious"
    assert not file.is_symlink()


def test_no_name_of_a_draft_is_used_twice(tmp_path: Path) -> None:
    names = set()
    for _ in range(100):
        with whole_file(tmp_path / "file", durable=False):
            names |= {path.name for path in tmp_path.iterdir() if path.name != "file"}
    assert len(names) == 100


def test_a_name_may_be_as_long_as_the_system_allows(tmp_path: Path) -> None:
    write_whole(tmp_path / ("n" * 255), b"new")


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o027])
def test_the_umask_decides_who_may_read(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_whole(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~mask


def test_only_files_are_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    os.mkfifo(tmp_path / "pipe")
    assert read_file(tmp_path / "file") == b"content"
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OSError, match="it is a folder, a pipe or a device, no file"):
            open_file(path)


def test_a_file_may_be_too_large(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(1000))
    assert read_file(file, most=1000) == bytes(1000)
    with pytest.raises(OSError, match="it has 1,000 bytes, at most 999 are read"):
        read_file(file, most=999)


@pytest.mark.parametrize("place", ["missing/out.csv", "taken"])
def test_an_error_names_the_file_and_no_draft(tmp_path: Path, place: str) -> None:
    (tmp_path / "taken" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match=place) as caught:
        write_whole(tmp_path / place, b"new")
    assert "draft" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
