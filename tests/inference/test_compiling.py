"""Who waits for a compiler is told why, once a process, and nobody else; and waits no longer than
need be."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from numba.core.event import Event, EventStatus

from directloss.inference import _compiling

COMPILES_ITS_OWN = """
from numba import njit
njit(lambda x: x + 1)(1)
"""
COMPILES_TWO_OF_OURS = """
import numpy as np
from directloss.inference.checks import count_odd
count_odd(np.zeros(3))
count_odd(np.zeros(3, np.float32))
"""
QUIET = """
import logging
logging.getLogger("directloss").setLevel(logging.ERROR)
"""


def said(code: str, cache: Path) -> list[str]:
    """Lines on standard error of a process that imports the package and then runs the code."""
    done = subprocess.run(
        [sys.executable, "-c", f"import directloss\n{code}"],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_the_first_kernel_of_a_process_says_that_it_compiles(tmp_path: Path) -> None:
    (line,) = said(COMPILES_ITS_OWN + COMPILES_TWO_OF_OURS, tmp_path)
    assert line.startswith("directloss compiles")
    kept = Path(line.split(" in ")[-1])
    assert kept.parent == tmp_path
    assert any(kept.iterdir())
    assert said(COMPILES_TWO_OF_OURS, tmp_path) == []


@pytest.mark.parametrize("code", [COMPILES_ITS_OWN, QUIET + COMPILES_TWO_OF_OURS])
def test_nothing_is_said_of_other_code_or_to_who_wants_silence(code: str, tmp_path: Path) -> None:
    assert said(code, tmp_path) == []


@pytest.fixture
def collector() -> Iterator[None]:
    yield
    gc.enable()


def event(module: str | None, status: EventStatus) -> Event:
    function = SimpleNamespace(__module__=module)
    dispatcher = SimpleNamespace(py_func=function, stats=SimpleNamespace(cache_path="a folder"))
    return Event("numba:compile", status, {"dispatcher": dispatcher})


@pytest.mark.parametrize("collecting", [True, False])
@pytest.mark.usefixtures("collector")
def test_the_collector_rests_while_a_kernel_compiles(collecting: bool) -> None:
    watch = _compiling._Watch()
    if not collecting:
        gc.disable()
    # Somebody else's functions, one made by `exec`; then a kernel, and in it what the kernel calls
    # of numba.
    series: list[tuple[str | None, EventStatus, bool]] = [
        (None, EventStatus.START, collecting),
        (None, EventStatus.END, collecting),
        ("elsewhere", EventStatus.START, collecting),
        ("elsewhere", EventStatus.END, collecting),
        ("directloss.inference.separable", EventStatus.START, False),
        ("numba.np", EventStatus.START, False),
        ("numba.np", EventStatus.END, False),
        ("directloss.inference.separable", EventStatus.END, collecting),
        ("elsewhere", EventStatus.START, collecting),
    ]
    for module, status, wanted in series:
        watch.notify(event(module, status))
        assert gc.isenabled() == wanted
