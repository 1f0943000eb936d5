"""The exact gradient of a whole data set's metric, at the memory of a batch.

The gradient with respect to the scores needs only the scores. So: pass 1 forwards the data in
chunks without gradient and keeps the scores; the loss is solved once on all of them; pass 2
forwards each chunk again, with gradient, and goes backward from its part of the solution. Random
numbers and buffers are set back between the passes.

The solution depends on scores, targets, groups and mask alone. Pass 2 compares all four with those
of pass 1: where they agree, the gradient is exact, and where they do not, nothing is updated.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from directloss._arguments import number
from directloss._world import World
from directloss.errors import ArgumentError
from directloss.training._replay import Comparison, Replay, random_numbers_kept
from directloss.training._rows import Collected, Scored, solve_together

__all__ = ["Chunk", "WholeDatasetStep", "read_chunk", "whole_dataset_step"]

_LEARNS = "a network with a parameter that requires grad, on which its scores depend"


class Chunk(NamedTuple):
    """Some rows of a data set: `inputs` for the network, the others `(b, ...)` for the loss."""

    inputs: Any
    targets: Tensor
    groups: Tensor | None = None
    mask: Tensor | None = None


@dataclass(frozen=True)
class WholeDatasetStep:
    """What a step saw, besides the gradients that it left in the parameters.

    Attributes:
        loss: of the rows of all processes, a scalar, the same on all of them.
        scores, targets: of the rows of this process, in the loader's order.
        score_gradient: of the loss with respect to these scores (times `scale`).
        largest_difference: between the scores of the two passes; 0 where they are equal.
    """

    loss: Tensor
    scores: Tensor
    targets: Tensor
    score_gradient: Tensor
    largest_difference: float


def read_chunk(batch: Any) -> Chunk:
    """(inputs, targets), (inputs, targets, groups) or (inputs, targets, groups, mask)."""
    if isinstance(batch, tuple | list) and 2 <= len(batch) <= 4:
        return Chunk(*batch)
    came = f"{type(batch).__name__} of {len(batch)}" if hasattr(batch, "__len__") else repr(batch)
    raise ArgumentError("loader", came, f"{read_chunk.__doc__} or read= that makes a Chunk")


def whole_dataset_step(
    model: nn.Module,
    loader: Iterable[Any],
    loss_fn: nn.Module,
    *,
    read: Callable[[Any], Chunk] = read_chunk,
    score: Callable[[nn.Module, Any], Tensor] | None = None,
    scale: float | Tensor = 1.0,
    tolerance: float | None = None,
    batch_norm: Literal["error", "chunk"] = "error",
) -> WholeDatasetStep:
    """Adds the gradient of the loss of all rows to ``.grad`` of the parameters.

    It stands where ``loss_fn(model(x), y).backward()`` stands, with x the whole data set: between
    ``optimiser.zero_grad()`` and ``optimiser.step()``. Memory: that of a chunk, and less than 100
    bytes a row. Cost: one more forward pass.

    With torch.distributed initialised, every process brings the loader of its own shard, of any
    length; the loss is solved once on the rows of all, and every process has the gradient of the
    whole. A DistributedDataParallel model is stepped through its module, and gradients are added
    up once, at the end.

    Args:
        model: the network, in the mode (train or eval) in which it is to be trained; not in
            ``torch.inference_mode()``.
        loader: gives the same rows in the same order when gone through twice, in chunks of any
            sizes; such as a DataLoader with ``shuffle=False``. A list may lie in several chunks.
        loss_fn: (scores, targets, groups=, mask=) -> scalar: any loss whose entries stand along the
            first axis. Scores of all chunks are joined along it.
        read: makes a `Chunk` of what the loader gives; `read_chunk` by default.
        score: (network, inputs) -> scores `(b, ...)`; by default ``network(inputs)``.
        scale: finite factor of the gradient, such as ``GradScaler.get_scale()``, or 1 / number of
            steps whose gradients are accumulated.
        tolerance: largest difference of a score between the passes, >= 0, as a share of the
            largest absolute score. Default: the square root of its type's resolution, 3e-4 for
            float32.
        batch_norm: "error" refuses batch normalisation in training mode, which makes a score depend
            on the rest of its chunk; "chunk" takes it so, with the statistics of each chunk.

    Raises:
        ReplayError: pass 2 saw other rows or scores than pass 1. No gradient has been added.
        ArgumentError: an argument does not fit, or `batch_norm` as above.
        RankError: with several processes, any error, on all of them and with the rank named.
    """
    world = World()
    network = model.module if isinstance(model, DistributedDataParallel) else model
    sharded = _is_sharded(network)

    def forward(look: Callable[[], None]) -> Iterator[tuple[Tensor, Scored]]:
        """Scores with gradient where it is on, and the same rows without."""
        for batch in _in_step(loader, world) if sharded else loader:
            look()
            chunk = read(batch)
            scores = network(chunk.inputs) if score is None else score(network, chunk.inputs)
            yield scores, _rows(scores, chunk)
            # What autocast has cast without gradient must not serve the pass with gradient.
            torch.clear_autocast_cache()

    with world.together() as look:
        _check_numbers(scale, tolerance)
        _check(network, loader, batch_norm)
        _check_gradients(network, score)
        replay = Replay(network, loader)
        collected = Collected()
        with torch.no_grad():
            for _, rows in forward(look):
                collected.add(rows)
        own = collected.all()
    of_network, of_loss = list(network.parameters()), list(loss_fn.parameters())
    with _gradients_added([*of_network, *of_loss]):
        loss, gradient = solve_together(world, loss_fn, own, scale)
        # FSDP takes the mean of the processes' gradients, of which the whole has the sum.
        factor = world.size if sharded else 1
        with world.together() as look, torch.enable_grad():
            comparison = Comparison(own, tolerance)
            replay.rewind()
            for scores, rows in forward(look):
                place = comparison.place_of(rows)
                if not scores.requires_grad:
                    raise ArgumentError("model", "scores that no parameter moves", _LEARNS)
                with random_numbers_kept():
                    torch.autograd.backward(scores, (gradient[place] * factor).to(scores.dtype))
            comparison.finish()
        world.sum_gradients(of_loss if sharded else [*of_network, *of_loss])
    nothing = gradient.new_empty(gradient.shape)
    return WholeDatasetStep(
        loss,
        nothing if own is None else own.scores,
        nothing if own is None else own.targets,
        gradient,
        comparison.largest,
    )


@contextmanager
def _gradients_added(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Gradients of the block are added to those from before; if it raises, these stay alone."""
    before = {parameter: parameter.grad for parameter in parameters}
    for parameter in before:
        parameter.grad = None
    try:
        yield
    except BaseException:
        for parameter, gradient in before.items():
            parameter.grad = gradient
        raise
    for parameter, gradient in before.items():
        if gradient is None:
            continue
        if parameter.grad is not None:
            gradient += parameter.grad
        parameter.grad = gradient


def _rows(scores: Tensor, chunk: Chunk) -> Scored:
    if not isinstance(scores, Tensor):
        raise ArgumentError("model", f"an output of type {type(scores).__name__}", "a tensor")
    rows = {"scores": scores.detach()}
    for name, part in chunk._asdict().items():
        if name == "inputs" or (part is None and name != "targets"):
            continue
        if not isinstance(part, Tensor):
            raise ArgumentError(f"loader: {name}", type(part).__name__, "a tensor")
        rows[name] = part.to(scores.device)
    return Scored(**rows)


def _check(network: nn.Module, loader: object, batch_norm: str) -> None:
    if isinstance(loader, Iterator):
        raise ArgumentError("loader", "an iterator, which ends after one pass", "an iterable")
    if batch_norm not in ("error", "chunk"):
        raise ArgumentError("batch_norm", repr(batch_norm), "'error' or 'chunk'")
    for name, module in network.named_modules():
        if isinstance(module, DistributedDataParallel):
            raise ArgumentError("model", f"DistributedDataParallel as {name!r}", "it outermost")
        mixes = isinstance(module, _BatchNorm) and (module.training or module.running_mean is None)
        if mixes and batch_norm == "error":
            raise ArgumentError(
                "batch_norm",
                f"{type(module).__name__} {name!r} in training mode: a score would depend on the "
                "rest of its chunk",
                "such layers in eval mode, another normalisation, or batch_norm='chunk'",
            )


def _check_numbers(scale: float | Tensor, tolerance: float | None) -> None:
    if isinstance(scale, Tensor) and scale.numel() == 1:
        scale = scale.reshape(())
    number("scale", scale, math.isfinite, "a finite number, or a tensor of one")
    if tolerance is not None:
        number("tolerance", tolerance, lambda share: share >= 0.0, "a number >= 0, or None")


def _check_gradients(network: nn.Module, score: object) -> None:
    """Refuse what is known not to learn before a pass is spent on it."""
    if torch.is_inference_mode_enabled():
        wanted = "a call outside of it, as nothing has a gradient there"
        raise ArgumentError("model", "a call inside torch.inference_mode()", wanted)
    # A function may bring parameters of its own.
    if score is None and not any(each.requires_grad for each in network.parameters()):
        raise ArgumentError("model", "no parameter that requires grad", _LEARNS)


def _is_sharded(network: nn.Module) -> bool:
    # Who has not loaded it has no such network; loading it takes seconds.
    fsdp = sys.modules.get("torch.distributed.fsdp")
    if fsdp is None:
        return False
    kinds = (fsdp.FSDPModule, fsdp.FullyShardedDataParallel)
    return any(isinstance(module, kinds) for module in network.modules())


_END = object()


def _in_step(loader: Iterable[Any], world: World) -> Iterator[Any]:
    """The chunks; every forward pass of a sharded network needs all ranks."""
    iterator = iter(loader)
    while True:
        batch = next(iterator, _END)
        ended = world.agree(None, batch is _END)
        if all(ended):
            return
        if any(ended):
            ranks = [rank for rank, end in enumerate(ended) if end]
            wanted = "the same number of chunks on every rank, as the network is sharded"
            raise ArgumentError("loader", f"fewer chunks on rank {ranks}", wanted)
        yield batch
