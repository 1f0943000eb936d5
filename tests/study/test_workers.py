from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from directloss.errors import ArgumentError
from directloss.study.workers import WorkerError, run_all
from tests.study.work import die, fail_at_three, hears_interrupts, process_and_square, threads

SLOW = """
from directloss.study import workers
from directloss.study.workers import run_all
from tests.study.work import report_and_sleep
workers._IMPORTED = ()
if __name__ == "__main__":
    for _ in run_all([0, 1, 2, 3], report_and_sleep, workers=2):
        pass
"""


def test_every_item_is_worked_on_once() -> None:
    alone = dict(run_all(range(6), process_and_square, workers=1))
    assert {item: square for item, (_, square) in alone.items()} == {k: k * k for k in range(6)}
    assert {process for process, _ in alone.values()} == {os.getpid()}
    shared = dict(run_all(range(6), process_and_square, workers=2))
    assert {item: square for item, (_, square) in shared.items()} == {k: k * k for k in range(6)}
    assert os.getpid() not in {process for process, _ in shared.values()}


@pytest.mark.parametrize("workers", [1, 2])
def test_one_thread_each_so_that_the_number_of_workers_changes_no_number(workers: int) -> None:
    before = torch.get_num_threads()
    assert {found for _, found in run_all([0, 1], threads, workers)} == {1}
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_come_home(workers: int) -> None:
    with pytest.raises(ArgumentError, match="item: got 3, wanted another"):
        list(run_all(range(6), fail_at_three, workers))


def test_an_interrupt_is_for_the_parent_alone() -> None:
    assert {found for _, found in run_all(range(2), hears_interrupts, workers=2)} == {False}


def test_a_killed_worker_is_an_error_and_no_hang() -> None:
    with pytest.raises(WorkerError, match="a worker process was killed"):
        list(run_all(range(3), die, workers=2))


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_workers_die_with_their_parent(end: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        workers = {int(parent.stdout.readline()) for _ in range(2)}
        parent.send_signal(end)
        parent.wait(timeout=20)
    assert len(workers) == 2
    deadline = time.monotonic() + 20
    while any(_alive(worker) for worker in workers):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.05)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
