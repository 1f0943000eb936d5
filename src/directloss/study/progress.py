"""Progress of a search on the terminal."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from directloss.study.assignments import Assignment
from directloss.training.search import Finished


class ProgressDisplay:
    """A bar for each method and one for all trials; the best validation metric so far beside."""

    def __init__(
        self, console: Console, methods: tuple[str, ...], trials: int, higher_is_better: bool
    ) -> None:
        """`trials` is the number of trials of each method over all columns and seeds."""
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._best = max if higher_is_better else min
        self._values: dict[str, dict[tuple[str, int], float]] = {name: {} for name in methods}
        self._bars: dict[str, TaskID] = {
            name: self._progress.add_task(name, total=trials, note="") for name in methods
        }
        self._all = self._progress.add_task("all", total=trials * len(methods), note="")
        self.resumed = 0
        self._started = False

    def start(self) -> None:
        """Shows the bars; without it there is nothing on the terminal, at the end neither."""
        self._started = True
        self._progress.start()

    def __enter__(self) -> ProgressDisplay:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._started:
            self._progress.stop()

    def on_trial(self, assignment: Assignment, finished: Finished, was_stored: bool) -> None:
        """Advances the bars."""
        cell = assignment.cell
        values = self._values[cell.method]
        before = values.get((cell.column, cell.seed), finished.validation)
        values[cell.column, cell.seed] = self._best(before, finished.validation)
        mean = sum(values.values()) / len(values)
        self._progress.update(
            self._bars[cell.method], advance=1, note=f"validation {100 * mean:.1f}"
        )
        self.resumed += was_stored
        note = f"{self.resumed} from before" if self.resumed else ""
        self._progress.update(self._all, advance=1, note=note)
