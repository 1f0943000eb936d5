"""Early stopping with a return to the best weights."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class EarlyStop:
    """Watches the validation metric; with `patience` None it never stops and keeps the last."""

    def __init__(self, model: nn.Module, patience: int | None, *, higher_is_better: bool) -> None:
        self._model = model
        self._patience = patience
        self._sign = 1.0 if higher_is_better else -1.0
        self._seen = 0
        self._best = float("-inf")
        self._best_entry = 0
        self._best_weights: dict[str, Tensor] = {}

    def saw(self, value: float) -> bool:
        """Takes the next value; returns whether to stop."""
        entry, self._seen = self._seen, self._seen + 1
        if self._patience is None:
            return False
        if self._sign * value > self._best:
            self._best, self._best_entry = self._sign * value, entry
            self._best_weights = {
                name: tensor.detach().clone() for name, tensor in self._model.state_dict().items()
            }
        return entry - self._best_entry >= self._patience

    def restore(self, last: int) -> int:
        """Puts the weights to keep into the model; returns their history entry."""
        if self._patience is None:
            return last
        self._model.load_state_dict(self._best_weights)
        return self._best_entry

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "seen": self._seen,
            "best": self._best,
            "best_entry": self._best_entry,
            "best_weights": self._best_weights,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from a checkpoint."""
        self._seen = state["seen"]
        self._best = state["best"]
        self._best_entry = state["best_entry"]
        self._best_weights = state["best_weights"]
