"""Mini-batches that are ranked among the scores of those before them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from directloss._arguments import whole_number
from directloss._stepped import failing_together
from directloss._weights import checked
from directloss.errors import ArgumentError
from directloss.qrels import Qrels
from directloss.training._entries import are_of_lists, axes_of, dense_targets, joined_loss
from directloss.training._rows import Scored

__all__ = ["ScoreMemory"]

_PARTS = ("scores", "targets", "groups", "mask", "weight")


class ScoreMemory(nn.Module):
    """A loss in which the scores of the last batches take part, without gradient.

    A small batch holds few positives, and the metric of its list is a noisy and biased picture of
    the metric of the data set. Here the list is the batch together with what was remembered of the
    `batches` before it. These scores are as old as their batch: the faster the network changes, the
    less they say.

    Only the scores of the batch have a gradient. It is multiplied by (rows of the list) / (rows of
    the batch), so that a step is as long as if all rows of the list had theirs. The value is the
    loss of the whole list. In eval mode the memory is neither used nor filled; nothing enters it
    from a batch that raised. It is part of ``state_dict()``. `Qrels` are remembered as dense
    targets.

    Args:
        loss_fn: a loss of (scores, targets) whose lists run along the first axis, such as
            `DirectLoss` on scores (n,), with groups, or on (n, C) with ``dim=0`` or
            ``class_dim=1``.
        batches: how many are remembered, at least 1.

    With `GlobalBatchLoss`, put the memory inside: ``GlobalBatchLoss(ScoreMemory(loss_fn, 8))``; it
    then holds the joint batches, on rank 0.
    """

    sizes: Tensor

    def __init__(self, loss_fn: nn.Module, batches: int) -> None:
        super().__init__()
        self.loss_fn = loss_fn
        self.batches = whole_number("batches", batches)
        self.register_buffer("sizes", torch.zeros(0, dtype=torch.int64))
        for name in _PARTS:
            self.register_buffer(name, None)

    def forward(
        self,
        scores: Tensor,
        targets: Tensor | Qrels,
        *,
        mask: Tensor | None = None,
        groups: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> Tensor:
        """The loss of the list; arguments and errors as those of the loss.

        Args:
            weight: of items, which are remembered with theirs; or one a list, in the shape that
                the loss wants, which holds for the list as it is now. In training mode None with
                `groups`, as those of the memory are other lists than those of the batch.
        """
        given = {"mask": mask, "groups": groups, "weight": weight}
        known = {name: tensor for name, tensor in given.items() if tensor is not None}
        if not self.training:
            loss: Tensor = self.loss_fn(scores, targets, **known)
            return loss
        with failing_together(self.loss_fn, scores):
            self._check_axis(scores)
            dense = dense_targets(self.loss_fn, scores.detach(), targets)
            items, of_lists = self._weights(scores.detach(), groups, weight)
            batch = Scored(scores.detach(), dense, groups, mask, items)
            kept = self._remembered(batch)
            joined = batch if kept is None else Scored.join([kept, batch])
            parts = [scores] if kept is None else [kept.scores, scores]
            known = joined.lists | of_lists
            loss = joined_loss(self.loss_fn, torch.cat(parts), joined.targets, known)
        self._remember(joined, len(batch))
        return _lengthened(loss, len(joined) / max(len(batch), 1))

    def forget(self) -> None:
        """Empties the memory, such as before another phase of training."""
        self.sizes = self.sizes[:0]
        for name in _PARTS:
            setattr(self, name, None)

    def extra_repr(self) -> str:
        return f"batches={self.batches}"

    def _remembered(self, batch: Scored) -> Scored | None:
        if not self.sizes.numel():
            return None
        kept = Scored(**{name: getattr(self, name) for name in _PARTS})
        brought = batch.tensors()
        for name, old in kept.tensors().items():
            new = brought.get(name, old)  # what is missing `join` finds
            if old.shape[1:] != new.shape[1:] or old.dtype != new.dtype:
                came = f"{new.dtype} {tuple(new.shape)}, remembered {old.dtype} {tuple(old.shape)}"
                raise ArgumentError(name, came, "the same kind in every batch; see forget()")
        return kept

    def _remember(self, joined: Scored, rows: int) -> None:
        sizes = torch.cat([self.sizes, self.sizes.new_tensor([rows])])[-self.batches :]
        # Cloned, so that a view does not hold on to what is forgotten.
        last = len(joined) - int(sizes.sum())
        for name, tensor in joined.tensors().items():
            setattr(self, name, tensor[last:].clone())
        self.sizes = sizes

    def _check_axis(self, scores: Tensor) -> None:
        axes = axes_of(self.loss_fn, scores) if scores.ndim else None
        if axes is not None and 0 not in axes:
            name = "class_dim" if getattr(self.loss_fn, "dim", None) is None else "dim"
            came = f"{getattr(self.loss_fn, name)}, for scores of shape {tuple(scores.shape)}"
            raise ArgumentError(name, came, "lists along the first axis, which batches lengthen")

    def _weights(
        self, scores: Tensor, groups: Tensor | None, weight: Tensor | None
    ) -> tuple[Tensor | None, dict[str, Tensor]]:
        """Weights of the items of a batch; those of lists as the argument of the loss."""
        if weight is None:
            return None, {}
        if groups is not None:
            wanted = "None with groups=: the groups that are remembered would have no weight"
            raise ArgumentError("weight", "a value", wanted)
        weight = checked(weight)
        if are_of_lists(self.loss_fn, scores, weight):
            return None, {"weight": weight}
        return weight, {}

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *others: Any) -> None:
        # Tensors of any length, or none, take the place of what is there.
        for name in ("sizes", *_PARTS):
            found = state.get(prefix + name)
            setattr(self, name, None if found is None else found.clone())
        if self.sizes is None:
            self.sizes = torch.zeros(0, dtype=torch.int64)
        super()._load_from_state_dict(state, prefix, *others)


class _Lengthen(torch.autograd.Function):
    """The identity, with a gradient times `factor`."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.factor, None


def _lengthened(value: Tensor, factor: float) -> Tensor:
    result: Tensor = _Lengthen.apply(value, factor)
    return result
