"""Compiled code on disk must not outlive the sources that it was made of."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import directloss.inference

CALL = """
import numpy as np
from directloss.inference.checks import count_nan
print(count_nan(np.array([np.nan, 1.0])), sum(count_nan.stats.cache_hits.values()))
"""


def run(cache: Path, source: Path) -> tuple[int, int]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(source)}
    done = subprocess.run(
        [sys.executable, "-c", CALL], env=environment, capture_output=True, text=True, check=True
    )
    count, hits = done.stdout.split()
    return int(count), int(hits)


def test_a_change_in_any_file_with_kernels_drops_the_compiled_code(tmp_path: Path) -> None:
    package = Path(directloss.inference.__file__).parents[1]
    source = tmp_path / "source"
    shutil.copytree(package, source / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    cache = tmp_path / "cache"
    assert run(cache, source) == (1, 0)
    assert run(cache, source) == (1, 1)
    other = source / package.name / "inference" / "sorting.py"
    os.utime(other, ns=(1, other.stat().st_mtime_ns + 1))
    assert run(cache, source) == (1, 0)
