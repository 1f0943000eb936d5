"""What a loss is called with, as tensors of an entry a row, so that batches can be joined."""

from __future__ import annotations

from torch import Tensor, nn

from directloss.lists import list_axes

__all__ = ["axes_of"]


def axes_of(loss_fn: nn.Module, scores: Tensor) -> tuple[int, ...] | None:
    """The axes whose entries form one list of a loss, ascending; None where it does not say.

    Raises:
        ArgumentError: they do not fit the scores.
    """
    dim, class_dim = getattr(loss_fn, "dim", None), getattr(loss_fn, "class_dim", None)
    if dim is not None:
        return list_axes(scores, dim)
    if class_dim is None:
        return None
    return tuple(axis for axis in range(scores.ndim) if axis != class_dim % scores.ndim)
