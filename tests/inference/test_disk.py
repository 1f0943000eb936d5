"""Compiled code on disk: never older than its sources, and never a reason to fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import directloss.inference

CALL = """
import numpy as np
from directloss.inference.checks import count_odd
{before}
print(count_odd(np.array([np.nan, 1.0]))[0], sum(count_odd.stats.cache_hits.values()))
"""
FOLDER_IS_GONE = """
import os, pathlib, shutil
folder = pathlib.Path(os.environ["NUMBA_CACHE_DIR"])
shutil.rmtree(folder)
folder.touch()
"""
# Room for the index, not for the code.
DISK_IS_FULL = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
"""


def run(cache: Path, before: str = "", **environment: str) -> tuple[int, int, str]:
    """What the kernel returns, whether from the disk, and what stands on standard error."""
    done = subprocess.run(
        [sys.executable, "-c", CALL.format(before=before)],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    count, hits = done.stdout.split()
    return int(count), int(hits), done.stderr


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of compiled code, not to be changed."""
    folder = tmp_path_factory.mktemp("compiled")
    assert run(folder)[:2] == (1, 0)
    return folder


@pytest.fixture
def cache(compiled: Path, tmp_path: Path) -> Path:
    """A copy."""
    return Path(shutil.copytree(compiled, tmp_path / "cache"))


def test_a_change_in_any_file_with_kernels_drops_the_compiled_code(tmp_path: Path) -> None:
    package = Path(directloss.inference.__file__).parents[1]
    source = tmp_path / "source"
    shutil.copytree(package, source / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    cache = tmp_path / "cache"
    assert run(cache, PYTHONPATH=str(source))[:2] == (1, 0)
    assert run(cache, PYTHONPATH=str(source))[:2] == (1, 1)
    other = source / package.name / "inference" / "sorting.py"
    os.utime(other, ns=(1, other.stat().st_mtime_ns + 1))
    assert run(cache, PYTHONPATH=str(source))[:2] == (1, 0)


def test_without_a_folder_to_write_to_each_process_compiles_for_itself(tmp_path: Path) -> None:
    # The only place that numba may look at is one for code in zip files.
    for _ in range(2):
        count, hits, said = run(tmp_path, NUMBA_CACHE_LOCATOR_CLASSES="ZipCacheLocator")
        assert (count, hits) == (1, 0)
        assert "and so will each process" in said
    assert not any(tmp_path.iterdir())


def test_a_folder_that_goes_away_is_no_error(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    count, hits, said = run(cache, FOLDER_IS_GONE)
    assert (count, hits) == (1, 0)
    assert said.count("cannot keep compiled code") == 1
    assert cache.is_file()


def test_a_full_disk_is_no_error_and_leaves_nothing_that_could_be_taken_for_code(
    tmp_path: Path,
) -> None:
    count, hits, said = run(tmp_path, DISK_IS_FULL)
    assert (count, hits) == (1, 0)
    assert said.count("cannot keep compiled code") == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert run(tmp_path)[:2] == (1, 0)
    assert run(tmp_path)[:2] == (1, 1)


@pytest.mark.parametrize(("torn", "kind"), [(b"", "nbi"), (b"\x80\x05torn", "nbc")])
def test_a_torn_file_is_no_error_and_is_made_anew(torn: bytes, kind: str, cache: Path) -> None:
    (file,) = cache.rglob(f"*.{kind}")
    file.write_bytes(torn)
    again = [run(cache)[:2] for _ in range(3)]
    assert again[0] == (1, 0)
    assert again[-1] == (1, 1)


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("place", [0.0, 0.5, 0.999])
def test_a_flipped_bit_is_no_error_and_is_made_anew(kind: str, place: float, cache: Path) -> None:
    """Wherever it is: numba unpickles what it finds, and runs it."""
    (file,) = cache.rglob(f"*.{kind}")
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] ^= 4
    file.write_bytes(content)
    assert [run(cache)[:2] for _ in range(2)] == [(1, 0), (1, 1)]


def test_older_code_that_a_newer_index_names_is_not_used(cache: Path, tmp_path: Path) -> None:
    """As after a process that was killed between the two files that it writes."""
    old = tmp_path / "old"
    assert run(old, NUMBA_OPT="1")[:2] == (1, 0)
    (older,), (newer,) = old.rglob("*.nbc"), cache.rglob("*.nbc")
    shutil.copyfile(older, newer)
    assert [run(cache)[:2] for _ in range(2)] == [(1, 0), (1, 1)]
