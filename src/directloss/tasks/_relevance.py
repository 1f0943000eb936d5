"""From graded relevances to relevant and irrelevant items."""

from __future__ import annotations

from math import isfinite
from typing import ClassVar

from directloss._arguments import number
from directloss.tasks.base import Labels, Task

__all__ = ["BinaryRelevance"]


class BinaryRelevance(Task):
    """A ranking metric of relevant and irrelevant items, 1 and 0.

    Attributes:
        relevant_from: the relevance from which an item is relevant; None: targets are 0 and 1.
    """

    relevant_from: float | None = None
    labels_wanted: ClassVar[str] = (
        "0 or 1 (for relevances take relevant_from=1, for labels -1/+1 pass targets > 0)"
    )

    def _take_relevant_from(self, threshold: float | None) -> None:
        if threshold is None:
            return
        self.relevant_from = number(
            "relevant_from", threshold, isfinite, "a finite number, or None for 0/1 targets"
        )
        self.graded = True  # type: ignore[misc]

    def _call(self, *arguments: str) -> str:
        """The constructor's call, for `repr`."""
        if self.relevant_from is not None:
            arguments = (*arguments, f"relevant_from={self.relevant_from:g}")
        return f"{type(self).__name__}({', '.join(arguments)})"

    def labels_of(self, targets: Labels) -> Labels:
        return targets if self.relevant_from is None else targets >= self.relevant_from
