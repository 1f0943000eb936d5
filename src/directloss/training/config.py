"""How to train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from directloss.errors import ArgumentError

Optimiser = Literal["sgd", "adam"]
Batch = Literal["mini", "all"]
Schedule = Literal["constant", "linear"]
Keep = Literal["last", "best"]


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How to train.

    Attributes:
        learning_rate: of every parameter, times the factor of its group.
        optimiser: "sgd" (with `momentum`) or "adam".
        momentum: of SGD; Adam keeps its own.
        schedule: "constant", or "linear": the learning rate falls in a line to 0 over the run.
        l2: factor of the weights in the gradient (weight decay); biases have none.
        epochs: passes over the training part; with full batches the number of steps.
        batch: "mini", or "all": each step takes the exact gradient of the whole training part, at
            the memory of `batch_size` samples, see `whole_dataset_step`.
        batch_size: samples a mini-batch; None for full batches. With `batch` "all", samples a
            forward pass, which changes no result.
        positives: positives a mini-batch, see `BalancedBatchSampler`.
        score_memory: mini-batches whose scores stay in the ranking, see `ScoreMemory`; 0 for none.
        evaluations: about how many history entries to take after the first.
        patience: stop after that many history entries without a better one on validation, and go
            back to the best weights; None trains to the end.
        keep: which weights to keep at the end, the "last" or the "best" on validation (the best,
            too, with `patience`). `ties` decides between equal ones.
        learning_rate_factors: parameter name prefix -> factor; the longest matching prefix counts.
        seed: of the mini-batches. The caller makes the model, and with it the initial weights.
    """

    learning_rate: float
    optimiser: Optimiser = "sgd"
    momentum: float = 0.9
    schedule: Schedule = "constant"
    l2: float = 0.0
    epochs: int = 100
    batch: Batch = "mini"
    batch_size: int | None = None
    positives: int | float | None = None
    score_memory: int = 0
    evaluations: int = 25
    patience: int | None = None
    keep: Keep = "last"
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
        if self.schedule not in ("constant", "linear"):
            raise ArgumentError("schedule", repr(self.schedule), "'constant' or 'linear'")
        if self.keep not in ("last", "best"):
            raise ArgumentError("keep", repr(self.keep), "'last' or 'best'")
        if self.batch not in ("mini", "all"):
            raise ArgumentError("batch", repr(self.batch), "'mini' or 'all'")
        if self.batch == "all" and self.batch_size is not None and self.batch_size < 1:
            raise ArgumentError("batch_size", self.batch_size, "1 or more, or None")
        if self.batch == "all" and self.positives is not None:
            raise ArgumentError("positives", self.positives, "None, as batch='all' has them all")
        if self.score_memory < 0:
            raise ArgumentError("score_memory", self.score_memory, "0 or more")
        if self.score_memory and (self.batch == "all" or self.batch_size is None):
            wanted = "0, as every step sees all scores (batch='all', or batch_size=None)"
            raise ArgumentError("score_memory", self.score_memory, wanted)
        if self.patience is not None and self.patience < 1:
            raise ArgumentError("patience", self.patience, "1 or more, or None")
