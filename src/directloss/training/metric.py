"""What a model is judged by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor


class Metric(Protocol):
    """What a task offers for evaluation."""

    @property
    def higher_is_better(self) -> bool: ...

    def metric(
        self, scores: Tensor, targets: Tensor, *, groups: Tensor | None = None
    ) -> Tensor: ...


Threshold = Callable[[Tensor, Tensor], float]
"""(scores, targets) -> the threshold above which a sample is best called positive."""
