"""Scores with what tells their lists, and the solution of the rows of all processes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import torch
from torch import Tensor, nn

from directloss._world import World, alone
from directloss.errors import ArgumentError, DirectLossError, RankError, UndefinedMetricError
from directloss.training._entries import joined_loss, weights_by_list

_Kind = tuple[torch.dtype, tuple[int, ...]]


@dataclass(frozen=True)
class Scored:
    """Scores `(n, ...)` and what belongs to them, all with n entries along their first axis.

    Attributes:
        weight: as the loss takes it.
        list_weight: of each entry that of its list.
    """

    scores: Tensor
    targets: Tensor
    groups: Tensor | None = None
    mask: Tensor | None = None
    weight: Tensor | None = None
    list_weight: Tensor | None = None

    def __post_init__(self) -> None:
        wanted = self.scores.shape[:1]
        if not wanted:
            raise ArgumentError("scores", "shape ()", "one score a row, such as (n,)")
        for name, tensor in self.tensors().items():
            if tensor.shape[:1] != wanted:
                came = f"shape {tuple(tensor.shape)} for scores {tuple(self.scores.shape)}"
                raise ArgumentError(name, came, f"{wanted[0]} entries along the first axis")

    def __len__(self) -> int:
        return len(self.scores)

    def tensors(self) -> dict[str, Tensor]:
        """The tensors that are there."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: tensor for name, tensor in found.items() if tensor is not None}

    @property
    def lists(self) -> dict[str, Tensor]:
        """What tells a loss the lists and their weights, as keyword arguments."""
        known = self.tensors()
        named = ("groups", "mask", "weight")
        found: dict[str, Tensor] = {name: known[name] for name in named if name in known}
        if self.list_weight is not None:
            found["weight"] = weights_by_list(self.list_weight, self.groups)
        return found

    def to_cpu(self) -> Self:
        """The same on the CPU, scores in float64."""
        moved = {name: tensor.cpu() for name, tensor in self.tensors().items()}
        return type(self)(**{**moved, "scores": moved["scores"].double()})

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """One after the other."""
        names = parts[0].tensors().keys()
        for part in parts:
            if part.tensors().keys() != names:
                missing = " and ".join(sorted(names ^ part.tensors().keys()))
                raise ArgumentError(missing, "some batches without", "the same in every batch")
        columns = [list(part.tensors().values()) for part in parts]
        return cls(**dict(zip(names, map(torch.cat, zip(*columns, strict=True)), strict=True)))


class Collected:
    """Rows that arrive some at a time.

    They are copied into a few large tensors. Kept one by one, the small ones would lie between the
    large intermediate results of the network's forward passes and leave gaps that fit none of them,
    so that memory would grow by one such result a chunk.
    """

    def __init__(self) -> None:
        self._tensors: dict[str, Tensor] = {}
        self._rows = 0

    def add(self, rows: Scored) -> None:
        """Puts rows at the end; they must be of the kind of those before."""
        parts, end = rows.tensors(), self._rows + len(rows)
        if not self._tensors:
            self._tensors = {name: tensor.clone() for name, tensor in parts.items()}
        kinds = [{k: _kind(t) for k, t in each.items()} for each in (parts, self._tensors)]
        if kinds[0] != kinds[1]:
            raise ArgumentError("loader", kinds[0], f"{kinds[1]}, as in the chunks before")
        for name, part in parts.items():
            room = self._tensors[name]
            if end > len(room):
                larger = room.new_empty((max(end, 2 * len(room)), *room.shape[1:]))
                larger[: self._rows] = room[: self._rows]
                self._tensors[name] = room = larger
            room[self._rows : end] = part
        self._rows = end

    def all(self) -> Scored | None:
        """The rows so far; None if nothing came, so that not even their kind is known."""
        if not self._tensors:
            return None
        return Scored(**{name: room[: self._rows] for name, room in self._tensors.items()})


def solve(loss_fn: nn.Module, rows: Scored, scale: float | Tensor = 1.0) -> tuple[Tensor, Tensor]:
    """The loss and its gradient with respect to the scores, times `scale`.

    Half precisions are widened first. Parameters of the loss itself get their gradient, too.
    """
    wide = torch.promote_types(rows.scores.dtype, torch.float32)
    scores = rows.scores.detach().to(wide).requires_grad_()
    with (
        torch.enable_grad(),
        torch.autocast(scores.device.type, enabled=False),
        alone(),
    ):
        loss = joined_loss(loss_fn, scores, rows.targets, rows.lists)
        if loss.ndim:
            raise ArgumentError("loss_fn", f"a loss of shape {tuple(loss.shape)}", "a scalar")
        (loss * scale).backward()  # type: ignore[no-untyped-call]
    gradient = torch.zeros_like(scores) if scores.grad is None else scores.grad
    return loss.detach(), gradient


def solve_together(
    world: World,
    loss_fn: nn.Module,
    own: Scored | None,
    scale: float | Tensor = 1.0,
    failure: Exception | None = None,
) -> tuple[Tensor, Tensor]:
    """`solve` for the rows of all ranks, done once, on rank 0.

    Args:
        own: the rows of this rank; None if it has none and does not know how they look.
        failure: what went wrong on the way to them; is then raised on all ranks.

    Returns:
        The loss, the same on all ranks, and the gradient with respect to the own scores.
    """
    if world.size == 1:
        if failure is not None:
            raise failure
        if own is None:
            raise ArgumentError("loader", "no rows", "at least one")
        return solve(loss_fn, own, scale)
    kinds = None if own is None else {k: _kind(t) for k, t in own.tensors().items()}
    told = world.agree(failure, (0 if own is None else len(own), kinds))
    common = _common(told, world)
    own = _none_like(common) if own is None else own
    counts = [count for count, _ in told]
    gathered = {name: world.gather(tensor, counts) for name, tensor in own.tensors().items()}

    gradient, reply = None, None
    if world.rank == 0:
        try:
            device = own.scores.device
            rows = Scored(**{name: tensor.to(device) for name, tensor in gathered.items()})
            loss, gradient = solve(loss_fn, rows, scale)
            reply = float(loss), _numbers(loss_fn)
        except DirectLossError as error:
            failure = _of_its_rank(error, loss_fn, rows, counts)
        except Exception as error:
            failure = error
    value, numbers = world.agree(failure, reply)[0]
    with torch.no_grad():
        for name, buffer in loss_fn.named_buffers():
            if name in numbers:
                buffer.fill_(numbers[name])
    wide = torch.promote_types(own.scores.dtype, torch.float32)
    part = world.scatter(gradient, own.scores.detach().to(wide), counts)
    return torch.tensor(value, dtype=wide, device=own.scores.device), part


def _of_its_rank(
    error: DirectLossError, loss_fn: nn.Module, rows: Scored, counts: Sequence[int]
) -> RankError:
    """The error of the joint rows, as one of the ranks whose own rows raise the like alone.

    Where none does, or the rows of one rank say nothing of those of all (a metric that is
    undefined), it is one of all ranks that have rows.
    """
    looking = copy.deepcopy(loss_fn).eval()
    columns = [torch.split(tensor, list(counts)) for tensor in rows.tensors().values()]
    found: dict[int, str] = {}
    for rank, part in enumerate(zip(*columns, strict=True)):
        if isinstance(error, UndefinedMetricError):
            break
        own = Scored(**dict(zip(rows.tensors(), part, strict=True)))
        try:
            with torch.no_grad(), alone():
                looking(own.scores, own.targets, **own.lists)
        except DirectLossError as its:
            if type(its) is type(error):
                found[rank] = f"{type(its).__name__}: {its}"
    if found:
        return RankError(list(found), len(counts), next(iter(found.values())))
    those = [rank for rank, count in enumerate(counts) if count]
    return RankError(those, len(counts), f"{type(error).__name__}: {error}")


def _kind(tensor: Tensor) -> _Kind:
    return tensor.dtype, tuple(tensor.shape[1:])


def _common(told: Sequence[tuple[int, dict[str, _Kind] | None]], world: World) -> dict[str, _Kind]:
    """What all ranks agree on; every rank hears the same, so all raise or none."""
    known = {rank: kinds for rank, (_, kinds) in enumerate(told) if kinds is not None}
    if not known:
        raise ArgumentError("loader", "no rows on any rank", "at least one row")
    first = next(iter(known.values()))
    strange = [rank for rank, kinds in known.items() if kinds != first]
    if strange:
        what = f"has {known[strange[0]]}, where rank {next(iter(known))} has {first}"
        raise RankError(strange, world.size, what)
    return first


def _none_like(kinds: dict[str, _Kind]) -> Scored:
    return Scored(
        **{k: torch.empty((0, *shape), dtype=dtype) for k, (dtype, shape) in kinds.items()}
    )


def _numbers(loss_fn: nn.Module) -> dict[str, Any]:
    """Buffers that are one number, such as epsilon: they hold on every rank."""
    return {name: buffer.item() for name, buffer in loss_fn.named_buffers() if buffer.ndim == 0}
