"""Mini-batches in which every grade of relevance, or every class, has its share."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import ArrayLike

from directloss._arguments import whole_number
from directloss.errors import ArgumentError
from directloss.training._passes import (
    Indices,
    PassSampler,
    Weights,
    as_array,
    checked_weights,
    share_of,
    stream,
)


class StratifiedBatchSampler(PassSampler):
    """Batches of one size in which each value of the targets has its share, one sample at least.

    For graded relevances, where the rare high grades are what NDCG is about, and for class indices.
    Each value is a stream of its own, as the two classes of `BalancedBatchSampler` are.

    Args:
        targets: grades or class indices, `(n,)`, no NaN.
        batch_size: samples a batch, as many as there are values at least, and no more than there
            are samples.
        seed: together with the epoch decides the order.
        weights: of the samples, `(n,)`, >= 0: those of one value are drawn in proportion, and the
            shares of the values are by weight.
        process, processes: which share of every batch to draw, as in `BalancedBatchSampler`.

    Attributes:
        values: the values, ascending.
        per_batch: samples of each in every batch.

    Raises:
        ArgumentError: targets of another shape, more values than samples a batch, wrong weights.
    """

    def __init__(
        self,
        targets: torch.Tensor | ArrayLike,
        batch_size: int,
        *,
        seed: int = 0,
        weights: torch.Tensor | ArrayLike | None = None,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        super().__init__(seed, process, processes)
        grades = as_array(targets)
        if grades.ndim != 1 or grades.dtype.kind not in "biuf" or not grades.size:
            came = f"shape {grades.shape} and type {grades.dtype}"
            raise ArgumentError("targets", came, "numbers of shape (n,)")
        if grades.dtype.kind == "f" and np.isnan(grades).any():
            raise ArgumentError("targets", "NaN", "a number for each sample")
        self._rows = len(grades)
        self.values, place = np.unique(grades, return_inverse=True)
        self.batch_size = whole_number("batch_size", batch_size)
        if self.processes > self._rows:
            wanted = f"no more than there are samples, {self._rows}"
            raise ArgumentError("processes", processes, wanted)
        least = max(len(self.values), self.processes)
        if not least <= self.batch_size <= self._rows:
            wanted = (
                f"{least} to {self._rows}: a sample of each of {len(self.values)} values, one a "
                "process, and no more than there are samples"
            )
            raise ArgumentError("batch_size", batch_size, wanted)
        self._strata: list[Indices] = [
            np.flatnonzero(place == number) for number in range(len(self.values))
        ]
        found = checked_weights(weights, self._rows)
        self._weights = [
            share_of(found, rows, f"samples of value {value}")
            for rows, value in zip(self._strata, self.values, strict=True)
        ]
        self.per_batch = _shared_out(np.bincount(place, found).astype(np.float64), self.batch_size)

    def __len__(self) -> int:
        return math.ceil(self._rows / self.batch_size)

    def _batches(self, generator: np.random.Generator) -> Iterator[list[int]]:
        streams = [
            stream(rows, int(size), generator, weights)
            for rows, size, weights in zip(self._strata, self.per_batch, self._weights, strict=True)
        ]
        while True:
            yield self._share(np.concatenate([next(each) for each in streams]), generator)


def _shared_out(sizes: Weights, seats: int) -> Indices:
    """Seats in proportion to sizes, one each at least: each goes to who is furthest behind."""
    given = np.ones(len(sizes), np.int64)
    wanted = sizes * (seats / sizes.sum())
    for _ in range(seats - len(sizes)):
        given[np.argmax(wanted - given)] += 1
    return given
