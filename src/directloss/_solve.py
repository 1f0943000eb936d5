"""From rows of tensors to a solved update, on the host: read, solve, reduce, and back to rows."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from directloss._arguments import step as checked_step
from directloss._copies import from_host
from directloss._range import solve_in_range
from directloss._solution import Solution
from directloss._spread import Spread, pooled, within_lists
from directloss._terms import Asked, Numbers
from directloss._unit import solve_in_unit
from directloss._world import World
from directloss.errors import ArgumentError, UndefinedMetricError
from directloss.inference._kernel import Array
from directloss.inference.checks import silence_infinite
from directloss.lists import Layout, Lists, check_weights, class_sizes, read_lists

if TYPE_CHECKING:
    from directloss.tasks.base import Task

__all__ = [
    "LARGE",
    "TOLERANCE",
    "is_perfect",
    "leave_out",
    "measured_step",
    "reduced",
    "refuse_overflow",
    "solve",
    "solve_each",
    "spread_of",
    "step",
    "weighted",
]

TOLERANCE = 1e-9
"""Task losses that differ by less are the same."""

_FEW = 4
"""Lists up to which Python adds their values."""

LARGE = 3e4
"""Coefficients from which a gradient may be too large for half precision."""


def solve(
    task: Task,
    layout: Layout,
    numbers: Numbers,
    asked: Asked,
    list_weights: Array | None,
) -> tuple[Tensor, Tensor]:
    """Solve every term (coefficient, weight) of an update on every list.

    Args:
        numbers: coefficients and weights, one of each a term.
        list_weights: (L,), by which lists count; None: all alike.

    Returns:
        The value: a scalar, or for "none" (L,). And the gradient: the sum of coefficient * y as
        rows, with the reduction's factor, and 0 where a score is infinite. Both of the scores' type
        (float32 for half precisions) and on their device.
    """
    lists, values, combination, defined, size = solve_each(task, layout, numbers, asked)
    reduction, share, copies = asked.reduction, 1.0, layout.copies
    if list_weights is not None:
        values, shares = weighted(values, defined, list_weights, reduction)
        combination *= np.repeat(shares, np.diff(lists.offsets)).astype(combination.dtype)
    elif values.size != 1 and reduction != "none":
        values, share = reduced(values, defined, reduction)
    if copies > 1 and reduction != "mean":  # "mean" is that of all copies already
        values, share = values / copies, share / copies
    if asked.objective:
        with np.errstate(over="ignore"):  # a hinge past the largest float32 is infinite
            values = values.astype(combination.dtype)
    elif reduction == "none":
        values = values.astype(combination.dtype)
    else:  # sooner than `astype`
        values = np.array(values.item(), combination.dtype)
    if share != 1.0:
        combination *= combination.dtype.type(share)
    scores = layout.scores
    if size > LARGE:
        refuse_overflow(numbers, combination, scores.dtype)
    moved = lists.position is not None or lists.kept_index is not None
    rows = lists.scatter(combination, scores.shape) if moved or scores.ndim > 1 else combination
    if copies > 1:
        values, rows = _sum_of_copies(values, rows, copies, reduction)
    value = torch.from_numpy(values if reduction == "none" else values.reshape(()))
    gradient = torch.from_numpy(rows)
    if scores.is_cpu:
        return value, gradient
    return from_host(value, scores.device), from_host(gradient, scores.device)


def solve_each(
    task: Task, layout: Layout, numbers: Numbers, asked: Asked
) -> tuple[Lists, Array, Array, Array, float]:
    """As `solve`, before any reduction.

    Returns:
        The lists; their values, float64 (L,); the gradient of each, flat as the lists' scores and
        of their type; on which the metric is defined, bool (L,); and the largest coefficient.
    """
    lists, _ = read_lists(layout, task.read_targets, per_list=task.target_per_list)
    coefficients, weights = numbers
    in_scores = asked.in_scores
    solution, _, size = solve_in_unit(task, lists, weights, coefficients, in_scores=in_scores)
    defined, combination = solution.defined, solution.combination
    if not lists.finite:
        silence_infinite(lists.scores, combination)
    if asked.refuse_undefined and not defined.all():
        raise _undefined(task, lists, defined[: defined.size // layout.copies])
    if asked.skip_without_positives:
        leave_out(solution, lists, class_sizes(lists).positives == 0)
    values = solution.task_losses[:, 0]
    if asked.objective:
        values = solution.objective(np.array(weights), np.array(coefficients))
    return lists, values, combination, defined, size


def _sum_of_copies(values: Array, rows: Array, copies: int, reduction: str) -> tuple[Array, Array]:
    """Values and gradient of several copies of the lists, (copies * R, n), as those of one.

    The gradient is an array of its own, so that it keeps no memory of the copies.
    """
    first, second, *others = rows.reshape(copies, rows.shape[0] // copies, rows.shape[1])
    total = first + second
    for other in others:
        total += other
    return values.reshape(copies, -1).sum(0) if reduction == "none" else values, total


def reduced(values: Array, defined: Array, reduction: str) -> tuple[Array, float]:
    """The values of lists as one, (1,), and what their gradients are multiplied by.

    Finite where the mean is, though the sum be not.

    Args:
        values: float64 (L,), 0 where not `defined`.
        reduction: "mean" over the defined ones, or "sum".
    """
    count = max(int(np.count_nonzero(defined)), 1) if reduction == "mean" else 1
    mean = _sum(values) / count
    if not math.isfinite(mean):
        mean = np.add.reduce(values / count)
    return np.array([mean]), 1.0 / count


def _sum(values: Array) -> float:
    """An infinite one without a warning."""
    if 0 < values.size <= _FEW:  # sooner than numpy, and to the same bits
        first, *others = values.tolist()  # not `sum`, which from Python 3.12 on compensates
        total: float = reduce(operator.add, others, first)
        return total
    with np.errstate(over="ignore"):
        return float(np.add.reduce(values))


def weighted(values: Array, defined: Array, weights: Array, reduction: str) -> tuple[Array, Array]:
    """The values of lists with weights, and what each list's gradient is multiplied by, (L,).

    Args:
        values: float64 (L,), 0 where not `defined`.
        weights: (L,), >= 0.
        reduction: "mean", the weighted one over the defined lists (0 if they weigh nothing);
            "sum" or "none".

    Returns:
        The value, (1,), or for "none" (L,).

    Raises:
        ArgumentError: the weights are too few, too many, or no weights.
    """
    weights = weights.astype(np.float64)
    if weights.shape != values.shape:
        came = f"{weights.size} weights of lists"
        raise ArgumentError("weight", came, f"one a list, of which there are {values.size}")
    check_weights(weights)
    if reduction == "mean":
        total = weights[defined].sum()
        weights = weights / total if total > 0.0 else np.zeros(weights.size)
    products: Array = weights * values
    return products if reduction == "none" else products.sum(keepdims=True), weights


def step(stored: Tensor, layout: Layout, scale: float, *, together: bool) -> Tensor:
    """`stored` unless it is NaN; then scale * the pooled spread of the scores, NaN if that is 0.

    Args:
        together: whether the scores of all processes are pooled, each of which has to come.
    """
    return measured_step(stored, lambda: spread_of(layout), scale, layout.scores, together=together)


def measured_step(
    stored: Tensor, measure: Callable[[], Spread], scale: float, scores: Tensor, *, together: bool
) -> Tensor:
    """As `step`.

    Args:
        measure: the spread of the scores of this process.
        scores: on the device by which processes reach each other.
    """
    value = float(stored)
    if not math.isnan(value):
        checked_step("step", value)
        return stored.clone()
    spread = _pooled(measure, World(scores.device) if together else None)
    try:
        value = checked_step("step", min(scale * spread.deviation, sys.float_info.max))
    except ArgumentError:  # no spread at all, or one whose inverse is infinite
        value = math.nan
    return torch.full_like(stored, value)


def spread_of(layout: Layout) -> Spread:
    """Of the scores that take part, within their lists."""
    return within_lists(read_lists(layout, np.asarray)[0])


def leave_out(solution: Solution, lists: Lists, left_out: Array) -> None:
    """Makes the metric undefined on some lists: loss 0 and gradient 0.

    Args:
        left_out: bool (L,).
    """
    if not left_out.any():
        return
    for name in ("task_losses", "values", "defined"):
        getattr(solution, name)[left_out] = 0
    solution.combination[np.repeat(left_out, np.diff(lists.offsets))] = 0


def is_perfect(task: Task, layout: Layout, *, skip_without_positives: bool = False) -> bool:
    """Whether the prediction has the least Delta on every list that is defined, if any is."""
    lists, _ = read_lists(layout, task.read_targets, per_list=task.target_per_list)
    finite = np.abs(lists.scores[np.isfinite(lists.scores)], dtype=np.float64)
    # Beside so large a weight F does not count. Not the ground truth at -infinity, whose solver may
    # refuse a long list.
    largest = min(max(1.0, finite.max(initial=0.0)), TOLERANCE * np.finfo(np.float64).max)
    weight = -largest / TOLERANCE
    solution = solve_in_range(task.solve, lists, np.array([0.0, weight]), np.zeros(2))
    if skip_without_positives:
        leave_out(solution, lists, class_sizes(lists).positives == 0)
    found, least = solution.task_losses[solution.defined].T
    return found.size > 0 and bool((found <= least + TOLERANCE).all())


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


def refuse_overflow(numbers: Numbers, combination: Array, dtype: torch.dtype) -> None:
    """Refuse coefficients that make an infinite gradient of scores of a type."""
    if (np.abs(combination) <= torch.finfo(dtype).max).all():
        return
    raise ArgumentError(
        "epsilon",
        f"{1.0 / np.abs(numbers[0]).max():g}, so that the gradient is infinite",
        f"an epsilon whose inverse fits the scores' type, {str(dtype).removeprefix('torch.')}",
    )


def _undefined(task: Task, lists: Lists, defined: Array) -> UndefinedMetricError:
    """What is wrong with the first of the lists, as many as `defined` has."""
    where = np.flatnonzero(~defined)
    first = int(where[0])
    size = lists.offsets[first + 1] - lists.offsets[first]
    return UndefinedMetricError(
        "targets",
        f"{where.size} of {defined.size} lists on which {task!r} is undefined "
        f"(first: list {first}, of {size} entries)",
        "lists on which it is defined, or empty='skip'",
    )
