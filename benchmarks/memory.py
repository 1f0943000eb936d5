"""Peak memory of one step, and whether it ends at all, each in a fresh process.

Growth is the largest resident set during the step less that before it, after the same step has run
on a small list (so that code, not data, is loaded and compiled). It counts the result and the
gradient, not the scores and targets.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter

import torch

from benchmarks.case import Case
from benchmarks.works import catalogue

__all__ = ["Limits", "Probe", "peak_growth", "probe"]

SMALL = 1000
LOADING_SECONDS = 300
STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a step is stopped."""

    seconds: float = 20.0
    bytes: int = 8 << 30


@dataclass(frozen=True, slots=True)
class Probe:
    """Seconds and peak growth in bytes of one step, or the reason why it was stopped.

    `growth` is None where the system does not tell it (anything but Linux).
    """

    seconds: float | None = None
    growth: int | None = None
    stopped: str | None = None


def probe(name: str, case: Case, limits: Limits | None = None) -> Probe:
    """Run one step of a work in a process of its own."""
    limits = limits or Limits()
    context = multiprocessing.get_context("forkserver")
    # The server loads torch once; every child is forked from it before any work was done.
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(theirs, name, case, limits.bytes))
    child.start()
    theirs.close()
    try:
        if not ours.poll(LOADING_SECONDS):
            return Probe(stopped=f"not ready after {LOADING_SECONDS} s")
        told = ours.recv()
        if not ours.poll(limits.seconds):
            return Probe(stopped=f"more than {limits.seconds:g} s")
        while not isinstance(told, Probe):
            told = ours.recv()
        return told
    except EOFError:
        child.join()
        return Probe(stopped=f"ended by the system (exit code {child.exitcode})")
    finally:
        if child.is_alive():
            child.kill()
        child.join()
        ours.close()


def peak_growth(step: Callable[[], object]) -> int | None:
    """Peak growth in bytes of this process during a step; None where the system does not tell."""
    before = _start_peak()
    step()
    return None if before is None else _status("VmHWM") - before


def _child(connection: Connection, name: str, case: Case, limit: int) -> None:
    try:
        result = _run(connection, name, case, limit)
    except Exception as error:
        connection.send("failed")
        connection.send(Probe(stopped=f"failed: {error!r}"))
        raise
    connection.send(result)


def _run(connection: Connection, name: str, case: Case, limit: int) -> Probe:
    torch.set_num_threads(1)
    work = catalogue()[name]
    small = work.prepare(Case(min(SMALL, case.n), case.share, case.shift, case.epsilon))
    small()
    step = work.prepare(case)
    _limit_memory(limit)
    connection.send("ready")
    before = _start_peak()
    start = perf_counter()
    try:
        step()
    except (MemoryError, RuntimeError) as error:
        if not _is_memory(error):
            raise
        return Probe(stopped=f"more than {limit / 2**30:g} GiB of memory")
    seconds = perf_counter() - start
    growth = None if before is None else _status("VmHWM") - before
    return Probe(seconds, growth)


def _is_memory(error: Exception) -> bool:
    # torch reports a failed allocation as a RuntimeError.
    return isinstance(error, MemoryError) or "allocate memory" in str(error)


def _limit_memory(limit: int) -> None:
    if sys.platform == "linux":
        ceiling = _status("VmData") + limit
        resource.setrlimit(resource.RLIMIT_DATA, (ceiling, ceiling))


def _start_peak() -> int | None:
    """Set the peak back to what is resident now, and return that; None where this is unknown."""
    if not CLEAR_REFS.exists():
        return None
    CLEAR_REFS.write_text("5")
    return _status("VmRSS")


def _status(field: str) -> int:
    """A line of the process's status, in bytes."""
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)
