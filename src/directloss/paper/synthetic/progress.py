"""Progress of a study on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from directloss.paper.synthetic.columns import Column
from directloss.paper.synthetic.config import TUNING_SEED
from directloss.study.assignments import Assignment
from directloss.training.search import Cell, Finished


class StudyProgress:
    """A bar for each column; the trials that this process found ready beside."""

    def __init__(self, console: Console, columns: Sequence[Column]) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._totals = {
            column.name: len(column.methods) * (column.trials + column.seeds) for column in columns
        }
        self._bars = {
            name: self._progress.add_task(name, total=total, note="")
            for name, total in self._totals.items()
        }
        self._elsewhere = dict.fromkeys(self._totals, 0)
        self._seen: set[Cell] = set()

    def __enter__(self) -> StudyProgress:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def on_trial(self, assignment: Assignment, _: Finished, elsewhere: bool) -> None:
        """Advances the bar of the trial's column."""
        cell = assignment.cell
        if cell.seed != TUNING_SEED:
            # The two rules may choose differently: then a cell has a second trial.
            self._totals[cell.column] += cell in self._seen
            self._seen.add(cell)
        self._elsewhere[cell.column] += elsewhere
        others = self._elsewhere[cell.column]
        self._progress.update(
            self._bars[cell.column],
            advance=1,
            total=self._totals[cell.column],
            note=f"{others} from before or from others" if others else "",
        )
