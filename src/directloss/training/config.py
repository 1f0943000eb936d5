"""How to train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from directloss.errors import ArgumentError

Optimiser = Literal["sgd", "adam"]


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How to train.

    Attributes:
        learning_rate: of every parameter, times the factor of its group.
        optimiser: "sgd" (with `momentum`) or "adam".
        momentum: of SGD; Adam keeps its own.
        l2: factor of the weights in the gradient (weight decay); biases have none.
        epochs: passes over the training part; with full batches the number of steps.
        batch_size: samples a mini-batch; None for full batches.
        positives: positives a mini-batch, see `BalancedBatchSampler`.
        evaluations: about how many history entries to take after the first.
        patience: stop after that many history entries without a better validation metric, and go
            back to the best weights; None trains to the end and keeps the last weights.
        learning_rate_factors: parameter name prefix -> factor; the longest matching prefix counts.
        seed: of the mini-batches. The caller makes the model, and with it the initial weights.
    """

    learning_rate: float
    optimiser: Optimiser = "sgd"
    momentum: float = 0.9
    l2: float = 0.0
    epochs: int = 100
    batch_size: int | None = None
    positives: int | float | None = None
    evaluations: int = 25
    patience: int | None = None
    learning_rate_factors: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("learning_rate", "epochs", "evaluations"):
            if not getattr(self, name) > 0:
                raise ArgumentError(name, getattr(self, name), "a number above 0")
        if not self.l2 >= 0:
            raise ArgumentError("l2", self.l2, "0 or more")
        if self.optimiser not in ("sgd", "adam"):
            raise ArgumentError("optimiser", repr(self.optimiser), "'sgd' or 'adam'")
        if self.patience is not None and self.patience < 1:
            raise ArgumentError("patience", self.patience, "1 or more, or None")
