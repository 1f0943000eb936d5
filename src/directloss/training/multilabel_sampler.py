"""Mini-batches in which every class of multi-label data has positives."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from directloss._arguments import whole_number
from directloss.errors import ArgumentError
from directloss.training._passes import (
    Indices,
    PassSampler,
    Weights,
    as_array,
    checked_weights,
    share_of,
    turn,
)


class MultilabelBatchSampler(PassSampler):
    """Batches of one size in which every class has positives, for lists a class (``dim=0``).

    The rarest class draws first; a row serves all classes of which it is a positive. What room is
    left is filled from a stream of all rows. Rows of rare classes so come more often than others.

    Args:
        targets: `(n, C)`, 0/1 (bool, int or float); NaN where nobody knows.
        batch_size: samples a batch, C * positives at least and n at most.
        positives: of each class in every batch; of a class that has fewer, all.
        seed: together with the epoch decides the order.
        weights: of the samples, `(n,)`, >= 0: rows are drawn in proportion, both for a class and to
            fill a batch, which may then hold a row twice.
        process, processes: which share of every batch to draw, as in `BalancedBatchSampler`. A
            class may have its positives in the share of another process: `GlobalBatchLoss` takes
            the whole batch.

    Raises:
        ArgumentError: targets are not 0/1 of shape (n, C), or a class has no positive; sizes do not
            fit; wrong weights.
    """

    def __init__(
        self,
        targets: torch.Tensor | ArrayLike,
        batch_size: int,
        *,
        positives: int = 1,
        seed: int = 0,
        weights: torch.Tensor | ArrayLike | None = None,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        super().__init__(seed, process, processes)
        self._labels = _labels(targets)
        rows, classes = self._labels.shape
        self.positives = whole_number("positives", positives)
        self.batch_size = whole_number("batch_size", batch_size)
        least = max(classes * self.positives, self.processes)
        if not least <= self.batch_size <= rows:
            wanted = (
                f"{least} to {rows}: positives of each of {classes} classes, a sample a process, "
                "and no row twice"
            )
            raise ArgumentError("batch_size", batch_size, wanted)
        self._weights = checked_weights(weights, rows)
        counts = self._labels.sum(0)
        if not counts.all():
            came = f"no positive of class {int(np.argmin(counts))}"
            raise ArgumentError("targets", came, "one at least of every class")
        # Rarest first, as its positives may serve the others.
        self._order: Indices = np.argsort(counts, kind="stable")
        self._of_class = [np.flatnonzero(column) for column in self._labels.T]
        self._class_weights = [
            share_of(self._weights, found, f"positives of class {number}")
            for number, found in enumerate(self._of_class)
        ]

    def __len__(self) -> int:
        return math.ceil(len(self._labels) / self.batch_size)

    def _batches(self, generator: np.random.Generator) -> Iterator[list[int]]:
        everything = _one_by_one(np.arange(len(self._labels)), self._weights, generator)
        streams = [
            _one_by_one(rows, weights, generator)
            for rows, weights in zip(self._of_class, self._class_weights, strict=True)
        ]
        while True:
            yield self._share(np.array(self._draw(streams, everything)), generator)

    def _draw(self, streams: list[Iterator[int]], everything: Iterator[int]) -> list[int]:
        batch: list[int] = []
        held: set[int] = set()
        counts = np.zeros(self._labels.shape[1], np.int64)

        def take(rows: Iterator[int]) -> None:
            row = next(rows)
            if self._weights is None:
                while row in held:  # it has come already
                    row = next(rows)
            batch.append(row)
            held.add(row)
            counts[:] += self._labels[row]

        for number in self._order:
            while counts[number] < min(self.positives, len(self._of_class[number])):
                take(streams[number])
        while len(batch) < self.batch_size:
            take(everything)
        return batch


def _one_by_one(
    items: Indices, weights: Weights | None, generator: np.random.Generator
) -> Iterator[int]:
    while True:
        yield from turn(items, weights, generator).tolist()


def _labels(targets: torch.Tensor | ArrayLike) -> NDArray[np.bool_]:
    array = as_array(targets)
    if array.ndim != 2 or not array.size or array.dtype.kind not in "biuf":
        raise ArgumentError("targets", f"shape {array.shape}", "0/1 labels of shape (n, C)")
    labels: NDArray[np.bool_] = array == 1
    wrong = ~(labels | (array == 0) | (array != array))
    if wrong.any():
        raise ArgumentError("targets", array[wrong][0], "0, 1 or NaN")
    return labels
