"""Progress on the terminal: bars with their time, and what there is to say beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

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
from directloss.study.stages import OnItem
from directloss.training.search import Cell, Finished

EARLIER = "from before"
OTHERS = "from before or from others"


class Bars:
    """Bars of a context; nothing is on the terminal before `start`, and then at the end neither."""

    def __init__(self, console: Console, *, transient: bool = False) -> None:
        """`transient`: at the end they disappear."""
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=transient,
        )
        self._found: dict[TaskID, int] = {}

    def add(self, name: str, total: int | None, *, done: int = 0) -> TaskID:
        """A bar more."""
        return self._progress.add_task(name, total=total, completed=done, note="")

    def start(self) -> None:
        """Shows the bars, now and as they are added."""
        self._progress.start()

    def advance(
        self, bar: TaskID, items: int = 1, *, note: str = "", total: int | None = None
    ) -> None:
        """More items are done."""
        self._progress.update(bar, advance=items, note=note, total=total)

    def reach(self, bar: TaskID, done: int, note: str, *, total: int | None = None) -> None:
        """So many items are done; `{rate}` in the note is how many a second."""
        speed = self._progress.tasks[bar].speed
        rate = f"{speed:,.{0 if speed > 100 else 1}f} a second" if speed else ""
        self._progress.update(bar, completed=done, note=note.format(rate=rate), total=total)

    def count(self, bar: TaskID, found: bool, words: str, *, total: int | None = None) -> None:
        """One item more is done; those that were found ready are counted beside, in `words`."""
        number = self._found[bar] = self._found.get(bar, 0) + found
        self.advance(bar, note=f"{number} {words}" if number else "", total=total)

    def on_stage(self, name: str, items: int) -> OnItem:
        """Adds a bar for a stage, and shows it."""
        self.start()
        bar = self.add(name, items)
        return lambda was_there: self.count(bar, was_there, EARLIER)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._progress.live.is_started:
            self._progress.stop()


class TrialBars(Bars):
    """A bar for each method and one for all trials; the best validation metric so far beside."""

    def __init__(self, console: Console, trials: Mapping[str, int], higher_is_better: bool) -> None:
        """`trials` has the number of trials of each method over all columns and seeds."""
        super().__init__(console)
        self._best: Callable[[float, float], float] = max if higher_is_better else min
        self._values: dict[str, dict[tuple[str, int], float]] = {name: {} for name in trials}
        self._bars = {name: self.add(name, total) for name, total in trials.items()}
        self._all = self.add("all", sum(trials.values()))

    def on_trial(self, assignment: Assignment, finished: Finished, elsewhere: bool) -> None:
        """Advances the bars."""
        cell = assignment.cell
        values = self._values[cell.method]
        before = values.get((cell.column, cell.seed), finished.validation)
        values[cell.column, cell.seed] = self._best(before, finished.validation)
        mean = sum(values.values()) / len(values)
        self.advance(self._bars[cell.method], note=f"validation {100 * mean:.1f}")
        self.count(self._all, elsewhere, OTHERS)


class ColumnBars(Bars):
    """A bar for each column.

    Args:
        totals: column -> trials, one a cell of a reported seed.
        tuning_seed: the one that is not reported, whose trials are all in the totals.
    """

    def __init__(self, console: Console, totals: Mapping[str, int], tuning_seed: int) -> None:
        super().__init__(console)
        self._totals = dict(totals)
        self._bars = {name: self.add(name, total) for name, total in totals.items()}
        self._tuning_seed = tuning_seed
        self._seen: set[Cell] = set()

    def on_trial(self, assignment: Assignment, _: Finished, elsewhere: bool) -> None:
        """Advances the bar of the trial's column."""
        cell = assignment.cell
        if cell.seed != self._tuning_seed:
            # Two rules may choose different settings: then a cell has a second trial.
            self._totals[cell.column] += cell in self._seen
            self._seen.add(cell)
        bar, total = self._bars[cell.column], self._totals[cell.column]
        self.count(bar, elsewhere, OTHERS, total=total)
