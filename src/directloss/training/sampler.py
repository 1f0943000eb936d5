"""Mini-batches that always hold positives, or whole lists."""

from __future__ import annotations

import math
from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from directloss._arguments import number, plain, whole_number
from directloss.errors import ArgumentError
from directloss.training._passes import (
    Indices,
    PassSampler,
    as_array,
    checked_weights,
    share_of,
    stream,
)


class BalancedBatchSampler(PassSampler):
    """Batches of one size with a stated number of positives in each of them.

    A ranking metric of a batch without positives (or without negatives) is undefined and teaches
    nothing; at 1 % positives, more than half of all random batches of 64 are such. Use it as
    `DataLoader(dataset, batch_sampler=BalancedBatchSampler(targets, 64))`.

    Positives and negatives are two streams, each a chain of fresh permutations cut into batches:
    within an epoch no sample is drawn twice more often than another of its class, and no batch
    holds a sample twice unless its class has fewer samples than the batch asks for. An epoch has
    ceil(n / batch_size) batches, all full.

    Args:
        targets: 0/1 labels (bool, int or float), shape `(n,)`.
        batch_size: samples a batch, 2 to n.
        positives: positives a batch: an int is their number, a float in (0, 1) their share; None
            keeps the share of the data, by weight if there are weights. At least one sample of each
            class is always kept.
        seed: together with the epoch decides the order.
        weights: of the samples, `(n,)`, >= 0: within a class they are drawn in proportion, and a
            batch may hold one twice. So a metric is trained on weighted data.
        process, processes: which share of every batch to draw, of how many: `dist.get_rank()` and
            `dist.get_world_size()`, where no library shares batches out. The shares of all are the
            batch of one process; each has its part of the positives.

    Each pass is the next epoch; `set_epoch(e)` makes the next pass number `e`.

    Raises:
        ArgumentError: targets are not 0/1 or hold one class only; sizes do not fit.
    """

    def __init__(
        self,
        targets: torch.Tensor | ArrayLike,
        batch_size: int,
        *,
        positives: int | float | None = None,
        seed: int = 0,
        weights: torch.Tensor | ArrayLike | None = None,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        super().__init__(seed, process, processes)
        labels = _binary_labels(targets)
        self._positives: Indices = np.flatnonzero(labels)
        self._negatives: Indices = np.flatnonzero(~labels)
        if not len(self._positives) or not len(self._negatives):
            raise ArgumentError(
                "targets",
                f"{len(self._positives)} positives and {len(self._negatives)} negatives",
                "at least one of each",
            )
        wanted = f"2 to {len(labels)}: a sample of each class, and no more than there are samples"
        self.batch_size = whole_number("batch_size", batch_size, least=2, wanted=wanted)
        if self.batch_size > len(labels):
            raise ArgumentError("batch_size", batch_size, wanted)
        if self.batch_size < self.processes:
            raise ArgumentError("batch_size", batch_size, f"{processes} or more, one a process")
        found = checked_weights(weights, len(labels))
        self._weights = (
            share_of(found, self._positives, "positives"),
            share_of(found, self._negatives, "negatives"),
        )
        share = float(np.average(labels, weights=found))
        self.positives_per_batch = _count_per_batch(plain(positives), self.batch_size, share)

    def __len__(self) -> int:
        return math.ceil((len(self._positives) + len(self._negatives)) / self.batch_size)

    def _batches(self, generator: np.random.Generator) -> Iterator[list[int]]:
        sizes = self.positives_per_batch, self.batch_size - self.positives_per_batch
        positives = stream(self._positives, sizes[0], generator, self._weights[0])
        negatives = stream(self._negatives, sizes[1], generator, self._weights[1])
        while True:
            yield self._share(np.concatenate([next(positives), next(negatives)]), generator)


class WholeListSampler(PassSampler):
    """Batches of whole lists in random order, about equally many in each.

    Args:
        groups: number of the list of each sample, integers `(n,)`.
        batch_size: samples a batch, about; a longer list is a batch by itself.
        seed: together with the epoch decides the order.
        process, processes: which share of every batch to draw, as in `BalancedBatchSampler`; here
            lists are dealt out, and every batch has one a process at least.

    Each pass is the next epoch; `set_epoch(e)` makes the next pass number `e`.

    Raises:
        ArgumentError: groups are no integers `(n,)`; sizes do not fit.
    """

    def __init__(
        self,
        groups: torch.Tensor | ArrayLike,
        batch_size: int,
        *,
        seed: int = 0,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        super().__init__(seed, process, processes)
        numbers = as_array(groups)
        if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or not numbers.size:
            came = f"shape {numbers.shape} and type {numbers.dtype}"
            raise ArgumentError("groups", came, "integers of shape (n,)")
        order = np.argsort(numbers, kind="stable")
        self._lists = np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)
        self.batch_size = whole_number("batch_size", batch_size)
        most = len(self._lists) // self.processes
        if not most:
            raise ArgumentError(
                "groups", f"{len(self._lists)} lists", f"{processes}, one a process"
            )
        self._length = min(max(round(len(numbers) / self.batch_size), 1), most)

    def __len__(self) -> int:
        return self._length

    def _batches(self, generator: np.random.Generator) -> Iterator[list[int]]:
        shuffled = generator.permutation(len(self._lists))
        for share in np.array_split(shuffled, len(self)):
            mine = share[self.process :: self.processes]
            yield np.concatenate([self._lists[k] for k in mine]).tolist()


def _binary_labels(targets: torch.Tensor | ArrayLike) -> NDArray[np.bool_]:
    array = as_array(targets)
    if array.ndim != 1 or not np.isin(array, (0, 1)).all():
        values = np.unique(array)[:5].tolist()
        raise ArgumentError(
            "targets", f"shape {array.shape} with values {values}", "0/1 labels of shape (n,)"
        )
    return array.astype(np.bool_)


def check_positives(positives: Any, batch_size: int) -> None:
    """Refuse positives a batch that leave no room for a negative, or ask for none.

    Raises:
        ArgumentError: naming `positives`.
    """
    if isinstance(positives, Integral) and not isinstance(positives, bool):
        if not 1 <= int(positives) < batch_size:
            raise ArgumentError("positives", positives, f"1 to batch_size - 1 = {batch_size - 1}")
    elif positives is not None:
        wanted = "a share between 0 and 1, or a whole number"
        number("positives", positives, lambda share: 0.0 < share < 1.0, wanted)


def _count_per_batch(positives: Any, batch_size: int, share: float) -> int:
    check_positives(positives, batch_size)
    if isinstance(positives, Integral):
        return int(positives)
    wanted = round((share if positives is None else float(positives)) * batch_size)
    return min(max(wanted, 1), batch_size - 1)
