"""Linear chains, whose scores are several tensors, as calls on one flat tensor."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import Tensor

import directloss as dl

__all__ = ["MOST_LABELLED", "ChainShape", "draw_shape", "draw_targets"]

MOST_LABELLED = 4 * 8
"""Positions of all sequences of a call, at most: how often it can use one transition."""


@dataclass(frozen=True)
class ChainShape:
    """Where in a flat tensor the scores of B sequences of up to T positions with K labels stand."""

    sequences: int
    positions: int
    classes: int
    stepwise: bool
    lengths: Tensor | None

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of emissions, transitions, start and end."""
        steps = (self.sequences, self.positions - 1) if self.stepwise else ()
        square = (self.classes, self.classes)
        emissions = (self.sequences, self.positions, self.classes)
        return [emissions, (*steps, *square), (self.classes,), (self.classes,)]

    @property
    def numel(self) -> int:
        return sum(prod(shape) for shape in self.shapes)

    def chain(self, scores: Tensor) -> dl.LinearChain:
        """The chain of those scores, which get its gradient."""
        parts = scores.split([prod(shape) for shape in self.shapes])
        emissions, transitions, start, end = (
            part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)
        )
        return dl.LinearChain(emissions, transitions, start, end, self.lengths)


def draw_shape(rng: np.random.Generator) -> ChainShape:
    sequences, positions, classes = (int(rng.integers(1, most + 1)) for most in (4, 8, 4))
    lengths = torch.from_numpy(rng.integers(0, positions + 1, sequences))
    stepwise = bool(rng.random() < 0.3)
    return ChainShape(
        sequences, positions, classes, stepwise, lengths if rng.random() < 0.5 else None
    )


def draw_targets(rng: np.random.Generator, shape: ChainShape) -> Tensor:
    """Labels, and -1 for a position that has none."""
    labels = rng.integers(0, shape.classes, (shape.sequences, shape.positions))
    unknown = rng.random(labels.shape) < 0.2
    return torch.from_numpy(np.where(unknown, -1, labels))
