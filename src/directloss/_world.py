"""The processes that take a step together; one process alone is a world of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from directloss.errors import RankError

POLL_SECONDS = 0.2
"""How often a process that computes looks whether another one has failed."""

GRACE_SECONDS = 2.0
"""How long a process has to say that it lives, once another one was lost."""

_alone: ContextVar[bool] = ContextVar("alone", default=False)

# Every process goes through the same phases in the same order, so these numbers agree; after a
# failure, which may have kept one from entering some, they are made to.
_phase = 0


class _FailedElsewhereError(Exception):
    """Another process has failed; leaves the phase at once."""


@contextmanager
def alone() -> Iterator[None]:
    """While on, this process is a world of its own: what it has is that of all."""
    token = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(token)


class World:
    """Exchange between the processes of torch.distributed's default group.

    Args:
        device: where this process computes; that of torch.cuda if it is no GPU.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        several = dist.is_available() and dist.is_initialized() and not _alone.get()
        self.rank = dist.get_rank() if several else 0
        self.size = dist.get_world_size() if several else 1
        self._device = device if device is not None and device.type == "cuda" else None

    @property
    def device(self) -> torch.device:
        """Where tensors have to be that are exchanged."""
        if self.size > 1 and "nccl" in dist.get_backend():
            return self._device or torch.device("cuda", torch.cuda.current_device())
        return torch.device("cpu")

    def agree(self, failure: Exception | None, item: object = None) -> list[Any]:
        """The items of all ranks; raises on all of them if one comes with a failure.

        Raises:
            RankError: with the ranks that failed; on these, from their own error. With one
                process it is the failure itself.
        """
        global _phase
        if self.size == 1:
            if failure is not None:
                raise failure
            return [item]
        gathered: list[Any] = [None] * self.size
        reason: tuple[Sequence[int], str] | None = None
        if isinstance(failure, RankError):
            reason = failure.ranks, failure.reason
        elif failure is not None:
            reason = [self.rank], f"{type(failure).__name__}: {failure}"
        # torch sends objects from the current device, which need not be that of this process.
        with self.reaching(), torch.cuda.device(self._device) if self._device else nullcontext():
            dist.all_gather_object(gathered, (reason, _phase, None if failure else item))
        reasons = {rank: reason for rank, (reason, *_) in enumerate(gathered) if reason is not None}
        if reasons:
            _phase = max(phase for _, phase, _ in gathered)
            ranks = sorted({rank for failed, _ in reasons.values() for rank in failed})
            # Whoever failed itself knows best.
            texts = [text for rank, (failed, text) in reasons.items() if rank in failed]
            texts += [text for _, text in reasons.values()]
            error = RankError(ranks, self.size, texts[0])
            error.agreed = True
            raise error from failure
        return [each for *_, each in gathered]

    @contextmanager
    def together(self) -> Iterator[Callable[[], None]]:
        """A part of the step; if it fails on one rank, it raises on all within seconds.

        Yields a function to be called now and then in long parts: it leaves the part as soon as
        another rank has failed.
        """
        if self.size == 1:
            yield lambda: None
            return
        global _phase
        _phase += 1
        store, key = _store(), f"directloss/{_phase}/failed"
        looked = time.monotonic()

        def look() -> None:
            nonlocal looked
            if time.monotonic() - looked > POLL_SECONDS:
                looked = time.monotonic()
                if store.check([key]):
                    raise _FailedElsewhereError

        failure: Exception | None = None
        try:
            yield look
        except _FailedElsewhereError:
            pass
        except Exception as error:
            if isinstance(error, RankError) and error.agreed:
                raise
            failure = error
            store.set(key, str(self.rank))
        self.agree(failure)

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on one rank at least."""
        if self.size == 1:
            return flag
        flags = torch.tensor([float(flag)], device=self.device)
        with self.reaching():
            dist.all_reduce(flags)
        return bool(flags.item())

    def gather(self, own: Tensor, counts: list[int]) -> Tensor:
        """On rank 0 the rows of all ranks, one after the other; on others their own."""
        own = own.detach().contiguous().to(self.device)
        with self.reaching():
            if self.rank:
                if own.numel():
                    dist.send(own, 0)
                return own
            rows = own.new_empty((sum(counts), *own.shape[1:]))
            for rank, part in enumerate(torch.split(rows, counts)):
                if rank == 0:
                    part.copy_(own)
                elif part.numel():
                    dist.recv(part, rank)
            return rows

    def scatter(self, rows: Tensor | None, own: Tensor, counts: list[int]) -> Tensor:
        """Fills `own` with this rank's part of the rows that rank 0 has."""
        received = torch.empty_like(own, device=self.device, memory_format=torch.contiguous_format)
        with self.reaching():
            if self.rank:
                if own.numel():
                    dist.recv(received, 0)
            else:
                assert rows is not None, "rank 0 has what it scatters"
                parts = torch.split(rows.to(self.device), counts)
                received.copy_(parts[0])
                for rank, part in enumerate(parts):
                    if rank and part.numel():
                        dist.send(part.contiguous(), rank)
        return received.to(own.device)

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Adds up `.grad` over the ranks; a parameter without one counts as 0 if another has one.

        The order of addition is the same on every rank, and so is the sum, to the last bit.
        """
        known = list(parameters)
        if self.size == 1 or not known:
            return
        present = torch.tensor([float(p.grad is not None) for p in known], device=self.device)
        with self.reaching():
            dist.all_reduce(present)
            works = []
            for parameter, count in zip(known, present.tolist(), strict=True):
                if not count:
                    continue
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                parameter.grad = parameter.grad.contiguous()
                works.append(dist.all_reduce(parameter.grad, async_op=True))
            for work in works:
                work.wait()

    @contextmanager
    def reaching(self) -> Iterator[None]:
        """Turns a broken connection into an error that names who is missing."""
        try:
            yield
        except dist.DistError as error:
            raise self._lost(error) from error
        except RuntimeError as error:
            broken = "gloo" in str(error) or "onnection" in str(error)
            if self.size == 1 or not broken:
                raise
            raise self._lost(error) from error

    def _lost(self, error: Exception) -> RankError:
        reason = f"ended or cannot be reached ({str(error).splitlines()[0]})"
        lost = RankError(self._missing(), self.size, reason)
        lost.agreed = True  # nobody can be told any more
        return lost

    def _missing(self) -> list[int]:
        """Ranks that do not answer; none if even the store, which rank 0 may hold, is gone."""
        try:
            store = _store()
            keys = {rank: f"directloss/alive/{rank}" for rank in range(self.size)}
            store.set(keys[self.rank], "yes")
            end = time.monotonic() + GRACE_SECONDS
            silent = list(keys)
            while silent and time.monotonic() < end:
                silent = [rank for rank in silent if not store.check([keys[rank]])]
                time.sleep(POLL_SECONDS / 4)
            return silent
        except (dist.DistError, RuntimeError):
            return []


def _store() -> Any:
    # The store by which the processes found each other: the one channel that a process can look
    # at without waiting for all others.
    return dist.distributed_c10d._get_default_store()
