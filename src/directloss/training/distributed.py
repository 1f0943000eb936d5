"""Losses over the batches of all processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from directloss._weights import checked
from directloss._world import World
from directloss.qrels import Qrels
from directloss.training._entries import dense_targets, weights_by_entry
from directloss.training._rows import Scored, solve_together
from directloss.training.score_memory import ScoreMemory

__all__ = ["GlobalBatchLoss", "raise_on_all"]


class GlobalBatchLoss(nn.Module):
    """A loss of the batches of all processes taken as one, for DistributedDataParallel.

    Average precision of a joint batch is not the mean of those of its parts. Scores and targets of
    all ranks, of any lengths, 0 included, are brought to rank 0, the loss is solved there once, and
    every rank gets the gradient of its own scores. It is multiplied by the number of processes,
    since DistributedDataParallel (and FSDP) takes the mean of their gradients where the joint batch
    has their sum. With one process it is the loss itself; so it is in eval mode, where each process
    may look at what it likes.

    Every rank has to come as often as the others: with an empty batch where it has no rows. Groups
    of equal number form one list whatever their rank. The items of `Qrels` are places in the lists
    of the rank's own batch.

    Args:
        loss_fn: any loss (scores, targets) -> scalar whose entries stand along the first axis, such
            as `DirectLoss`. Only that of rank 0 is called in training; its step (epsilon) is kept
            on all.

    Example:
        >>> loss_fn = GlobalBatchLoss(DirectLoss(AveragePrecision()))
        >>> loss = loss_fn(ddp_model(x), y)  # 1 - AP of the joint batch, on every rank
        >>> loss.backward()

    Raises:
        RankError: on all ranks, with the rank on which something failed.
    """

    def __init__(self, loss_fn: nn.Module) -> None:
        super().__init__()
        self.loss_fn = loss_fn

    def forward(
        self,
        scores: Tensor,
        targets: Tensor | Qrels,
        *,
        mask: Tensor | None = None,
        groups: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> Tensor:
        """The loss of the joint batch; arguments as the loss takes them.

        Args:
            weight: with an entry a row (of rows that are lists, or of items); or one a list, in
                the order and the shape that the loss wants for the rank's own batch. Of a list
                with entries on several ranks it is the same on all. With `groups` they are always
                of lists.
        """
        world = World(getattr(scores, "device", None))
        given = {"mask": mask, "groups": groups, "weight": weight}
        known = {name: tensor for name, tensor in given.items() if tensor is not None}
        if world.size == 1 or not self.training:
            loss: Tensor = self.loss_fn(scores, targets, **known)
            return loss
        own, failure = None, None
        try:
            own = self._entries(scores.detach(), targets, **known)
        except Exception as error:
            failure = error
        value, gradient = solve_together(world, self.loss_fn, own, failure=failure)
        # Measured from the scores at hand the product is 0, so that the value is exact.
        finite = torch.nan_to_num(scores.to(gradient), nan=0.0, posinf=0.0, neginf=0.0)
        return value + ((finite - finite.detach()) * (gradient * world.size)).sum()

    def _entries(self, scores: Tensor, targets: Tensor | Qrels, **known: Tensor) -> Scored:
        """The batch of this rank."""
        held = self.loss_fn.loss_fn if isinstance(self.loss_fn, ScoreMemory) else self.loss_fn
        dense = dense_targets(held, scores, targets)
        if "weight" in known:
            weight = checked(known.pop("weight"))
            known |= weights_by_entry(held, scores, known.get("groups"), weight)
        return Scored(scores, dense, **known)


@contextmanager
def raise_on_all() -> Iterator[None]:
    """What fails in this block on one process is raised on all, with the rank named.

    All processes have to enter it equally often. Whoever is through waits for the others at the
    end, or meets the error at the next exchange of `GlobalBatchLoss` or `whole_dataset_step`. (In
    a collective of others, such as the backward pass of DistributedDataParallel, it would not.)
    `whole_dataset_step` needs no such block.

    Raises:
        RankError: on all ranks.
    """
    with World().together():
        yield
