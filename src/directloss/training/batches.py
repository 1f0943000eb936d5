"""Batches that can be taken up again in the middle of an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, Required, TypedDict

import numpy as np
import numpy.typing as npt
import torch

from directloss.errors import ArgumentError
from directloss.training.data import Part
from directloss.training.sampler import BalancedBatchSampler

Rows = npt.NDArray[np.int64]

_MOST_NAMED = 10


@dataclass(frozen=True)
class Batch:
    """Samples for one step, and their row numbers in the data (from 0), for messages."""

    part: Part
    rows: Rows

    def names(self) -> str:
        """The rows, as an error message names them."""
        shown = ", ".join(map(str, self.rows[:_MOST_NAMED]))
        more = len(self.rows) - _MOST_NAMED
        return f"rows {shown}" + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True)
class AllSamples:
    """All training samples as one batch that comes in pieces, as often as it is gone through."""

    pieces: Callable[[], Iterator[Part]]

    def __iter__(self) -> Iterator[Part]:
        return self.pieces()

    def names(self) -> str:
        """The rows, as an error message names them."""
        return "all training rows"


class BatchOptions(TypedDict, total=False):
    """How batches are drawn, and which share of them is taken; see `MemoryBatches`."""

    batch_size: Required[int]
    positives: int | float | None
    seed: int
    process: int
    processes: int


class Batches(Protocol):
    """The batches of every epoch: the same ones whenever they are asked for."""

    def __len__(self) -> int:
        """Batches an epoch."""

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch | AllSamples]:
        """The batches of an epoch from number `start` on, without the cost of those before."""


class WholeBatches:
    """One batch an epoch: all training samples (of this process)."""

    def __init__(self, pieces: Callable[[], Iterator[Part]]) -> None:
        self._all = AllSamples(pieces)

    def __len__(self) -> int:
        return 1

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch | AllSamples]:
        """See `Batches`."""
        yield from [self._all][start:]


class MemoryBatches:
    """Batches of samples that are in memory.

    Args:
        part: the samples.
        rows: their row numbers in the data; None where they are the data.
        batch_size: samples a batch of a `BalancedBatchSampler`; where the samples have groups,
            batches are of whole lists in random order, of about `batch_size` samples. None: one
            batch of all samples.
        positives: positives a batch, see `BalancedBatchSampler`.
        seed: together with the epoch decides the order.
        process, processes: which share of every batch to take; together they hold the batch that
            one process would have.

    Raises:
        ArgumentError: sizes do not fit, or `positives` with groups.
    """

    def __init__(
        self,
        part: Part,
        rows: Rows | None = None,
        *,
        batch_size: int | None,
        positives: int | float | None = None,
        seed: int = 0,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        self._part = part
        self._rows = np.arange(len(part)) if rows is None else rows
        self._seed = seed
        self._size = batch_size
        self._mine = slice(process, None, processes)
        self._sampler: BalancedBatchSampler | None = None
        self._starts: Rows = np.zeros(0, np.int64)
        if batch_size is None:
            whole = processes == 1  # then it is the samples themselves, and no copy
            self._all = Batch(part if whole else part[self._mine], self._rows[self._mine])
            return
        if part.groups is None:
            self._sampler = BalancedBatchSampler(
                part.targets, batch_size, positives=positives, seed=seed
            )
            return
        if positives is not None:
            raise ArgumentError("positives", positives, "nothing: batches hold whole lists")
        if batch_size < 1:
            raise ArgumentError("batch_size", batch_size, "1 or more")
        groups = part.groups.cpu().numpy()
        self._order = np.argsort(groups, kind="stable")
        ordered = groups[self._order]
        self._starts = np.append(0, np.flatnonzero(np.diff(ordered)) + 1)

    def __len__(self) -> int:
        if self._size is None:
            return 1
        if self._sampler is not None:
            return len(self._sampler)
        return min(max(round(len(self._part) / self._size), 1), len(self._starts))

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch]:
        """See `Batches`."""
        if self._size is None:
            yield from [self._all][start:]
            return
        chosen: Iterator[Rows]
        if self._sampler is not None:
            self._sampler.set_epoch(number)
            chosen = (np.asarray(batch) for batch in self._sampler)
        else:
            chosen = self._whole_lists(number)
        for batch in islice(chosen, start, None):
            rows = batch[self._mine]
            yield Batch(self._part[torch.from_numpy(rows)], self._rows[rows])

    def _whole_lists(self, number: int) -> Iterator[Rows]:
        lists = np.split(self._order, self._starts[1:])
        shuffled = np.random.default_rng((self._seed, number)).permutation(len(lists))
        for share in np.array_split(shuffled, len(self)):
            yield np.concatenate([lists[k] for k in share])
