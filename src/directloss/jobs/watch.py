"""Who is told how a training run gets on."""

from __future__ import annotations

from directloss.training.history import History


class Watcher:
    """What a display or a log hears of a run; every method may be overridden."""

    def started(self, data: str, first: int, steps: int, refused: tuple[str, ...]) -> None:
        """Training on `data` goes on from step `first`; some checkpoints may have been refused."""

    def stepped(self, step: int, loss: float) -> None:
        """A step was taken."""

    def evaluated(self, history: History) -> None:
        """The network was rated on the validation split."""


class Watchers(Watcher):
    """Several of them, who hear the same."""

    def __init__(self) -> None:
        self.each: list[Watcher] = []

    def started(self, data: str, first: int, steps: int, refused: tuple[str, ...]) -> None:
        for each in self.each:
            each.started(data, first, steps, refused)

    def stepped(self, step: int, loss: float) -> None:
        for each in self.each:
            each.stepped(step, loss)

    def evaluated(self, history: History) -> None:
        for each in self.each:
            each.evaluated(history)
