"""What the samplers share: passes that can be taken up again, and shares of their batches."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch.utils.data import Sampler

from directloss._arguments import whole_number
from directloss.errors import ArgumentError

Indices = NDArray[np.int64]
Weights = NDArray[np.float64]


class PassSampler(Sampler[list[int]]):
    """Batches of row numbers, pass after pass.

    Each pass is the next epoch; `set_epoch(e)` makes the next pass number `e`. Seed and epoch alone
    decide the batches, so that every process draws the same ones and takes its share of each.
    """

    drop_last = False  # read by Accelerate when it shards a batch sampler; no batch is short

    def __init__(self, seed: int, process: int, processes: int) -> None:
        self.seed = whole_number("seed", seed, least=0)
        self.processes = whole_number("processes", processes)
        self.process = whole_number("process", process, least=0)
        if self.process >= self.processes:
            raise ArgumentError("process", process, f"0 to processes - 1 = {self.processes - 1}")
        self.epoch = 0
        self._start = 0
        self._next = (0, 0)

    @abstractmethod
    def __len__(self) -> int:
        """Batches a pass."""

    @abstractmethod
    def _batches(self, generator: np.random.Generator) -> Iterator[list[int]]:
        """This process's share of the batches of a pass; not fewer than `len(self)`."""

    def set_epoch(self, epoch: int) -> None:
        """Makes `epoch` the number of the next pass.

        Raises:
            ArgumentError: it is no whole number >= 0.
        """
        epoch = whole_number("epoch", epoch, least=0)
        if epoch != self.epoch:  # else a pass that `load_state_dict` took up stays where it is
            self._start = 0
        self.epoch = epoch
        self._next = epoch, self._start

    def state_dict(self) -> dict[str, int]:
        """Where the next batch stands: its epoch and its number in it; and the seed.

        A loader with workers draws ahead of the training: then say {"epoch": e, "batch": b} of the
        first batch that was not trained on.
        """
        epoch, batch = self._next
        return {"epoch": epoch, "batch": batch, "seed": self.seed}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Makes the next pass begin there.

        Raises:
            ArgumentError: no such batch, or the state is of another seed.
        """
        seed = state.get("seed", self.seed)
        if seed != self.seed:
            raise ArgumentError("state['seed']", seed, f"{self.seed}, that of the sampler")
        epoch = whole_number("state['epoch']", state.get("epoch"), least=0)
        batch = whole_number("state['batch']", state.get("batch"), least=0)
        if batch >= len(self):
            raise ArgumentError("state['batch']", batch, f"0 to {len(self) - 1}")
        self.epoch, self._start = epoch, batch
        self._next = epoch, batch

    def __iter__(self) -> Iterator[list[int]]:
        number, start = self.epoch, self._start
        self.epoch, self._start = number + 1, 0
        batches = self._batches(np.random.default_rng((self.seed, number)))
        for place, batch in enumerate(islice(batches, start, len(self)), start + 1):
            self._next = (number, place) if place < len(self) else (number + 1, 0)
            yield batch

    def _share(self, batch: Indices, generator: np.random.Generator) -> list[int]:
        """This process's rows of a batch, in random order.

        Rows are dealt in turn, so that neighbours in `batch`, such as its positives, go to all.
        """
        order = generator.permutation(len(batch))  # all of it, so that all processes draw alike
        mine: list[int] = batch[order[order % self.processes == self.process]].tolist()
        return mine


def as_array(values: torch.Tensor | ArrayLike) -> NDArray[np.generic]:
    """A tensor's values, or those of anything that numpy takes; bfloat16 becomes float32."""
    if not isinstance(values, torch.Tensor):
        return np.asarray(values)
    values = values.detach().cpu()
    return np.asarray(values.float() if values.dtype == torch.bfloat16 else values)


def checked_weights(weights: torch.Tensor | ArrayLike | None, rows: int) -> Weights | None:
    """Weights of the rows, float64 (n,), or None.

    Raises:
        ArgumentError: of another shape, negative or not finite.
    """
    if weights is None:
        return None
    array = as_array(weights)
    if array.shape != (rows,) or array.dtype.kind not in "biuf":
        came = f"shape {array.shape} and type {array.dtype}"
        raise ArgumentError("weights", came, f"numbers of shape ({rows},), one a row")
    found = array.astype(np.float64)
    wrong = ~(np.isfinite(found) & (found >= 0.0))
    if wrong.any():
        raise ArgumentError("weights", found[wrong][0], "finite numbers >= 0")
    found /= max(found.max(initial=0.0), 1e-300)  # so that no sum is infinite
    return found


def share_of(weights: Weights | None, items: Indices, words: str) -> Weights | None:
    """The weights of some rows.

    Raises:
        ArgumentError: all are 0, so that none of these rows could be drawn.
    """
    if weights is None:
        return None
    share = weights[items]
    if not share.any():
        raise ArgumentError("weights", f"0 for all {words}", "one above 0 at least")
    return share


def turn(items: Indices, weights: Weights | None, generator: np.random.Generator) -> Indices:
    r"""As many draws as there are items, in random order.

    Without weights a permutation. With weights an item comes n w / sum(w) times, rounded up or down
    at random so that the mean is that number: systematic sampling.
    """
    order = generator.permutation(len(items))
    if weights is None:
        return items[order]
    edges = np.cumsum(weights[order])
    # The end exactly, also of a last weight that is 0.
    edges = np.where(edges < edges[-1], edges * (len(items) / edges[-1]), len(items))
    counts = np.diff(np.floor(edges + generator.random()), prepend=0.0).astype(np.int64)
    return generator.permutation(np.repeat(items[order], counts))


def stream(
    items: Indices, size: int, generator: np.random.Generator, weights: Weights | None = None
) -> Iterator[Indices]:
    """Endless chunks of `size` from a chain of turns of `items`.

    Without weights no chunk holds an item twice unless there are fewer items.
    """
    rest = items[:0]
    while True:
        chunk, rest = rest[:size], rest[size:]
        while len(chunk) < size:
            more = turn(items, weights, generator)
            if weights is None and len(items) >= size:
                # What this chunk already holds waits, so that no chunk holds an item twice.
                held = np.isin(more, chunk)
                more = np.concatenate([more[~held], more[held]])
            missing = size - len(chunk)
            chunk, rest = np.concatenate([chunk, more[:missing]]), more[missing:]
        yield chunk
