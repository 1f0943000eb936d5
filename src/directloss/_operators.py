"""What runs on the host, and its face towards torch's tracers.

Called plainly, `solve` and `step` are Python functions on numpy arrays. Under torch.compile and
torch.func, which cannot look into numpy, the same functions are operators of torch.library with a
fake that knows the shapes.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from directloss._arguments import step as checked_step
from directloss._spread import Spread, pooled, within_lists
from directloss._world import World
from directloss.errors import ArgumentError, UndefinedMetricError
from directloss.inference._kernel import Array
from directloss.inference.checks import silence_infinite
from directloss.lists import Lists, read_lists
from directloss.tasks._range import solve_in_range
from directloss.tasks.base import Task, task_by_number

__all__ = [
    "solve",
    "spread_of",
    "step",
    "traced",
    "transformed",
]

Terms = Sequence[tuple[float | Tensor, float | Tensor]]


def solve(
    task: Task,
    scores: Tensor,
    targets: Tensor,
    mask: Tensor | None,
    groups: Tensor | None,
    terms: Terms,
    ignore_index: int | None,
    *,
    refuse_undefined: bool,
    objective: bool,
    reduction: str,
) -> tuple[Tensor, Tensor, bool | None]:
    """The value that the loss shows, and the constant combination of configurations.

    Args:
        scores, targets, mask: rows (R, n) or one row (n,); or (R, 1) where a task has one target a
            list.
        groups: (n,).
        terms: (coefficient, weight).
        Others as in `directloss._solve.solve`.

    Returns:
        A scalar or, for reduction "none", (L,); and one in the scores' shape, scaled by the
        reduction. Both in the scores' type and on their device. And whether the latter is not 0
        everywhere, None for a traced graph.
    """
    if traced():
        flat = [
            part if isinstance(part, Tensor) else torch.tensor(part, dtype=torch.float64)
            for term in terms
            for part in term
        ]
        value, combination = _solve_operator(
            scores,
            targets,
            mask,
            groups,
            torch.stack([part.to("cpu", torch.float64) for part in flat]),
            task.number,
            ignore_index,
            refuse_undefined,
            objective,
            reduction,
        )
        return value, combination, None
    return _solve(
        task,
        scores,
        targets,
        mask,
        groups,
        np.array([[float(part) for part in parts] for parts in zip(*terms, strict=True)]),
        ignore_index,
        refuse_undefined,
        objective,
        reduction,
    )


def step(
    stored: Tensor,
    scores: Tensor,
    targets: Tensor,
    mask: Tensor | None,
    groups: Tensor | None,
    ignore_index: int | None,
    scale: float,
    *,
    together: bool,
) -> Tensor:
    """`stored` unless it is NaN; then scale * the pooled spread of the scores, NaN if that is 0.

    Args:
        together: whether the scores of all processes are pooled, each of which has to come.
    """
    function = _step_operator if traced() else _step
    result: Tensor = function(stored, scores, targets, mask, groups, ignore_index, scale, together)
    return result


def spread_of(
    scores: Tensor,
    targets: Tensor,
    mask: Tensor | None,
    groups: Tensor | None,
    ignore_index: int | None,
) -> Spread:
    """Of the scores that take part, within their lists."""
    lists, _ = read_lists(
        scores, targets, mask, groups, read_targets=np.asarray, ignore_index=ignore_index
    )
    return within_lists(lists)


def traced() -> bool:
    """Whether tensors may be stand-ins without data: a graph is traced, or a transform is on."""
    return torch.compiler.is_compiling() or transformed()


def transformed() -> bool:
    """Whether a torch.func transform is on, which forbids to write to what it did not make."""
    return bool(torch._C._are_functorch_transforms_active())


def _solve(
    task: Task,
    scores: Tensor,
    targets: Tensor,
    mask: Tensor | None,
    groups: Tensor | None,
    terms: Array,
    ignore_index: int | None,
    refuse_undefined: bool,
    objective: bool,
    reduction: str,
) -> tuple[Tensor, Tensor, bool]:
    lists, _ = read_lists(
        scores,
        targets,
        mask,
        groups,
        read_targets=task.read_targets,
        ignore_index=ignore_index,
        per_list=task.target_per_list,
    )
    coefficients, weights = terms[0], terms[1]
    solution = solve_in_range(task.solve, lists, weights, coefficients)
    defined, combination = solution.defined, solution.combination
    moves = solution.moves
    if moves is None:
        moves = silence_infinite(lists.scores, combination)
    if refuse_undefined and not defined.all():
        raise _undefined(task, lists, defined)
    if np.abs(coefficients).max() > _LARGE and not np.isfinite(combination).all():
        raise _too_large(coefficients, combination)
    losses = solution.task_losses[:, 0]
    values = solution.objective(weights, coefficients) if objective else losses
    if not (values.size == 1 or reduction == "none"):
        count = max(int(np.count_nonzero(defined)), 1) if reduction == "mean" else 1
        with np.errstate(over="ignore"):
            mean = values.sum(keepdims=True) / count
        # The sum of huge values overflows, their mean does not.
        values = mean if np.isfinite(mean) else (values / count).sum(keepdims=True)
        if count > 1:
            combination *= combination.dtype.type(1.0 / count)
    if objective:
        with np.errstate(over="ignore"):  # a hinge past the largest float32 is infinite
            values = values.astype(combination.dtype)
    else:
        values = values.astype(combination.dtype)
    value = torch.from_numpy(values if reduction == "none" else values.reshape(()))
    rows = torch.from_numpy(lists.scatter(combination, scores.shape))
    if not scores.is_cpu:
        value, rows = value.to(scores.device), rows.to(scores.device)
    return value, rows, moves


def _step(
    stored: Tensor,
    scores: Tensor,
    targets: Tensor,
    mask: Tensor | None,
    groups: Tensor | None,
    ignore_index: int | None,
    scale: float,
    together: bool,
) -> Tensor:
    value = float(stored)
    if not math.isnan(value):
        checked_step("step", value)
        return stored.clone()
    spread = _pooled(
        lambda: spread_of(scores, targets, mask, groups, ignore_index),
        World(scores.device) if together else None,
    )
    try:
        value = checked_step("step", min(scale * spread.deviation, sys.float_info.max))
    except ArgumentError:  # no spread at all, or one whose inverse is infinite
        value = math.nan
    return torch.full_like(stored, value)


def _pooled(measure: Callable[[], Spread], world: World | None) -> Spread:
    """The spread of the scores of all processes of a world.

    Raises:
        RankError: on all processes, if the scores of one cannot be read.
    """
    if world is None or world.size == 1:
        return measure()
    own, failure = None, None
    try:
        own = measure()
    except Exception as error:
        failure = error
    return pooled(world.agree(failure, own))


_LARGE = 1e30
"""Coefficients from which a gradient may be too large for float32."""


def _too_large(coefficients: Array, combination: Array) -> ArgumentError:
    return ArgumentError(
        "epsilon",
        f"{1.0 / np.abs(coefficients).max():g}, so that the gradient is infinite",
        f"an epsilon whose inverse fits the scores' type, {combination.dtype}",
    )


def _undefined(task: Task, lists: Lists, defined: Array) -> UndefinedMetricError:
    where = np.flatnonzero(~defined)
    first = int(where[0])
    size = lists.offsets[first + 1] - lists.offsets[first]
    return UndefinedMetricError(
        "targets",
        f"{where.size} of {len(lists)} lists on which {task!r} is undefined "
        f"(first: list {first}, of {size} entries)",
        "lists on which it is defined, or empty='skip'",
    )


@torch.library.custom_op("directloss::solve", mutates_args=())
def _solve_operator(
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
) -> tuple[Tensor, Tensor]:
    value, combination, _ = _solve(
        task_by_number(task),
        scores,
        targets,
        mask,
        groups,
        np.ascontiguousarray(terms.reshape(-1, 2).numpy().T),
        ignore_index,
        refuse_undefined,
        objective,
        reduction,
    )
    return value, combination


@_solve_operator.register_fake
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
) -> tuple[Tensor, Tensor]:
    combination = torch.empty_like(scores, memory_format=torch.contiguous_format)
    if reduction != "none":
        return scores.new_empty(()), combination
    lists: Any = scores.shape[0] if scores.ndim == 2 else 1
    if groups is not None:  # their number is in the data
        lists = lists * torch.library.get_ctx().new_dynamic_size()
    return scores.new_empty((lists,)), combination


@torch.library.custom_op("directloss::step", mutates_args=())
def _step_operator(
    stored: Tensor,
    scores: Tensor,
    targets: Tensor,
    mask: Tensor | None,
    groups: Tensor | None,
    ignore_index: int | None,
    scale: float,
    together: bool,
) -> Tensor:
    return _step(stored, scores, targets, mask, groups, ignore_index, scale, together)


@_step_operator.register_fake
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


def _one_by_one(info: Any, in_dims: Sequence[int | None], *arguments: Any) -> Any:
    """vmap as a loop: every sample is an update of its own, with its own reduction."""
    outputs = []
    for sample in range(info.batch_size):
        chosen = [
            argument if dim is None else argument.select(dim, sample)
            for argument, dim in zip(arguments, in_dims, strict=True)
        ]
        outputs.append(_solve_operator(*chosen))
    return tuple(torch.stack(parts) for parts in zip(*outputs, strict=True)), (0, 0)


_solve_operator.register_vmap(_one_by_one)
