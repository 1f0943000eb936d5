"""Weights of a call of a loss: whether they are of lists or of items, and their form as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from directloss._operators import traced
from directloss.errors import ArgumentError
from directloss.lists import Layout

if TYPE_CHECKING:
    from directloss.tasks.base import Task, TaskBase

__all__ = [
    "at_home",
    "checked",
    "kind_of",
    "of_lists",
    "of_targets",
    "require_classes",
    "require_items",
    "weights_of_classes",
]


def checked(weight: object, name: str = "weight") -> Tensor:
    """Weights as a constant, of a real type.

    Raises:
        ArgumentError: they are no such tensor, or wait for a gradient, which no update has.
    """
    if not isinstance(weight, Tensor) or weight.is_complex() or weight.dtype == torch.bool:
        came = weight.dtype if isinstance(weight, Tensor) else type(weight).__name__
        raise ArgumentError(name, came, "a tensor of numbers")
    if weight.requires_grad and torch.is_grad_enabled():
        wanted = f"a constant, {name}.detach(): the loss has no gradient in its weights"
        raise ArgumentError(name, "a tensor that requires grad", wanted)
    return weight.detach()


def kind_of(weight: object, layout: Layout, task: Task) -> tuple[Literal["lists", "items"], Tensor]:
    """What the shape of weights says that they are of.

    The shape of the scores: of items. The shape of ``reduction="none"``: of lists. Only where each
    group is one item do both fit; then they are of lists, whose items have nothing to be weighed
    against. A traced graph, which does not know the number of groups, takes what the task can
    weigh; the solver counts the lists.
    """
    weight = checked(weight)
    per_list, lists = task.target_per_list, layout.rest
    if layout.groups is not None and traced() and weight.ndim == len(lists) + 1:
        if weight.shape == layout.shape and task.weighs_items:
            return "items", weight
        at = layout.axes[0]
        if (*weight.shape[:at], *weight.shape[at + 1 :]) == lists:
            return "lists", weight
    if layout.groups is not None:
        at = layout.axes[0]
        lists = (*lists[:at], torch.unique(layout.groups).numel(), *lists[at:])
    if tuple(weight.shape) == lists:
        return "lists", weight
    if weight.shape == layout.shape and not per_list:
        return "items", weight
    wanted = f"the shape {lists}, one a list (that of reduction='none')"
    if not per_list:
        wanted += f", or {tuple(layout.shape)}, one an item (that of the scores)"
    raise ArgumentError("weight", f"shape {tuple(weight.shape)}", wanted)


def of_lists(weight: Tensor, axis: int, *, grouped: bool) -> Tensor:
    """Weights in the shape of "none" in the order of the lists, (L,); the groups are at `axis`."""
    if grouped:
        weight = weight.movedim(axis, -1)
    return weight.reshape(-1)


def of_targets(class_weight: Tensor, layout: Layout, task: Task) -> Tensor:
    """The weight of each list's class, (L,), where its target is a class index."""
    if not task.target_per_list:
        wanted = "None for lists without a class: take class_dim=, or weight= for those of lists"
        raise ArgumentError("class_weight", f"a tensor for {task!r}", wanted)
    require_classes(class_weight, layout.rows[1])
    # What is left out, or will be refused, has any weight.
    targets = layout.targets.reshape(-1).long().clamp(0, class_weight.numel() - 1)
    return class_weight.to(targets.device)[targets]


def weights_of_classes(given: ArrayLike, task: TaskBase, class_dim: int | None) -> Tensor:
    """What a loss or a metric was made with as `class_weight`, (C,), a copy on the host.

    Raises:
        ArgumentError: they are no weights, or the lists have no class.
    """
    if class_dim is None and not getattr(task, "target_per_list", False):
        wanted = "None, or class_dim=, as its lists have no class; weight= takes those of lists"
        raise ArgumentError("class_weight", f"a value for {task!r}", wanted)
    try:
        weight = torch.as_tensor(given, dtype=torch.get_default_dtype(), device="cpu")
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentError("class_weight", repr(given), "numbers, one a class") from error
    if weight.ndim != 1 or not bool(((weight >= 0.0) & weight.isfinite()).all()):
        came = f"shape {tuple(weight.shape)}" if weight.ndim != 1 else f"{weight.tolist()}"
        raise ArgumentError("class_weight", came, "finite numbers >= 0, one a class, (C,)")
    return weight.detach().clone()


def at_home(weight: Tensor, given: ArrayLike) -> Tensor:
    """Weights where they were given: on the device of a tensor, else on the default one."""
    return weight.to(given.device if isinstance(given, Tensor) else torch.get_default_device())


def require_classes(class_weight: Tensor, classes: int) -> None:
    """Refuse weights that are not one a class."""
    if class_weight.shape != (classes,):
        alone = class_weight.ndim == 1
        came = f"{class_weight.numel()} weights" if alone else f"shape {tuple(class_weight.shape)}"
        raise ArgumentError(
            "class_weight", came, f"one a class, of which the scores have {classes}"
        )


def require_items(task: Task, weight: Tensor) -> None:
    """Refuse weights of items where the inference would no longer be exact.

    Raises:
        ArgumentError: saying what to do instead.
    """
    if not task.weighs_items:
        raise ArgumentError(
            "weight",
            f"weights of items, shape {tuple(weight.shape)}, for {task!r}, whose inference they "
            "would make inexact (docs/theory.md, section 13)",
            "one a list (the shape of reduction='none'); to weigh items draw rows in proportion "
            "to their weight, BalancedBatchSampler(targets, batch_size, weights=weights)",
        )
