"""Going through the same computation twice: random numbers and buffers set back in between."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from directloss.errors import ReplayError
from directloss.training._rows import Scored


@dataclass(frozen=True)
class TorchRandomState:
    """State of torch's random numbers on every device that is in use."""

    cpu: Tensor
    cuda: list[Tensor]
    mps: Tensor | None

    @classmethod
    def now(cls) -> TorchRandomState:
        return cls(
            torch.get_rng_state(),
            torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
        )

    def set(self) -> None:
        torch.set_rng_state(self.cpu)
        # What was saved elsewhere may be of more devices than there are here.
        for device, state in zip(range(torch.cuda.device_count()), self.cuda, strict=False):
            torch.cuda.set_rng_state(state, device)
        if self.mps is not None:
            torch.mps.set_rng_state(self.mps)


@contextmanager
def random_numbers_kept() -> Iterator[None]:
    """What the block draws from torch is drawn again after it."""
    state = TorchRandomState.now()
    try:
        yield
    finally:
        state.set()


class Replay:
    """What a pass over the data depends on and changes, as it is now.

    Python's, numpy's and torch's random numbers, the loader's own generator, and the buffers of the
    network: running statistics, power iterations.
    """

    def __init__(self, network: nn.Module, loader: object) -> None:
        self._network = network
        self._python = random.getstate()
        self._numpy = np.random.get_state()
        self._torch = TorchRandomState.now()
        self._generators = [(each, each.get_state()) for each in _generators(loader)]
        self._buffers = {name: b.detach().clone() for name, b in network.named_buffers()}

    def rewind(self) -> None:
        """Sets all of it back."""
        random.setstate(self._python)
        np.random.set_state(self._numpy)
        self._torch.set()
        for generator, state in self._generators:
            generator.set_state(state)
        with torch.no_grad():
            for name, buffer in self._network.named_buffers():
                # A buffer that did not change is left alone: graphs may hold on to it.
                if not torch.equal(buffer, self._buffers[name]):
                    buffer.copy_(self._buffers[name])


class Comparison:
    """Whether a second pass gives what the first one gave."""

    def __init__(self, first: Scored | None, tolerance: float | None) -> None:
        self.largest = 0.0
        self._first = first
        self._done = self._chunks = 0
        self._allowed = 0.0
        if first is not None:
            resolution = torch.finfo(first.scores.dtype).eps ** 0.5
            finite = torch.where(first.scores.isfinite(), first.scores, 0).abs()
            highest = float(finite.max()) if finite.numel() else 0.0
            self._allowed = (resolution if tolerance is None else tolerance) * highest

    def place_of(self, rows: Scored) -> slice:
        """Where these rows, which follow those of the last call, stand in the first pass.

        Raises:
            ReplayError: the first pass had other rows or scores there.
        """
        start, end = self._done, self._done + len(rows)
        self._done, self._chunks = end, self._chunks + 1
        known = {} if self._first is None else self._first.tensors()
        first = {name: tensor[start:end] for name, tensor in known.items()}
        again = rows.tensors()
        kinds = [{k: (t.shape, t.dtype) for k, t in each.items()} for each in (first, again)]
        if kinds[0] != kinds[1]:
            raise self._error(f"{kinds[1]}, where it was {kinds[0]}")
        for name in again.keys() - {"scores"}:
            if not _equal(first[name], again[name]).all():
                raise self._error(f"other {name}, so the rows come in another order or are others")
        if not end > start:
            return slice(start, end)
        old, new = first["scores"], again["scores"]
        difference = float(torch.where(_equal(old, new), 0, (new - old).abs()).max())
        self.largest = max(self.largest, difference)
        if not difference <= self._allowed:
            raise self._error(
                f"scores that differ by up to {difference:.3g}, where {self._allowed:.3g} is "
                "allowed. Something is drawn anew or kept from pass to pass: the order of the "
                "rows (shuffle=False), augmentation in worker processes or with a generator of "
                "its own, or a state of the network that is not a buffer"
            )
        return slice(start, end)

    def finish(self) -> None:
        """After the last chunk.

        Raises:
            ReplayError: the first pass had more rows.
        """
        rows = 0 if self._first is None else len(self._first)
        if self._done != rows:
            raise self._error(f"{self._done} rows, where they were {rows}")

    def _error(self, came: str) -> ReplayError:
        return ReplayError(f"loader: the second pass gave, at chunk {self._chunks}, {came}")


def _equal(first: Tensor, second: Tensor) -> Tensor:
    """Entry by entry; NaN equals NaN."""
    return (first == second) | ((first != first) & (second != second))


def _generators(loader: Any) -> list[torch.Generator]:
    """Those by which a DataLoader and its sampler draw."""
    owners = (loader, getattr(loader, "sampler", None), getattr(loader, "batch_sampler", None))
    found = (getattr(owner, "generator", None) for owner in owners)
    unique = {id(each): each for each in found if isinstance(each, torch.Generator)}
    return list(unique.values())
