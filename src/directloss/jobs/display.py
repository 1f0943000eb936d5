"""Progress of a training run on the terminal."""

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

from directloss.jobs.watch import Watcher
from directloss.terminal import say
from directloss.training.history import History


class Display(Watcher):
    """A bar with rate and time left, the last loss and the last validation metric."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TextColumn("steps{task.fields[rate]}  {task.fields[note]}"),
            TimeRemainingColumn(compact=True),
            console=console,
        )
        self._bar: TaskID | None = None
        self._loss = ""
        self._validation = ""

    def started(self, data: str, first: int, steps: int, refused: tuple[str, ...]) -> None:
        """See `Watcher`."""
        say(self._console, data)
        for reason in refused:
            say(self._console, f"warning: {reason}")
        if first:
            self._console.print(f"goes on after step {first} of {steps}", soft_wrap=True)
        self._bar = self._progress.add_task("", total=steps, completed=first, rate="", note="")
        self._progress.start()

    def stepped(self, step: int, loss: float) -> None:
        """See `Watcher`."""
        if self._bar is not None:
            self._loss = f"loss {loss:.4g}"
            speed = self._progress.tasks[0].speed
            rate = f", {speed:.3g}/s" if speed else ""
            note = f"{self._loss}{self._validation}"
            self._progress.update(self._bar, completed=step, rate=rate, note=note)

    def evaluated(self, history: History) -> None:
        """See `Watcher`."""
        self._validation = f"  validation {100 * history.validation[-1]:.2f}"

    def __enter__(self) -> Display:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._progress.stop()


class RowCounter:
    """A bar of rows with their rate and, where their number is known, the time left."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            BarColumn(bar_width=24),
            TextColumn("{task.completed} rows"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._bar = self._progress.add_task("", total=None, rate="")

    def __call__(self, done: int, total: int | None) -> None:
        speed = self._progress.tasks[0].speed
        rate = f"{speed:,.0f} a second" if speed else ""
        self._progress.update(self._bar, completed=done, total=total, rate=rate)

    def __enter__(self) -> RowCounter:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()
