"""What training and evaluation see of data, whatever their kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Protocol, Unpack

from pydantic import BaseModel

from directloss.training.batches import Batches, BatchOptions, MemoryBatches, Rows
from directloss.training.data import Part, Parts

_CHUNK = 65_536  # rows of a forward pass without gradient: bounds memory, changes no result


class Data(Protocol):
    """Samples with one target, in the splits `SPLITS`."""

    @property
    def recipe(self) -> BaseModel:
        """How features are made of what a user gives; plain data that a model keeps."""

    @property
    def target_name(self) -> str:
        """Name of the target."""

    @property
    def positive(self) -> str | None:
        """Its positive value; None where targets are relevances."""

    def describe(self) -> str:
        """The data in one line."""

    def batches(self, **how: Unpack[BatchOptions]) -> Batches:
        """Batches of training samples; of several processes, each has a share of every batch."""

    def chunks(self, split: str, process: int = 0, processes: int = 1) -> Iterator[Part]:
        """The samples of a split, a share of them for each process, in pieces that fit into memory.

        Always in the same order.
        """


class InMemory:
    """`Data` whose features are in memory: the only column of what has columns."""

    rows: Mapping[str, Rows]

    @property
    def columns(self) -> list[str]:
        """Names of the problems."""
        raise NotImplementedError

    def parts(self, column: str) -> Parts:
        """The arrays of one problem."""
        raise NotImplementedError

    @cached_property
    def _only(self) -> Parts:
        (column,) = self.columns
        return self.parts(column)

    def batches(self, **how: Unpack[BatchOptions]) -> Batches:
        """See `Data`; together the shares are the batches of one process."""
        return MemoryBatches(self._only.train, self.rows["train"], **how)

    def chunks(self, split: str, process: int = 0, processes: int = 1) -> Iterator[Part]:
        """See `Data`."""
        whole: Part = getattr(self._only, split)
        return whole[process::processes].split(_CHUNK)
