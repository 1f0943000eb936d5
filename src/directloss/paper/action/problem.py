"""From the table of persons to the three parts that one network is trained and rated on."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from directloss.datasets.errors import DataError
from directloss.paper.action.features import Table
from directloss.paper.action.persons import AMBIGUOUS
from directloss.paper.action.softmax import encode
from directloss.paper.action.thirds import Rows, thirds
from directloss.training.data import Part, Parts

Ambiguous = Literal["ignore", "negative"]


@dataclass(frozen=True, eq=False)
class Problem:
    """One action on one division of the persons.

    Attributes:
        number: of the class.
        train, validation, test: rows of the table.
        positive: 0/1 of each person and class, `(persons, classes)`; among the training rows the
            labels of this class may be flipped.
    """

    number: int
    train: Rows
    validation: Rows
    test: Rows
    positive: NDArray[np.bool_]

    def parts(self, features: NDArray[np.float32], *, joint: bool) -> Parts:
        """The parts with features in units of the training part.

        Training sees every copy of a crop, the others the first copy only. Each feature has mean 0
        and deviation 1 over the training part; one that does not vary there becomes 0.

        Args:
            features: `(copies, persons, width)`.
            joint: whether targets are sets of classes, for softmax, and not 0/1 of this class.
        """
        targets = self.targets(joint=joint)
        seen = features[:, self.train].reshape(-1, features.shape[-1])
        mean, scale = self.centre_and_scale(features)
        repeated = targets[self.train].repeat(len(features))

        def part(values: NDArray[np.float32], wanted: Tensor) -> Part:
            return Part(torch.from_numpy((values - mean) * scale), wanted)

        return Parts(
            part(seen, repeated),
            part(features[0, self.validation], targets[self.validation]),
            part(features[0, self.test], targets[self.test]),
        )

    def centre_and_scale(
        self, features: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and 1 / deviation of each feature over the training part; 0 if it does not vary."""
        seen = features[:, self.train]
        mean, deviation = seen.mean(axis=(0, 1)), seen.std(axis=(0, 1))
        varies = deviation > 1e-6 * np.abs(mean).clip(min=1e-6)
        return mean, np.divide(1.0, deviation, out=np.zeros_like(deviation), where=varies)

    def targets(self, *, joint: bool) -> Tensor:
        """Targets of all persons."""
        if joint:
            return encode(torch.from_numpy(self.positive))
        return torch.from_numpy(self.positive[:, self.number].astype(np.float32))


def make_problem(
    table: Table, column: str, seed: int, *, ambiguous: Ambiguous, flips: float
) -> Problem:
    """Divides the persons of a class into thirds and flips training labels.

    Ambiguous persons of this class are left out, or count as negatives. Of the training labels the
    share `flips`, drawn by chance and rounded to whole persons, is exchanged; validation and test
    keep theirs.

    Raises:
        DataError: too few positives or negatives, naming the class.
    """
    number = table.classes.index(column)
    labels = table.labels[:, number]
    kept = np.flatnonzero(labels != AMBIGUOUS) if ambiguous == "ignore" else np.arange(len(labels))
    generator = np.random.default_rng((seed, zlib.crc32(column.encode())))
    positive: NDArray[np.bool_] = table.labels == 1
    try:
        parts = thirds(positive[kept, number], table.image[kept], generator)
    except DataError as error:
        raise DataError(f"voc: {column}: {error}") from error
    train = kept[parts.train]
    flipped = generator.choice(train, round(flips * len(train)), replace=False)
    positive[flipped, number] ^= True
    return Problem(number, train, kept[parts.validation], kept[parts.test], positive)
