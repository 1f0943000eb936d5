from __future__ import annotations

import os
import signal
import time
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from directloss.study.assignments import Assignment
from directloss.study.sharing import work_together
from directloss.study.workers import process_context
from directloss.training.search import Cell, Finished, TrialStore
from tests.study.sharing_work import SETTINGS, plan, wait, work

FIRST = Cell("logistic", "first", 0)


def start(folder: Path, trials: int, log: Path) -> BaseProcess:
    process: BaseProcess = process_context().Process(target=work, args=(folder, trials, log))
    process.start()
    return process


def exit_code(process: BaseProcess) -> int | None:
    process.join(60)
    return process.exitcode


def lines(log: Path) -> list[list[str]]:
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def wait_for(log: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(lines(log)) < count:
        assert time.monotonic() < deadline, "no process has begun"
        time.sleep(0.01)


def test_two_processes_run_each_trial_once(tmp_path: Path) -> None:
    TrialStore(tmp_path / "trials.sqlite3")
    log = tmp_path / "log"
    processes = [start(tmp_path, 40, log) for _ in range(2)]
    assert [exit_code(process) for process in processes] == [0, 0]
    ran = [(column, int(number)) for _, column, number in lines(log)]
    assert sorted(ran) == [*(("first", k) for k in range(40)), ("second", 0)]
    assert len({pid for pid, _, _ in lines(log)}) == 2, "one process did all the work"
    store = TrialStore(tmp_path / "trials.sqlite3")
    assert sorted(store.finished(FIRST)) == list(range(40))
    assert list((tmp_path / "claims").iterdir()) == []


def test_the_claims_of_a_killed_process_are_taken_up(tmp_path: Path) -> None:
    TrialStore(tmp_path / "trials.sqlite3")
    log = tmp_path / "log"
    process = start(tmp_path, 10_000, log)
    wait_for(log, 3)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    store = TrialStore(tmp_path / "trials.sqlite3")
    kept = store.finished(FIRST)
    begun = max(int(number) for _, _, number in lines(log))
    assert begun not in kept, "it was killed in the middle of a trial"
    assert (tmp_path / "claims").exists()
    found = work_together(partial(plan, begun + 3), partial(wait, log), store, tmp_path / "claims")
    assert sorted(found[FIRST]) == list(range(begun + 3))
    numbers = [int(number) for _, column, number in lines(log) if column == "first"]
    assert sorted(numbers) == sorted([*range(begun + 3), begun]), "only the lost trial ran twice"


def test_what_another_process_holds_is_waited_for(tmp_path: Path) -> None:
    """A trial that somebody else runs meanwhile is neither run again nor forgotten."""
    TrialStore(tmp_path / "trials.sqlite3")
    log = tmp_path / "log"
    other = start(tmp_path, 12, log)
    wait_for(log, 1)
    told: list[tuple[int, bool]] = []

    def note(assignment: Assignment, _: Finished, elsewhere: bool) -> None:
        if assignment.cell == FIRST:
            told.append((assignment.number, elsewhere))

    store = TrialStore(tmp_path / "trials.sqlite3")
    work_together(partial(plan, 12), partial(wait, log), store, tmp_path / "claims", on_trial=note)
    assert exit_code(other) == 0
    assert sorted(number for number, _ in told) == list(range(12))
    assert any(elsewhere for _, elsewhere in told)
    assert len(lines(log)) == 13


def test_an_error_frees_the_claim(tmp_path: Path) -> None:
    store = TrialStore(tmp_path / "trials.sqlite3")

    def fail(_: Assignment) -> Finished:
        raise RuntimeError("no luck")

    with pytest.raises(RuntimeError, match="no luck"):
        work_together(partial(plan, 1), fail, store, tmp_path / "claims")
    done = Finished(0, SETTINGS, 0.5, diverged=False, notes={})
    found = work_together(partial(plan, 1), lambda _: done, store, tmp_path / "claims")
    assert found[FIRST] == {0: done}


def test_more_workers_share_the_work(tmp_path: Path) -> None:
    store = TrialStore(tmp_path / "trials.sqlite3")
    log = tmp_path / "log"
    work_together(partial(plan, 6), partial(wait, log), store, tmp_path / "claims", workers=2)
    assert len(lines(log)) == 7
    assert str(os.getpid()) not in {pid for pid, _, _ in lines(log)}
