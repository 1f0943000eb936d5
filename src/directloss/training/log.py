"""What was seen of a model while it was trained, in plain numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Look:
    """What an evaluation of the model found on the validation part.

    `spread` is the standard deviation of the scores; `threshold` the score above which a sample is
    called positive, where the metric rates such decisions.
    """

    metric: float
    spread: float
    threshold: float | None = None


@dataclass
class Log:
    """One entry a look; the first is taken before the first step.

    Attributes:
        step, epoch: how far training was.
        loss: mean over the steps since the entry before; None for the first entry.
        metric, spread, threshold: see `Look`.
        zero_gradient: share of those steps whose gradient with respect to the scores was zero.
    """

    step: list[int] = field(default_factory=list)
    epoch: list[int] = field(default_factory=list)
    loss: list[float | None] = field(default_factory=list)
    metric: list[float] = field(default_factory=list)
    spread: list[float] = field(default_factory=list)
    threshold: list[float | None] = field(default_factory=list)
    zero_gradient: list[float | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.step)

    def append(self, **entry: Any) -> None:
        """Adds one entry; all fields must be named."""
        for name, values in vars(self).items():
            values.append(entry.pop(name))
        assert not entry
