"""Progress of the stages on the terminal."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from directloss.study.stages import OnItem


class StageDisplay:
    """A bar for each stage, as it begins; how much of it was there from before beside."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._started = False

    def __enter__(self) -> StageDisplay:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._started:
            self._progress.stop()

    def on_stage(self, name: str, items: int) -> OnItem:
        """Adds a bar; nothing is shown before the first, so that a refused input stays one line."""
        if not self._started:
            self._started = True
            self._progress.start()
        bar = self._progress.add_task(name, total=items, note="")
        reused = 0

        def on_item(was_there: bool) -> None:
            nonlocal reused
            reused += was_there
            self._progress.update(bar, advance=1, note=f"{reused} from before" if reused else "")

        return on_item
