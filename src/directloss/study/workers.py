"""Work spread over processes that never outlive the one that started them."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from directloss.errors import DirectLossError
from directloss.study.interrupts import block_interrupts, interrupts_kept, interrupts_withheld

_IMPORTED = "directloss.study.trial", "torch._dynamo"
"""What takes a process seconds to import: all of a trial, and what its first optimiser imports."""

T = TypeVar("T")
R = TypeVar("R")


class WorkerError(DirectLossError):
    """A worker process died."""


def run_all(items: Sequence[T], work: Callable[[T], R], workers: int) -> Iterator[tuple[T, R]]:
    """Yields (item, work(item)) as results come in, in any order.

    One worker works in this process. Otherwise `work` must be picklable, and each process uses one
    thread for torch: many small runs at once beat one run on many threads.
    When the iterator is closed, or this process dies in whatever way, the workers die too.

    Raises:
        WorkerError: a process was killed, for example for want of memory.
        Exception: whatever `work` raises.
    """
    if min(workers, len(items)) <= 1:
        with _one_torch_thread(), interrupts_kept() as raise_kept:
            for item in items:
                raise_kept()
                yield item, work(item)
        return
    with interrupts_kept() as raise_kept, worker_pool(min(workers, len(items))) as submit:
        futures = {submit(work, item): item for item in items}
        for future in as_completed(futures):
            raise_kept()
            yield futures[future], future.result()


Submit = Callable[[Callable[[T], R], T], Future[R]]
"""(work, item) -> the future of work(item)."""


def process_context() -> Any:
    """How processes start: forked, where that is safe, from one that has done their imports.

    It does nothing else, so that nothing of a kernel or of torch is half done where it forks.
    """
    if sys.platform != "linux":  # some libraries of macOS do not survive a fork
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_IMPORTED))
    return context


@contextmanager
def worker_pool(workers: int) -> Iterator[Submit[Any, Any]]:
    """Processes to give work to, one item at a time; one worker is this process, at once.

    Raises:
        WorkerError: from a future's result, a process was killed.
    """
    if workers <= 1:
        with _one_torch_thread():
            yield _work_here
        return
    context = process_context()
    lifeline, held_here = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, context, _start_worker, (lifeline,))

    def submit(work: Callable[[Any], Any], item: Any) -> Future[Any]:
        with interrupts_withheld():  # inherited: Ctrl-C is for this process to handle
            return pool.submit(work, item)

    try:
        yield submit
    except BrokenProcessPool as error:
        raise WorkerError(
            "a worker process was killed (out of memory?); finished trials are kept, and fewer "
            "workers need less"
        ) from error
    finally:
        held_here.close()
        pool.shutdown(wait=False, cancel_futures=True)


def _work_here(work: Callable[[Any], Any], item: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(work(item))
    return future


def _start_worker(lifeline: Connection) -> None:
    import torch

    block_interrupts()  # not inherited where the process that forks was started by somebody else
    torch.set_num_threads(1)
    threading.Thread(target=_die_with_parent, args=(lifeline,), daemon=True).start()


def _die_with_parent(lifeline: Connection) -> None:
    # Nothing is ever sent: the pipe becomes readable when its other end is closed.
    lifeline.poll(None)
    os._exit(1)


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
