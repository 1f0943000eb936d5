"""The boxes that heads are trained on, of all training images together."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from directloss.paper.detection.labels import NEGATIVE, UNUSED, Labels

_CHUNK = 8192
"""Rows at a time: bounds memory, changes no result."""

_SMALLEST_SPREAD = 1e-3
"""Features that vary less are as good as constant: dividing by their spread would blow up noise."""


def choose_rows(labels: Labels, background: int, name: str) -> NDArray[np.int64]:
    """Which boxes of an image to keep for training, in ascending order.

    Kept are all that are a positive of any class or lie too near an object to be a negative of it,
    and `background` of the others at random: most of an image's thousands of boxes are alike.

    Args:
        labels: of the image's boxes.
        background: how many of the boxes that are negatives of every class.
        name: of the image; it decides the draw.
    """
    plain = (labels.by_class == NEGATIVE).all(axis=1)
    generator = np.random.default_rng((0, zlib.crc32(name.encode())))
    drawn = generator.permutation(np.flatnonzero(plain))[:background]
    return np.sort(np.concatenate([np.flatnonzero(~plain), drawn]))


@dataclass(frozen=True)
class Rows:
    """Training examples.

    Attributes:
        features: with mean 0 and standard deviation 1 over the rows, half precision, `(n, d)`.
        labels: of the rows, see there.
        mean, scale: what was taken off each raw feature, and what it was then divided by, `(d,)`.
    """

    features: NDArray[np.float16]
    labels: Labels
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]

    @classmethod
    def of(cls, features: Sequence[NDArray[np.float16]], labels: Sequence[Labels]) -> Rows:
        """Puts the rows of several images together; `features` are raw."""
        together = np.concatenate(list(features))
        mean, scale = _moments(together)
        for start in range(0, len(together), _CHUNK):
            part = together[start : start + _CHUNK]
            part[:] = (part.astype(np.float32) - mean) / scale
        by_class = np.concatenate([each.by_class for each in labels])
        joint = np.concatenate([each.joint for each in labels])
        return cls(together, Labels(by_class, joint), mean, scale)

    @property
    def width(self) -> int:
        """Number of features."""
        return int(self.features.shape[1])

    def batch(self, rows: NDArray[np.int64]) -> Tensor:
        """The features of some rows, float32 `(k, d)`."""
        # torch widens half precision several times faster than numpy.
        return torch.from_numpy(self.features)[torch.from_numpy(rows)].float()

    def targets(self, column: int | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows that train a class, and their targets: 0/1.

        With `column` None: rows that train the choice among all classes and background, and the
        number of their class.
        """
        labels = self.labels.joint if column is None else self.labels.by_class[:, column]
        rows = np.flatnonzero(labels != UNUSED)
        return rows, labels[rows].astype(np.int64)


def _moments(
    features: NDArray[np.float16],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    total = np.zeros(features.shape[1])
    squares = np.zeros(features.shape[1])
    for start in range(0, len(features), _CHUNK):
        part = features[start : start + _CHUNK].astype(np.float64)
        total += part.sum(axis=0)
        squares += (part**2).sum(axis=0)
    mean = total / len(features)
    scale = np.sqrt(np.maximum(squares / len(features) - mean**2, 0.0))
    scale[scale < _SMALLEST_SPREAD] = 1.0
    return mean.astype(np.float32), scale.astype(np.float32)
