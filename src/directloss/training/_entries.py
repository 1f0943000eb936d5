"""What a loss is called with, as tensors of an entry a row, so that batches can be joined."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from directloss.errors import ArgumentError
from directloss.lists import Layout, list_axes
from directloss.qrels import Qrels

__all__ = [
    "are_of_lists",
    "axes_of",
    "dense_targets",
    "joined_loss",
    "weights_by_entry",
    "weights_by_list",
]


def axes_of(loss_fn: nn.Module, scores: Tensor) -> tuple[int, ...] | None:
    """The axes whose entries form one list of a loss, ascending; None where it does not say.

    Raises:
        ArgumentError: they do not fit the scores.
    """
    dim, class_dim = (getattr(loss_fn, name, None) for name in ("dim", "class_dim"))
    if dim is not None:
        return list_axes(scores, dim)
    if class_dim is None:
        return None
    return tuple(axis for axis in range(scores.ndim) if axis != class_dim % scores.ndim)


def dense_targets(loss_fn: nn.Module, scores: Tensor, targets: Tensor | Qrels) -> Tensor:
    """Targets in the shape of the scores where `Qrels` came; all else as it is.

    Raises:
        ArgumentError: the loss has no lists of relevant items, or the items do not fit.
    """
    if not isinstance(targets, Qrels):
        return targets
    axes, task = axes_of(loss_fn, scores), getattr(loss_fn, "task", None)
    of_classes = getattr(loss_fn, "class_dim", None) is not None
    if axes is None or of_classes or getattr(task, "target_per_list", False):
        wanted = "a tensor, as the loss takes class indices, or does not say its `dim`"
        raise ArgumentError("targets", f"Qrels for {type(loss_fn).__name__}", wanted)
    layout = Layout.of(scores, targets, dim=axes)
    return layout.from_rows(layout.targets)


def are_of_lists(loss_fn: nn.Module, scores: Tensor, weight: Tensor) -> bool:
    """Whether weights are of lists that run along the first axis; else they have an entry a row.

    Raises:
        ArgumentError: they are neither of lists nor of items, or may be both.
    """
    axes, class_dim = axes_of(loss_fn, scores), getattr(loss_fn, "class_dim", None)
    if axes is None or 0 not in axes:
        return False
    shape, numbers = tuple(weight.shape), tuple(enumerate(scores.shape))
    lists = tuple(n for axis, n in numbers if axis not in axes)
    items = tuple(n for axis, n in numbers if class_dim is None or axis != class_dim % scores.ndim)
    if len(lists) == len(items):  # and equal where a joined batch has as many items as classes
        if shape == items and getattr(loss_fn, "dim", None) is None:
            return False
        if shape in (lists, items):
            wanted = (
                "class_weight= of the loss for weights of classes; and no dim= for those of items"
            )
            raise ArgumentError("weight", f"shape {shape} beside class_dim", wanted)
    if shape not in (lists, items):
        raise ArgumentError(
            "weight", f"shape {shape}", f"{lists}, one a list, or {items}, one an item"
        )
    return shape == lists


def joined_loss(
    loss_fn: nn.Module, scores: Tensor, targets: Tensor, known: dict[str, Tensor]
) -> Tensor:
    """The loss; weights of items are not taken for those of as many classes.

    Scores (n, C) are (n, C, 1) then, whose items have two axes.
    """
    class_dim, dim = (getattr(loss_fn, name, None) for name in ("class_dim", "dim"))
    apart = "weight" in known and "groups" not in known and dim is None and scores.ndim == 2
    if apart and class_dim is not None:
        scores = scores.unsqueeze(-1 if class_dim >= 0 else 1)
        targets = targets.unsqueeze(-1)
        known = {name: tensor.unsqueeze(-1) for name, tensor in known.items()}
    loss: Tensor = loss_fn(scores, targets, **known)
    return loss


def weights_by_entry(
    loss_fn: nn.Module, scores: Tensor, groups: Tensor | None, weight: Tensor
) -> dict[str, Tensor]:
    """`weight` with an entry a row as it came; else `list_weight`, of each entry that of its list.

    Raises:
        ArgumentError: they do not fit the lists.
    """
    if groups is None and are_of_lists(loss_fn, scores, weight):
        return {"list_weight": weight.expand(len(scores), *weight.shape)}
    if groups is None:
        return {"weight": weight}
    numbers, owner = torch.unique(groups, return_inverse=True)
    if weight.shape[:1] != numbers.shape:
        wanted = f"with groups= one a list, of which there are {numbers.numel()}, by their number"
        raise ArgumentError("weight", f"shape {tuple(weight.shape)}", wanted)
    return {"list_weight": weight[owner.to(weight.device)]}


def weights_by_list(entries: Tensor, groups: Tensor | None) -> Tensor:
    """The weights of lists from those that their entries came with, as a loss takes them.

    Raises:
        ArgumentError: entries of one list have several.
    """
    count, owner = 1, torch.zeros(len(entries), dtype=torch.int64, device=entries.device)
    if groups is not None:
        numbers, owner = torch.unique(groups, return_inverse=True)
        count = numbers.numel()
    found = entries.new_zeros((count, *entries.shape[owner.ndim :]))
    found[owner] = entries
    if not torch.allclose(found[owner], entries, rtol=0.0, atol=0.0, equal_nan=True):
        wanted = "one weight a list, the same from all processes that have entries of it"
        raise ArgumentError("weight", "several weights of one list", wanted)
    return found[0] if groups is None else found
