"""Batches that can be taken up again in the middle of an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, Required, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray

from directloss.errors import ArgumentError
from directloss.training.data import Loader, Part, pieces
from directloss.training.sampler import BalancedBatchSampler, WholeListSampler

Rows = NDArray[np.int64]

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


@dataclass(frozen=True)
class OneBatch:
    """One batch an epoch: all training samples (of this process), at once or in pieces."""

    batch: Batch | AllSamples

    def __len__(self) -> int:
        return 1

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch | AllSamples]:
        """See `Batches`."""
        yield from [self.batch][start:]


class LoaderBatches:
    """Batches as a loader gives them; their rows are numbered in the order in which they come.

    Each epoch is a pass through the loader, whose sampler hears its number by `set_epoch`, where it
    has that. Taken up in the middle of an epoch, the batches before are loaded and left out.

    Args:
        loader: with a length.
    """

    def __init__(self, loader: Loader) -> None:
        if not isinstance(loader, Sized):
            raise ArgumentError("loader", type(loader).__name__, "one that has a length")
        self._loader = loader
        self._length = len(loader)

    def __len__(self) -> int:
        return self._length

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch]:
        """See `Batches`."""
        for owner in ("sampler", "batch_sampler"):
            set_epoch = getattr(getattr(self._loader, owner, None), "set_epoch", None)
            if set_epoch is not None:
                set_epoch(number)
        row = 0
        for place, part in enumerate(pieces(self._loader, torch.device("cpu"), 0)):
            if place >= start:
                yield Batch(part, np.arange(row, row + len(part)))
            row += len(part)


class MemoryBatches:
    """Batches of samples that are in memory.

    Args:
        part: the samples.
        rows: their row numbers in the data; None where they are the data.
        batch_size: samples a batch of a `BalancedBatchSampler`, all of them where there are fewer;
            where the samples have groups, about so many of a `WholeListSampler`.
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
        batch_size: int,
        positives: int | float | None = None,
        seed: int = 0,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        self._part = part
        self._rows = np.arange(len(part)) if rows is None else rows
        self._mine = slice(process, None, processes)
        self._sampler: BalancedBatchSampler | WholeListSampler
        if part.groups is None:
            self._sampler = BalancedBatchSampler(
                part.targets, min(batch_size, len(part)), positives=positives, seed=seed
            )
        elif positives is not None:
            raise ArgumentError("positives", positives, "nothing: batches hold whole lists")
        else:
            self._sampler = WholeListSampler(part.groups, batch_size, seed=seed)

    def __len__(self) -> int:
        return len(self._sampler)

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch]:
        """See `Batches`."""
        self._sampler.set_epoch(number)
        for batch in islice(self._sampler, start, None):
            rows = np.asarray(batch)[self._mine]
            yield Batch(self._part[torch.from_numpy(rows)], self._rows[rows])
