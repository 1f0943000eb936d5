"""The weights to keep, and when to stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from directloss.training.history import Entry
from directloss.training.ties import rank


@dataclass(frozen=True)
class Kept:
    """The best weights so far.

    Attributes:
        entry: number of their history entry.
        rank: see `ties.rank`.
        weights: the model's `state_dict()`.
    """

    entry: int
    rank: tuple[float, ...]
    weights: dict[str, Tensor]


class EarlyStop:
    """Watches the validation metric, keeps the best weights, and says when to stop.

    Of equal validation metrics a finer quantity decides, see `ties`; of entries that are equal in
    all the later one is kept.

    Args:
        model: whose weights are kept.
        patience: entries in a row without a better one before it says so; None: it never does.
        keep_best: whether the best weights are kept, or the last; with `patience` the best are.
        higher_is_better: of the metric.

    Attributes:
        best: the best weights so far; None where none are kept.
        first_phase: the best weights when the first phase ended; None before, and so, too.
    """

    def __init__(
        self, model: nn.Module, patience: int | None, *, keep_best: bool, higher_is_better: bool
    ) -> None:
        self._model = model
        self._patience = patience
        self._keep_best = keep_best or patience is not None
        self._higher_is_better = higher_is_better
        self._seen = 0
        self._improved = 0
        self.best: Kept | None = None
        self.first_phase: Kept | None = None

    def saw(self, entry: Entry) -> bool:
        """Takes the next entry; returns whether to stop."""
        number, self._seen = self._seen, self._seen + 1
        if not self._keep_best:
            return False
        found = rank(entry.validation, entry.finer, higher_is_better=self._higher_is_better)
        if self.best is None or found > self.best.rank:
            self._improved = number
        if self.best is None or found >= self.best.rank:
            state = self._model.state_dict().items()
            weights = {name: tensor.detach().clone() for name, tensor in state}
            self.best = Kept(number, found, weights)
        return self._patience is not None and number - self._improved >= self._patience

    def end_first_phase(self) -> None:
        """Keeps the best weights of the first phase beside those of all; patience begins anew."""
        self.first_phase = self.best
        self._improved = self._seen - 1

    def restore(self, last: int) -> int:
        """Puts the weights to keep into the model; returns their history entry."""
        if self.best is None:
            return last
        self._model.load_state_dict(self.best.weights)
        return self.best.entry

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "seen": self._seen,
            "improved": self._improved,
            "best": _plain(self.best),
            "first_phase": _plain(self.first_phase),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from a checkpoint."""
        self._seen = state["seen"]
        self._improved = state["improved"]
        self.best, self.first_phase = (
            None if state[name] is None else Kept(**state[name]) for name in ("best", "first_phase")
        )


def _plain(kept: Kept | None) -> dict[str, Any] | None:
    return None if kept is None else vars(kept).copy()
