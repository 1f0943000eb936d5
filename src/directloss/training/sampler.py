"""Mini-batches that always hold positives, or whole lists."""

from __future__ import annotations

import math
from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Sampler

from directloss._arguments import number, plain, whole_number
from directloss.errors import ArgumentError

_Indices = npt.NDArray[np.int64]


class BalancedBatchSampler(Sampler[list[int]]):
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
        batch_size: samples a batch, at least 2.
        positives: positives a batch: an int is their number, a float in (0, 1) their share; None
            keeps the share of the data. At least one sample of each class is always kept.
        seed: together with the epoch decides the order.

    Each pass is the next epoch; `set_epoch(e)` makes the next pass number `e`.

    Raises:
        ArgumentError: targets are not 0/1 or hold one class only; sizes do not fit.
    """

    drop_last = False  # read by Accelerate when it shards a batch sampler; no batch is short

    def __init__(
        self,
        targets: torch.Tensor | npt.ArrayLike,
        batch_size: int,
        *,
        positives: int | float | None = None,
        seed: int = 0,
    ) -> None:
        labels = _binary_labels(targets)
        self._positives: _Indices = np.flatnonzero(labels)
        self._negatives: _Indices = np.flatnonzero(~labels)
        if not len(self._positives) or not len(self._negatives):
            raise ArgumentError(
                "targets",
                f"{len(self._positives)} positives and {len(self._negatives)} negatives",
                "at least one of each",
            )
        self.batch_size = whole_number(
            "batch_size", batch_size, least=2, wanted="2 or more: a sample of each class"
        )
        share = float(labels.mean())
        self.positives_per_batch = _count_per_batch(plain(positives), self.batch_size, share)
        self.seed = whole_number("seed", seed, least=0)
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Makes `epoch` the number of the next pass."""
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil((len(self._positives) + len(self._negatives)) / self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        generator = np.random.default_rng((self.seed, self.epoch))
        self.epoch += 1
        positives = _stream(self._positives, self.positives_per_batch, generator)
        negatives = _stream(self._negatives, self.batch_size - self.positives_per_batch, generator)
        for _ in range(len(self)):
            batch = np.concatenate([next(positives), next(negatives)])
            yield generator.permutation(batch).tolist()


class WholeListSampler(Sampler[list[int]]):
    """Batches of whole lists in random order, about equally many in each.

    Args:
        groups: number of the list of each sample, integers `(n,)`.
        batch_size: samples a batch, about; a longer list is a batch by itself.
        seed: together with the epoch decides the order.

    Each pass is the next epoch; `set_epoch(e)` makes the next pass number `e`.
    """

    def __init__(self, groups: torch.Tensor, batch_size: int, *, seed: int = 0) -> None:
        numbers = groups.cpu().numpy()
        order = np.argsort(numbers, kind="stable")
        self._lists = np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)
        size = whole_number("batch_size", batch_size)
        self._length = min(max(round(len(numbers) / size), 1), len(self._lists))
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Makes `epoch` the number of the next pass."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[list[int]]:
        shuffled = np.random.default_rng((self.seed, self.epoch)).permutation(len(self._lists))
        self.epoch += 1
        for share in np.array_split(shuffled, len(self)):
            yield np.concatenate([self._lists[k] for k in share]).tolist()


def _binary_labels(targets: torch.Tensor | npt.ArrayLike) -> npt.NDArray[np.bool_]:
    array = np.asarray(targets.detach().cpu() if isinstance(targets, torch.Tensor) else targets)
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


def _stream(items: _Indices, size: int, generator: np.random.Generator) -> Iterator[_Indices]:
    """Endless chunks of `size` from a chain of permutations of `items`."""
    rest = items[:0]
    while True:
        chunk, rest = rest[:size], rest[size:]
        while len(chunk) < size:
            turn = generator.permutation(items)
            if len(items) >= size:
                # What this chunk already holds waits, so that no chunk holds an item twice.
                held = np.isin(turn, chunk)
                turn = np.concatenate([turn[~held], turn[held]])
            missing = size - len(chunk)
            chunk, rest = np.concatenate([chunk, turn[:missing]]), turn[missing:]
        yield chunk
