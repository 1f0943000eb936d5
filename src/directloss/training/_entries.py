"""What a loss is called with, as tensors of an entry a row, so that batches can be joined."""

from __future__ import annotations

from torch import Tensor, nn

from directloss.errors import ArgumentError
from directloss.lists import Layout, list_axes
from directloss.qrels import Qrels

__all__ = ["axes_of", "dense_targets"]


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
