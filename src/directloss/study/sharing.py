"""One study, several processes: each trial is run once, whoever comes and goes.

A process claims a trial by locking a file of its own name. The operating system takes the lock off
a process that ends in whatever way, so that the claim of a dead one is free again at once. Having
the claim, a process looks into the store whether another one has finished the trial meanwhile; a
result is stored before its claim is given up.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from directloss.study.assignments import Assignment
from directloss.study.interrupts import interrupts_kept
from directloss.study.workers import worker_pool
from directloss.training.search import Cell, Finished, TrialStore

Found = dict[Cell, dict[int, Finished]]
"""Finished trials of each cell by their place in its plan."""

Plan = Callable[[Found], Sequence[Assignment]]
"""What is to be done, as far as can be told from what is finished; in order of urgency."""

OnTrial = Callable[[Assignment, Finished, bool], None]
"""Called for each finished trial: what it was, what it gave, whether another process ran it."""

_POLL = 0.5  # seconds between two looks at the work of other processes


def work_together(
    plan: Plan,
    work: Callable[[Assignment], Finished],
    store: TrialStore,
    claims: Path,
    *,
    workers: int = 1,
    on_trial: OnTrial = lambda *_: None,
) -> Found:
    """Runs all trials of a plan that nobody has run or is running; returns when all are finished.

    Args:
        plan: called again whenever trials have finished, since later work may depend on them.
        work: runs a trial; picklable for more than one worker.
        store: where results are kept, shared with other processes.
        claims: a folder for the files of the claims.
        workers: processes of this one.
        on_trial: for a display of progress.
    """
    view = _View(store, on_trial)
    running: dict[Future[Finished], _Claim] = {}
    with interrupts_kept() as raise_kept, worker_pool(workers) as submit:
        try:
            while todo := view.missing(plan):
                raise_kept()
                busy = {claim.assignment for claim in running.values()}
                for assignment in todo:
                    if len(running) >= workers:
                        break
                    if assignment in busy:
                        continue
                    claim = _Claim(claims, assignment)
                    if not claim.taken:
                        continue
                    try:
                        if view.finished_elsewhere(assignment):
                            claim.give_up(finished=True)
                            continue
                        running[submit(work, assignment)] = claim
                    except BaseException:
                        claim.give_up(finished=False)
                        raise
                if not running:  # what is left is in other hands
                    time.sleep(_POLL)
                    view.look_again()
                    continue
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    claim = running.pop(future)
                    try:
                        view.add(claim.assignment, future.result())
                    except BaseException:
                        claim.give_up(finished=False)
                        raise
                    claim.give_up(finished=True)
        finally:
            for claim in running.values():
                claim.give_up(finished=False)
    return view.found


class _Claim:
    """The right to run a trial; `taken` tells whether this process has it."""

    def __init__(self, folder: Path, assignment: Assignment) -> None:
        folder.mkdir(exist_ok=True)
        self.assignment = assignment
        name = f"{assignment.cell.study_name} {assignment.number}".replace("/", "_")
        self._file = folder / name
        self._lock = FileLock(self._file)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            self.taken = False
        else:
            self.taken = True

    def give_up(self, *, finished: bool) -> None:
        """Frees the trial for others.

        The file of an unfinished trial stays: of two processes that lock different files of one
        name, each would believe it had the claim. With a finished one they find the result.
        """
        if finished:
            with suppress(FileNotFoundError):
                self._file.unlink()
        self._lock.release()


class _View:
    """What this process knows of the store."""

    def __init__(self, store: TrialStore, on_trial: OnTrial) -> None:
        self._store = store
        self._on_trial = on_trial
        self._planned: dict[tuple[Cell, int], Assignment] = {}
        self._told: set[tuple[Cell, int]] = set()
        self.found: Found = defaultdict(dict)

    def missing(self, plan: Plan) -> list[Assignment]:
        """The unfinished part of the plan, as far as is known here."""
        while True:
            assignments = plan(self.found)
            unknown = {a.cell for a in assignments} - self.found.keys()
            self._planned |= {(a.cell, a.number): a for a in assignments}
            for cell in sorted(unknown):
                self._learn(cell)
            if not unknown:
                break
        missing = [a for a in assignments if a.number not in self.found[a.cell]]
        return missing

    def finished_elsewhere(self, assignment: Assignment) -> bool:
        """Whether the store holds a result of the trial by now."""
        self._store.refresh()
        self._learn(assignment.cell)
        return assignment.number in self.found[assignment.cell]

    def look_again(self) -> None:
        """Reads all cells with unfinished trials anew."""
        self._store.refresh()
        open_cells = {cell for cell, number in self._planned if number not in self.found[cell]}
        for cell in sorted(open_cells):
            self._learn(cell)

    def add(self, assignment: Assignment, result: Finished) -> None:
        """Stores a result of this process."""
        self._store.record(assignment.cell, result)
        self.found[assignment.cell][result.number] = result
        self._tell(assignment, result, elsewhere=False)

    def _learn(self, cell: Cell) -> None:
        self.found[cell] |= self._store.finished(cell)
        for number, result in self.found[cell].items():
            if (cell, number) in self._planned:
                self._tell(self._planned[cell, number], result, elsewhere=True)

    def _tell(self, assignment: Assignment, result: Finished, *, elsewhere: bool) -> None:
        key = (assignment.cell, assignment.number)
        if key not in self._told:
            self._told.add(key)
            self._on_trial(assignment, result, elsewhere)
