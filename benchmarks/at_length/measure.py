"""Steps of a whole data set by several gloo processes of this machine, phase by phase."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import Any
from unittest.mock import patch

import torch
import torch.distributed as dist
import torch.multiprocessing
from torch import Tensor, nn

import directloss as dl
from benchmarks.at_length.model import Shape
from benchmarks.memory import peak_growth
from directloss._world import World
from directloss.training import _rows, whole_dataset, whole_dataset_step

__all__ = [
    "PHASES",
    "PROCESSES",
    "ROWS",
    "Exchanged",
    "Measured",
    "launches",
    "measure",
    "recorded",
]

PHASES = ("pass 1", "gather", "solve", "scatter", "pass 2")

ROWS = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
PROCESSES = (1, 2, 4, 8)
MANY = 1_000_000
"""Rows up to which a launch takes five steps, and beyond which three."""

FEATURES = 8
CHUNK = 1 << 16
FEW = 1000
"""Rows of the first step, which loads and compiles what the others need."""

SHARE = 0.02
"""Of positives."""


@dataclass(frozen=True)
class Measured:
    """One launch. Seconds are the least of the repetitions, phase by phase.

    Attributes:
        shape: rows and processes.
        wall: seconds on rank 0 of each phase; waiting for the others counts.
        cpu: seconds of processors in each phase, the sum over the processes.
        solving, other: peak growth of memory in bytes, of rank 0 and of the largest other rank.
        sent: bytes that all processes passed to `send`.
        reduced: bytes that one process passed to `all_reduce`.
    """

    shape: Shape
    wall: dict[str, float]
    cpu: dict[str, float]
    solving: int
    other: int
    sent: int
    reduced: int


@dataclass
class Exchanged:
    """Bytes that this process has passed to collectives, and the exchanges of small objects."""

    sent: int = 0
    reduced: int = 0
    objects: int = 0


@contextmanager
def recorded() -> Iterator[Exchanged]:
    """Counts what goes through torch.distributed."""
    found = Exchanged()
    send, reduce, gather_objects = dist.send, dist.all_reduce, dist.all_gather_object

    def counted_send(tensor: Tensor, *arguments: Any, **options: Any) -> Any:
        found.sent += tensor.nbytes
        return send(tensor, *arguments, **options)

    def counted_reduce(tensor: Tensor, *arguments: Any, **options: Any) -> Any:
        found.reduced += tensor.nbytes
        return reduce(tensor, *arguments, **options)

    def counted_objects(*arguments: Any, **options: Any) -> Any:
        found.objects += 1
        return gather_objects(*arguments, **options)

    with (
        patch.object(dist, "send", counted_send),
        patch.object(dist, "all_reduce", counted_reduce),
        patch.object(dist, "all_gather_object", counted_objects),
    ):
        yield found


@dataclass
class _Clock:
    """Seconds of the phases of one step; what is in no phase of its own is of a pass."""

    wall: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    cpu: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    phase: str = PHASES[0]
    since: tuple[float, float] = field(default_factory=lambda: (perf_counter(), process_time()))

    def enter(self, phase: str) -> None:
        now = perf_counter(), process_time()
        self.wall[self.phase] += now[0] - self.since[0]
        self.cpu[self.phase] += now[1] - self.since[1]
        self.phase, self.since = phase, now

    def around(self, function: Callable[..., Any], phase: str, then: str) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            self.enter(phase)
            try:
                return function(*arguments, **options)
            finally:
                self.enter(then)

        return timed


@contextmanager
def _phases() -> Iterator[_Clock]:
    clock = _Clock()
    parts = (
        (World, "gather", "gather", "gather"),
        (_rows, "solve", "solve", "solve"),
        (World, "scatter", "scatter", "pass 2"),
        (whole_dataset, "solve_together", "gather", "pass 2"),
    )
    patches = [
        patch.object(owner, name, clock.around(getattr(owner, name), phase, then))
        for owner, name, phase, then in parts
    ]
    for each in patches:
        each.start()
    try:
        yield clock
        clock.enter(PHASES[0])
    finally:
        for each in patches:
            each.stop()


def launches(rows: Sequence[int], processes: Sequence[int], rounds: int) -> Iterator[Measured]:
    """Every cell, round after round, so that what slows the machine for a while slows no cell.

    The first launch loads and compiles, and counts for nothing.
    """
    measure(Shape(rows[0], processes[-1]), 1)
    for _ in range(rounds):
        for shape in (Shape(n, count) for n in rows for count in processes):
            yield measure(shape, 5 if shape.rows <= MANY else 3)


def measure(shape: Shape, repetitions: int) -> Measured:
    """A cell, by processes that are started for it."""
    context = torch.multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    results = context.SimpleQueue()
    torch.multiprocessing.start_processes(
        _process,
        (shape, repetitions, _free_port(), results),
        nprocs=shape.processes,
        start_method="forkserver",
    )
    found = sorted((results.get() for _ in range(shape.processes)), key=lambda each: each["rank"])
    first, *others = found
    steps = list(zip(*(each["clocks"] for each in found), strict=True))
    return Measured(
        shape,
        {phase: min(clock.wall[phase] for clock in first["clocks"]) for phase in PHASES},
        {phase: min(sum(clock.cpu[phase] for clock in step) for step in steps) for phase in PHASES},
        first["growth"],
        max((each["growth"] for each in others), default=0),
        sum(each["exchanged"].sent for each in found),
        first["exchanged"].reduced,
    )


def _process(rank: int, shape: Shape, repetitions: int, port: int, results: Any) -> None:
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    dist.init_process_group("gloo", address, rank=rank, world_size=shape.processes)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(FEATURES, 1), nn.Flatten(0))
    rows = shape.shares()[rank]

    def step(chunks: list[tuple[Tensor, Tensor]]) -> None:
        network.zero_grad()
        whole_dataset_step(network, chunks, dl.DirectLoss(dl.AveragePrecision()))

    step(_chunks(FEW, rank))
    chunks = _chunks(rows, rank)
    with recorded() as exchanged:
        growth = peak_growth(lambda: step(chunks))
    clocks = []
    for _ in range(repetitions):
        dist.barrier()
        with _phases() as clock:
            step(chunks)
        clocks.append(clock)
    results.put({"rank": rank, "growth": growth, "exchanged": exchanged, "clocks": clocks})
    dist.barrier()
    dist.destroy_process_group()


def _chunks(rows: int, rank: int) -> list[tuple[Tensor, Tensor]]:
    """Rows in memory; the features are of the share of this process alone."""
    generator = torch.Generator().manual_seed(rank)
    found = []
    for start in range(0, rows, CHUNK):
        count = min(CHUNK, rows - start)
        features = torch.randn(count, FEATURES, generator=generator)
        found.append((features, torch.rand(count, generator=generator) < SHARE))
    return found


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
