"""Progress of a training run on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.progress import TaskID

from directloss.jobs.watch import Watcher
from directloss.study.display import Bars
from directloss.terminal import say
from directloss.training.history import History


class Display(Bars, Watcher):
    """A bar of steps with their rate, the last loss and the last validation metric."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._console = console
        self._bar: TaskID | None = None
        self._validation = ""

    def started(self, data: str, first: int, steps: int, refused: tuple[str, ...]) -> None:
        """See `Watcher`."""
        say(self._console, data)
        for reason in refused:
            say(self._console, f"warning: {reason}")
        if first:
            self._console.print(f"goes on after step {first} of {steps}", soft_wrap=True)
        self._bar = self.add("steps", steps, done=first)
        self.start()

    def stepped(self, step: int, loss: float) -> None:
        """See `Watcher`."""
        if self._bar is not None:
            self.reach(self._bar, step, f"{{rate}}  loss {loss:.4g}{self._validation}")

    def evaluated(self, history: History) -> None:
        """See `Watcher`."""
        self._validation = f"  validation {100 * history.validation[-1]:.2f}"


class RowCounter(Bars):
    """A bar of rows with their rate and, where their number is known, the time left."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._bar = self.add("rows", None)
        self.start()

    def __call__(self, done: int, total: int | None) -> None:
        self.reach(self._bar, done, "{rate}", total=total)
