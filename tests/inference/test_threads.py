"""Lists over threads: nothing is lost, done twice, or different from one thread."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event, Lock, Thread, get_ident

import numpy as np
import pytest
import torch

import directloss as dl
from directloss.inference.threads import _threads as pool
from directloss.inference.threads import over_lists
from tests.harness import UPDATES, make_loss, value_and_gradient


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def batch(seed: int, lists: int = 64, n: int = 4000) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(lists, n, generator=generator)
    return scores, (torch.rand(lists, n, generator=generator) < 0.1).float()


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize(
    "sizes",
    [
        [50_000] * 8,
        [400_000],
        [1] * 200_000,
        [0, 0, 300_000, 0, 1, 100_000, 0],
        [200_000, 1, 1, 1],
        [],
        [0],
    ],
    ids=str,
)
def test_every_list_is_given_to_exactly_one_call(sizes: list[int], threads: int) -> None:
    offsets = np.cumsum([0, *sizes]).astype(np.int64)
    seen = np.zeros(len(sizes), np.int64)
    lock = Lock()

    def kernel(first: int, last: int, array: np.ndarray) -> None:
        with lock:
            array[first:last] += 1

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        over_lists(kernel, offsets, seen)
    finally:
        torch.set_num_threads(before)
    assert (seen == 1).all()


def test_large_work_really_runs_on_several_threads(two_threads: None) -> None:
    meeting, workers = Barrier(2, timeout=20), set()

    def kernel(first: int, last: int) -> None:
        workers.add(get_ident())
        meeting.wait()  # passes only if two calls run at the same time

    over_lists(kernel, np.arange(11, dtype=np.int64) * 100_000)
    assert len(workers) == 2


def test_a_thread_that_does_not_come_is_not_waited_for(two_threads: None) -> None:
    """Nor is work left to it: a sleeping processor, or a pool that serves others."""
    offsets = np.arange(11, dtype=np.int64) * 100_000
    busy, done = Event(), Event()
    size = pool()._max_workers
    waiting = [pool().submit(busy.wait, 20) for _ in range(size)]
    seen: list[int] = []

    def call() -> None:
        over_lists(lambda first, last: seen.extend(range(first, last)), offsets)
        done.set()

    caller = Thread(target=call)
    caller.start()
    try:
        assert done.wait(10) and not busy.is_set()
        assert sorted(seen) == list(range(10))
    finally:
        busy.set()
        caller.join()
        assert all(future.result() for future in waiting)


def test_an_error_in_a_thread_reaches_the_caller(two_threads: None) -> None:
    def kernel(first: int, last: int) -> None:
        if last == 10:
            raise RuntimeError("list 9 is bad")

    with pytest.raises(RuntimeError, match="list 9 is bad"):
        over_lists(kernel, np.arange(11, dtype=np.int64) * 100_000)


@pytest.mark.parametrize("update", UPDATES)
def test_threads_change_no_bit(update: str) -> None:
    scores, targets = batch(0)
    loss_fn = make_loss(update, dl.AveragePrecision(), reduction="none")
    one = value_and_gradient(loss_fn, scores, targets)
    torch.set_num_threads(2)
    try:
        two = value_and_gradient(loss_fn, scores, targets)
    finally:
        torch.set_num_threads(1)
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])


def test_several_python_threads_at_once(two_threads: None) -> None:
    """As under DataParallel: callers share the pool, and one module."""
    loss_fn = make_loss("both", dl.AveragePrecision())
    batches = [batch(seed, lists=24) for seed in range(6)]
    alone = [value_and_gradient(loss_fn, *b) for b in batches]
    with ThreadPoolExecutor(6) as callers:
        for _ in range(3):
            together = list(callers.map(lambda b: value_and_gradient(loss_fn, *b), batches))
            for (value, gradient), (v, g) in zip(alone, together, strict=True):
                assert torch.equal(value, v)
                assert torch.equal(gradient, g)


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
# Python 3.12 and later warn of every fork while threads exist, which is what is tested.
may_warn = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@needs_fork
@may_warn
def test_a_forked_child_makes_its_own_threads(two_threads: None) -> None:
    """The parent's pool does not exist in the child, which must not wait for it."""
    offsets = np.arange(11, dtype=np.int64) * 100_000
    over_lists(lambda first, last: None, offsets)  # the parent has its pool
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe(duplex=False)

    def work() -> None:
        ranges: list[tuple[int, int]] = []
        over_lists(lambda first, last: ranges.append((first, last)), offsets)
        theirs.send(sorted(ranges))

    child = context.Process(target=work)
    child.start()
    try:
        assert mine.poll(30), "the child hangs"
        ranges = mine.recv()
        assert [item for a, b in ranges for item in range(a, b)] == list(range(10))
        child.join(20)
        assert child.exitcode == 0
    finally:
        if child.is_alive():
            child.kill()
            child.join()


class LossOfBatch(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """A data set whose items are losses, as when examples are ranked while they are loaded."""

    def __init__(self, loss_fn: torch.nn.Module, count: int) -> None:
        self.loss_fn, self.count = loss_fn, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> torch.Tensor:
        value, gradient = value_and_gradient(self.loss_fn, *batch(index))
        return torch.cat([value.reshape(1), gradient.reshape(-1)])


def check_workers() -> None:
    """Workers that were forked compute the losses of this process."""
    torch.set_num_threads(2)
    data = LossOfBatch(make_loss("both", dl.AveragePrecision()), 2)
    here = [data[0], data[1]]
    loader = torch.utils.data.DataLoader(
        data, batch_size=None, num_workers=2, multiprocessing_context="fork", timeout=60
    )
    for mine, theirs in zip(here, loader, strict=True):
        assert torch.equal(mine, theirs)


def check_forward_passes() -> None:
    """A child that was forked goes on where its parent's losses have woken no thread of a BLAS."""
    torch.set_num_threads(2)
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.3)

    def work() -> None:
        for n in (1000, 2048, 5000, 20_000):
            scores, targets = batch(0, 1, n)
            for dtype in (torch.float32, torch.float64):
                assert loss_fn(scores[0].to(dtype).requires_grad_(), targets[0]) > 0.0

    work()
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join(60)
    child.kill()
    child.join()
    assert child.exitcode == 0, "the child hangs"


@needs_fork
@pytest.mark.parametrize("check", ["check_workers", "check_forward_passes"])
def test_forked_children_compute_losses(check: str) -> None:
    """In a fresh process: torch forks no process that has had a backward pass on a device."""
    done = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import {check}; {check}()"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
