"""`directloss._solve` for torch.compile and torch.func, which cannot look into numpy.

The same two functions as operators of torch.library, with a fake that knows the shapes.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from directloss import _solve
from directloss._terms import Asked
from directloss.lists import Layout

if TYPE_CHECKING:
    from directloss.tasks.base import Task

__all__ = ["number_of", "solve", "step", "task_by_number", "traced", "transformed"]


def traced() -> bool:
    """Whether tensors may be stand-ins without data: a graph is traced, or a transform is on."""
    return torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()


def transformed() -> bool:
    """Whether a torch.func transform is on, which forbids to write to what it did not make."""
    return bool(torch._C._are_functorch_transforms_active())


_numbers = itertools.count()
_tasks: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


def number_of(task: object) -> int:
    """A new number for a task: how a traced graph, which holds no objects, names it."""
    number = next(_numbers)
    _tasks[number] = task
    return number


def task_by_number(number: int) -> Task:
    """The living task of that number."""
    task: Task = _tasks[number]
    return task


@torch.library.custom_op("directloss::solve", mutates_args=())
def solve(
    scores: Tensor,
    targets: Tensor,
    mask: Tensor | None,
    groups: Tensor | None,
    terms: Tensor,
    task: int,
    ignore_index: int | None,
    refuse_undefined: bool,
    objective: bool,
    reduction: str,
    skip_without_positives: bool = False,
    in_scores: bool = False,
    list_weights: Tensor | None = None,
    item_weights: Tensor | None = None,
    copies: int = 1,
    either: bool = False,
) -> tuple[Tensor, Tensor]:
    """`_solve.solve` of a layout's rows.

    Args:
        scores: float32 or wider.
        terms: float64 (2, T): coefficients, weights.
        task: its number.
        refuse_undefined, objective, reduction, skip_without_positives, in_scores: as in `Asked`.
        copies: as in `Layout`.
        either: whether `item_weights` are of the groups where each is one item, as `ListBatch` has
            it.
    """
    coefficients, weights = map(tuple, terms.tolist())
    if either and groups is not None and torch.unique(groups).numel() == groups.numel():
        assert item_weights is not None
        list_weights, item_weights = item_weights.reshape(-1).repeat(copies), None
    return _solve.solve(
        task_by_number(task),
        _layout(scores, targets, mask, groups, ignore_index, item_weights, copies),
        (coefficients, weights),
        Asked(
            refuse_undefined=refuse_undefined,
            objective=objective,
            reduction=reduction,
            skip_without_positives=skip_without_positives,
            in_scores=in_scores,
        ),
        None if list_weights is None else list_weights.numpy(force=True),
    )


@solve.register_fake
def _(
    scores: Tensor,
    targets: Tensor,
    mask: Tensor | None,
    groups: Tensor | None,
    terms: Tensor,
    task: int,
    ignore_index: int | None,
    refuse_undefined: bool,
    objective: bool,
    reduction: str,
    skip_without_positives: bool = False,
    in_scores: bool = False,
    list_weights: Tensor | None = None,
    item_weights: Tensor | None = None,
    copies: int = 1,
    either: bool = False,
) -> tuple[Tensor, Tensor]:
    shape = scores.shape if copies == 1 else (scores.shape[0] // copies, scores.shape[1])
    gradient = scores.new_empty(shape)
    if reduction != "none":
        return scores.new_empty(()), gradient
    lists: Any = shape[0] if len(shape) == 2 else 1
    if groups is not None:  # their number is in the data
        lists = lists * torch.library.get_ctx().new_dynamic_size()
    return scores.new_empty((lists,)), gradient


@torch.library.custom_op("directloss::step", mutates_args=())
def step(
    stored: Tensor,
    scores: Tensor,
    targets: Tensor,
    mask: Tensor | None,
    groups: Tensor | None,
    ignore_index: int | None,
    scale: float,
    together: bool,
) -> Tensor:
    """`_solve.step` of a layout's rows."""
    layout = _layout(scores, targets, mask, groups, ignore_index)
    return _solve.step(stored, layout, scale, together=together)


@step.register_fake
def _(
    stored: Tensor,
    scores: Tensor,
    targets: Tensor,
    mask: Tensor | None,
    groups: Tensor | None,
    ignore_index: int | None,
    scale: float,
    together: bool,
) -> Tensor:
    return torch.empty_like(stored)


def _layout(
    scores: Tensor,
    targets: Tensor,
    mask: Tensor | None,
    groups: Tensor | None,
    ignore_index: int | None,
    item_weights: Tensor | None = None,
    copies: int = 1,
) -> Layout:
    """Of tensors that are rows already."""
    axes = (scores.ndim - 1,)
    how = groups, ignore_index, item_weights, copies
    return Layout(scores.shape, axes, scores, targets, mask, *how)


def _one_by_one(info: Any, in_dims: Sequence[int | None], *arguments: Any) -> Any:
    """vmap as a loop: every sample is an update of its own, with its own reduction."""
    outputs = []
    for sample in range(info.batch_size):
        chosen = [
            argument if dim is None else argument.select(dim, sample)
            for argument, dim in zip(arguments, in_dims, strict=True)
        ]
        outputs.append(solve(*chosen))
    return tuple(torch.stack(parts) for parts in zip(*outputs, strict=True)), (0, 0)


solve.register_vmap(_one_by_one)
