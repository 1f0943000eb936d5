"""Compiled code on disk: never older than its sources, and never a reason to fail."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import directloss.inference
from tests.needs import locators

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

# A process that has numba and a function that it compiled, which takes longer than a kernel, and
# nothing of ours: each of its children imports the package, as a process of a user does.
PARENT = """
import json, os, sys
import numba
import numpy as np
numba.njit(lambda array: np.isnan(array).sum())(np.zeros(1))
assert not any(name.startswith("directloss") for name in sys.modules)
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if not child:
        for name, stream in (("out", 1), ("errors", 2)):
            os.dup2(os.open(asked[name], os.O_WRONLY | os.O_CREAT), stream)
        os.environ.update(asked["environment"])
        sys.path[:0] = filter(None, [asked["environment"].get("PYTHONPATH")])
        numba.config.reload_config()
        code = 1
        try:
            exec(asked["code"], {})
            sys.stdout.flush()
            code = 0
        finally:
            if code:
                sys.excepthook(*sys.exc_info())
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Runs:
    """Processes that call a kernel."""

    def __init__(self, folder: Path, parent: subprocess.Popen[str]) -> None:
        self.folder, self.parent = folder, parent
        self.count = 0

    def __call__(self, cache: Path, before: str = "", **environment: str) -> tuple[int, int, str]:
        """What the kernel returns, whether from the disk, and what stands on standard error."""
        self.count += 1
        out, errors = (self.folder / f"{name}-{self.count}" for name in ("out", "errors"))
        asked = {
            "code": CALL.format(before=before),
            "out": str(out),
            "errors": str(errors),
            "environment": {"NUMBA_CACHE_DIR": str(cache), **environment},
        }
        assert self.parent.stdin is not None and self.parent.stdout is not None
        print(json.dumps(asked), file=self.parent.stdin, flush=True)
        code = self.parent.stdout.readline().strip()
        assert code == "0", (code, errors.read_text())
        count, hits = out.read_text().split()
        return int(count), int(hits), errors.read_text()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        yield Runs(tmp_path_factory.mktemp("runs"), parent)


@pytest.fixture(scope="module")
def compiled(run: Runs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of compiled code, not to be changed."""
    folder = tmp_path_factory.mktemp("compiled")
    assert run(folder)[:2] == (1, 0)
    return folder


@pytest.fixture
def cache(compiled: Path, tmp_path: Path) -> Path:
    """A copy."""
    return Path(shutil.copytree(compiled, tmp_path / "cache"))


def test_a_change_in_any_file_with_kernels_drops_the_compiled_code(
    run: Runs, tmp_path: Path
) -> None:
    package = Path(directloss.inference.__file__).parents[1]
    source = tmp_path / "source"
    shutil.copytree(package, source / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    cache = tmp_path / "cache"
    assert run(cache, PYTHONPATH=str(source))[:2] == (1, 0)
    assert run(cache, PYTHONPATH=str(source))[:2] == (1, 1)
    other = source / package.name / "inference" / "sorting.py"
    os.utime(other, ns=(1, other.stat().st_mtime_ns + 1))
    assert run(cache, PYTHONPATH=str(source))[:2] == (1, 0)


@locators
def test_without_a_folder_to_write_to_each_process_compiles_for_itself(
    run: Runs, tmp_path: Path
) -> None:
    # The only place that numba may look at is one for code in zip files.
    for _ in range(2):
        count, hits, said = run(tmp_path, NUMBA_CACHE_LOCATOR_CLASSES="ZipCacheLocator")
        assert (count, hits) == (1, 0)
        assert "and so will each process" in said
    assert not any(tmp_path.iterdir())


def test_a_folder_that_goes_away_is_no_error(run: Runs, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    count, hits, said = run(cache, FOLDER_IS_GONE)
    assert (count, hits) == (1, 0)
    assert said.count("cannot keep compiled code") == 1
    assert cache.is_file()


def test_a_full_disk_is_no_error_and_leaves_nothing_that_could_be_taken_for_code(
    tmp_path: Path,
    run: Runs,
) -> None:
    count, hits, said = run(tmp_path, DISK_IS_FULL)
    assert (count, hits) == (1, 0)
    assert said.count("cannot keep compiled code") == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert run(tmp_path)[:2] == (1, 0)
    assert run(tmp_path)[:2] == (1, 1)


@pytest.mark.parametrize(("torn", "kind"), [(b"", "nbi"), (b"\x80\x05torn", "nbc")])
def test_a_torn_file_is_no_error_and_is_made_anew(
    run: Runs, torn: bytes, kind: str, cache: Path
) -> None:
    (file,) = cache.rglob(f"*.{kind}")
    file.write_bytes(torn)
    again = [run(cache)[:2] for _ in range(3)]
    assert again[0] == (1, 0)
    assert again[-1] == (1, 1)


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
@pytest.mark.parametrize("place", [0.0, 0.5, 0.999])
def test_a_flipped_bit_is_no_error_and_is_made_anew(
    run: Runs, kind: str, place: float, cache: Path
) -> None:
    """Wherever it is: numba unpickles what it finds, and runs it."""
    (file,) = cache.rglob(f"*.{kind}")
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] ^= 4
    file.write_bytes(content)
    assert [run(cache)[:2] for _ in range(2)] == [(1, 0), (1, 1)]


def test_older_code_that_a_newer_index_names_is_not_used(
    run: Runs, cache: Path, tmp_path: Path
) -> None:
    """As after a process that was killed between the two files that it writes."""
    old = tmp_path / "old"
    assert run(old, NUMBA_OPT="1")[:2] == (1, 0)
    (older,), (newer,) = old.rglob("*.nbc"), cache.rglob("*.nbc")
    shutil.copyfile(older, newer)
    assert [run(cache)[:2] for _ in range(2)] == [(1, 0), (1, 1)]
