"""What a measurement is made on: one list of normal scores, positives shifted upward."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Case", "Drawn"]

CLASSES = 10
GRADES = 5

ITEMS_IN_TURN = 1 << 17
"""Items of all lists that come in turn: too many for a processor to learn their branches, and few
enough for its caches."""


class Drawn(NamedTuple):
    """Scores and every kind of target that a work may ask for.

    Attributes:
        scores: float32 (n,), a leaf that requires a gradient.
        binary: float32 (n,), 0 or 1.
        graded: float32 (n,), 0 .. 4, above 0 where `binary` is 1.
        classes: int64 (n // 10,), 0 .. 9: the scores as rows of ten classes.
    """

    scores: Tensor
    binary: Tensor
    graded: Tensor
    classes: Tensor

    def rows(self) -> Tensor:
        """The scores as (n // 10, 10), for targets `classes`."""
        count = self.classes.numel()
        return self.scores[: count * CLASSES].reshape(count, CLASSES)


@dataclass(frozen=True, slots=True)
class Case:
    """One list.

    Attributes:
        n: items.
        share: of them that are positive; at least one is.
        shift: how far positives lie above negatives, in standard deviations of either.
        epsilon: step of direct loss, in the same unit.
    """

    n: int
    share: float = 0.2
    shift: float = 0.5
    epsilon: float = 0.1

    def draw(self, seed: int = 0) -> Drawn:
        """The same scores and targets at every call."""
        generator = torch.Generator().manual_seed(seed)
        positives = max(round(self.share * self.n), 1)
        binary = torch.zeros(self.n)
        binary[torch.randperm(self.n, generator=generator)[:positives]] = 1
        scores = torch.randn(self.n, generator=generator) + self.shift * binary
        grades = torch.randint(1, GRADES, (self.n,), generator=generator)
        classes = torch.randint(0, CLASSES, (self.n // CLASSES,), generator=generator)
        return Drawn(scores.requires_grad_(), binary, binary * grades, classes)

    def in_turn(self) -> Iterator[Drawn]:
        """Other scores and targets at every call, as a training has them: at least two lists."""
        return cycle([self.draw(seed) for seed in range(max(ITEMS_IN_TURN // self.n, 2))])
