"""From a batch to gradients: in one pass, or in the two of a whole data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from directloss._world import World
from directloss.training.config import FitConfig
from directloss.training.data import Part
from directloss.training.distributed import GlobalBatchLoss
from directloss.training.score_memory import ScoreMemory
from directloss.training.whole_dataset import Chunk, whole_dataset_step

CHUNK = 65_536
"""Rows of a forward pass where memory has to be bounded and nobody names a number."""

Backward = Callable[[Part], Tensor]
"""Adds the gradients of a batch and returns that of the loss with respect to its scores."""


class DivergedError(Exception):
    """Scores are NaN or infinite."""


def check_finite(scores: Tensor, world: World) -> None:
    """Raises `DivergedError` on all processes if the scores of one are not finite."""
    if world.any(not bool(scores.isfinite().all())):
        raise DivergedError


def backward_of(
    model: nn.Module, loss_fn: nn.Module, config: FitConfig, accelerator: Accelerator
) -> Backward:
    """How the gradients of a batch are taken.

    Every process is given the same batch, takes its share of the samples, and ends with the
    gradient of the whole batch.
    """
    world = World()
    mine = slice(world.rank, None, world.size)
    if config.score_memory:
        loss_fn = ScoreMemory(loss_fn, config.score_memory)
    joint = GlobalBatchLoss(loss_fn)

    def scale() -> float:
        return 1.0 if accelerator.scaler is None else accelerator.scaler.get_scale()

    def in_one_pass(batch: Part) -> Tensor:
        share = batch[mine] if world.size > 1 else batch
        scores = model(share.features)
        check_finite(scores, world)
        scores.retain_grad()
        # Not accelerator.backward, which searches the disk for packages at each step.
        (scale() * joint(scores, share.targets, **share.lists)).backward()
        return torch.zeros_like(scores) if scores.grad is None else scores.grad

    def in_two_passes(batch: Part) -> Tensor:
        finite = True

        def score(network: nn.Module, features: Tensor) -> Tensor:
            nonlocal finite
            scores: Tensor = network(features)
            finite = finite and bool(scores.isfinite().all())
            # The step goes on to its end, where all processes hear of it.
            return torch.nan_to_num(scores, 0.0, 0.0, 0.0)

        chunks = _Chunks(batch[mine], config.batch_size or CHUNK)
        step = whole_dataset_step(model, chunks, loss_fn, score=score, scale=scale())
        if world.any(not finite):
            raise DivergedError
        return step.score_gradient

    return in_two_passes if config.batch == "all" else in_one_pass


class _Chunks:
    """The samples in their order, some at a time."""

    def __init__(self, part: Part, size: int) -> None:
        self._part = part
        self._size = size

    def __iter__(self) -> Iterator[Chunk]:
        for start in range(0, len(self._part), self._size):
            some = self._part[start : start + self._size]
            yield Chunk(some.features, some.targets, some.groups)
