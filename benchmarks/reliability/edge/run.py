"""Calls in child processes, counted by task."""

from __future__ import annotations

import ctypes
import faulthandler
import mmap
import os
import resource
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import torch

from benchmarks.reliability.edge.check import checked
from benchmarks.reliability.edge.draw import UPDATES, draw_call
from benchmarks.reliability.edge.subjects import SUBJECTS

__all__ = ["CALLS", "edge", "run_calls"]

CALLS = 200_000
_BATCH = 1000  # calls a process
_WORK = 120  # seconds of a processor for a batch
_PATIENCE = 1800.0  # seconds for a batch on a machine that is busy
_SHOWN = 10  # wrong calls a task
_M_PERTURB = -6
"""mallopt(3): memory is filled when it is given out and taken back, and holds nothing of use."""


def edge(folder: Path) -> dict[str, Any]:
    """Makes `EDGE_CALLS` calls, or those of the full run."""
    return run_calls(folder, int(os.environ.get("EDGE_CALLS", CALLS)), os.cpu_count() or 1)


def run_calls(folder: Path, calls: int, processes: int = 1) -> dict[str, Any]:
    """The figures of calls 0 to `calls` - 1, by task; prints how to repeat what is wrong."""
    _compile_kernels(min(calls, 3 * len(UPDATES) * len(SUBJECTS)))
    found: dict[str, Counter[str]] = defaultdict(Counter)
    waiting = [(at, min(at + _BATCH, calls)) for at in range(0, calls, _BATCH)][::-1]
    running: list[_Child] = []
    while waiting or running:
        while waiting and len(running) < processes:
            first, last = waiting.pop()
            running.append(_Child(first, last, folder / f"{first}.txt"))
        time.sleep(0.005)
        for child in [child for child in running if child.ended()]:
            running.remove(child)
            _count(child, found)
            if child.status:
                rest = child.reached + 1, child.last
                waiting += [rest] if rest[0] < rest[1] else []
    return {
        subject.name: {
            "calls": found[subject.name]["calls"],
            "compared with scaled scores": found[subject.name]["scaled"],
            "refused, the step named": found[subject.name]["refused"],
            "wrong": found[subject.name]["wrong"],
            "crashes, hangs": found[subject.name]["crash"],
        }
        for subject in SUBJECTS
    }


def _compile_kernels(calls: int) -> None:
    """Runs calls of every task and update on mild scores, so that no child has to compile."""
    for number in range(calls):
        call = draw_call(number)
        mild = torch.linspace(-1.0, 1.5, call.scores.numel(), dtype=torch.float64)
        scores = mild.reshape(call.scores.shape).to(call.scores.dtype)
        checked(replace(call, scores=scores, step=1.0))


@dataclass
class _Child:
    """A fork of this process that makes calls `first` to `last` - 1 and reports on each.

    Attributes:
        reached: the last call that it began, once it has ended.
        status: as `os.waitpid` has it.
    """

    first: int
    last: int
    report: Path
    status: int = 0
    at: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, 8))  # shared with the child

    def __post_init__(self) -> None:
        self.end = time.monotonic() + _PATIENCE
        self.pid = os.fork()
        if not self.pid:
            self._make_calls()

    def ended(self) -> bool:
        pid, self.status = os.waitpid(self.pid, os.WNOHANG)
        if not pid and time.monotonic() > self.end:
            os.kill(self.pid, signal.SIGKILL)
            pid, self.status = os.waitpid(self.pid, 0)
        return pid != 0

    @property
    def reached(self) -> int:
        return int.from_bytes(self.at[:], "little")

    def lines(self) -> Iterator[tuple[int, list[str], str]]:
        """Of each call its number, what it counts as, and what is wrong."""
        for line in self.report.read_text().splitlines():
            head, bar, problem = line.partition("|")
            if bar:
                number, *kinds = head.split()
                yield int(number), kinds, problem.strip()

    def _make_calls(self) -> NoReturn:
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            used = int(time.process_time())
            resource.setrlimit(resource.RLIMIT_CPU, (used + _WORK, used + _WORK))
            faulthandler.disable()
            ctypes.CDLL(None).mallopt(_M_PERTURB, 0x5A)
            with self.report.open("w") as out:
                silent = os.open(os.devnull, os.O_WRONLY)
                os.dup2(silent, 2)  # a C library's last words
                for number in range(self.first, self.last):
                    self.at[:] = number.to_bytes(8, "little")
                    outcome = checked(draw_call(number))
                    kinds = ["calls"]
                    kinds += ["scaled"] if outcome.scaled else []
                    kinds += ["refused"] if outcome.refused else []
                    kinds += ["wrong"] if outcome.problems else []
                    print(number, *kinds, "|", "; ".join(outcome.problems), file=out, flush=True)
            code = 0
        finally:
            os._exit(code)


def _count(child: _Child, found: dict[str, Counter[str]]) -> None:
    for number, kinds, problem in child.lines():
        counts = found[_task(number)]
        counts.update(kinds)
        if problem and counts["wrong"] <= _SHOWN:
            print(f"{_repeat(number)}  # {_what(number)}: {problem}", flush=True)
    if child.status:
        number = child.reached
        found[_task(number)].update(["calls", "crash"])
        ended = os.waitstatus_to_exitcode(child.status)
        again = _repeat(child.first, number)  # a call before it may have done the damage
        print(f"{again}  # {_what(number)}: ended with {ended}", flush=True)
    child.report.unlink()


def _repeat(*numbers: int) -> str:
    return " ".join(["python -m benchmarks.reliability.edge", *map(str, dict.fromkeys(numbers))])


def _task(number: int) -> str:
    return SUBJECTS[number // len(UPDATES) % len(SUBJECTS)].name


def _what(number: int) -> str:
    return f"{_task(number)}, {UPDATES[number % len(UPDATES)]}"
