"""From rows of tensors to a solved update without leaving their device: `_solve` in torch alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from directloss._terms import Asked, Term
from directloss.inference.device import Solved, Solver
from directloss.lists import Layout, other_than, widened

if TYPE_CHECKING:
    from directloss.tasks.base import Task, TaskBase

__all__ = ["find", "solve", "step"]


def find(
    task: TaskBase, terms: Sequence[Term], layout: Layout | None, *, refuse_undefined: bool
) -> tuple[Solver[Any] | None, str | None]:
    """The solver of these terms on a device; or None, and for what there is none.

    Args:
        layout: None: of any lists for which there is one.
    """
    solver = task.on_device()
    if solver is None:
        return None, f"{task!r}, which is solved on the host alone"
    obstacle = solver.missing([term.kind for term in terms])
    if obstacle is None and refuse_undefined:
        obstacle = "empty='error', for which Python has to look at the data"
    if obstacle is None and layout is not None and layout.groups is not None:
        obstacle = "groups: their number and sizes stand in the data, on which shapes would depend"
    if obstacle is None and layout is not None and layout.item_weights is not None:
        obstacle = "weights of items"
    if obstacle is None and layout is not None and layout.scores.device.type == "mps":
        obstacle = "scores on a device without float64"
    return (solver, None) if obstacle is None else (None, obstacle)


def solve(
    task: Task,
    solver: Solver[Any],
    layout: Layout,
    terms: Sequence[Term],
    asked: Asked,
    list_weights: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """As `_solve.solve`; a list with a NaN score or a wrong target has value and gradient NaN."""
    reduction = asked.reduction
    if layout.scores.numel() == 0:  # no list has an item
        empty = widened(layout.scores.detach())
        none = empty.sum(-1).reshape(-1)
        values = none if reduction == "none" else none.sum()
        return _mean_of_copies(values, torch.zeros_like(empty), layout.copies, reduction)
    scores, targets, mask = _rows(layout)
    targets = task.labels_of(targets)
    wrong = (scores.isnan() | solver.wrong_targets(targets)) & mask
    positives = ((targets > 0) & mask).sum(-1)
    larger, factors = scores, None
    if asked.in_scores:  # as in `_unit`: the scores are larger instead of the weight being smaller
        factors = _factors(task, positives, mask.sum(-1) - positives)
        larger = scores * factors.to(scores.dtype)
    solved = solver.solve(larger, targets, mask, terms, with_values=asked.objective)
    if factors is not None:
        solved = solved._replace(combination=solved.combination * factors)
    if asked.skip_without_positives:
        solved = _leave_out(solved, positives == 0)
    refused = wrong.any(-1)
    values = _objective(terms, solved) if asked.objective else solved.task_losses[:, 0]
    values = torch.where(refused, math.nan, values)
    rows = torch.where(scores.isinf(), 0.0, solved.combination).to(scores.dtype)
    rows = torch.where(refused[:, None] & mask, math.nan, rows)
    if list_weights is not None:
        shares = list_weights.to(values.device, values.dtype)
        if reduction == "mean":
            total = torch.where(solved.defined, shares, 0.0).sum()
            shares = torch.where(total > 0.0, shares / total, 0.0)
        values, rows = values * shares, rows * shares.to(rows.dtype)[:, None]
        if reduction != "none":
            values = values.sum()
    elif reduction == "mean":
        share = 1.0 / solved.defined.sum().clamp(min=1).double()
        values, rows = values.sum() * share, rows * share.to(rows.dtype)
    elif reduction == "sum":
        values = values.sum()
    rows = rows.reshape(layout.scores.shape)
    return _mean_of_copies(values.to(rows.dtype), rows, layout.copies, reduction)


def _mean_of_copies(
    values: Tensor, rows: Tensor, copies: int, reduction: str
) -> tuple[Tensor, Tensor]:
    """Values and gradient of several copies of the lists, (copies * R, n), as those of one."""
    if copies == 1:
        return values, rows
    parts = rows.reshape(copies, rows.shape[0] // copies, rows.shape[1])
    if reduction == "mean":  # that of all copies already
        return values, parts.sum(0)
    values = values / copies
    if reduction == "none":
        values = values.reshape(copies, -1).sum(0)
    return values, (parts / copies).sum(0)


def _factors(task: Task, positives: Tensor, negatives: Tensor) -> Tensor:
    """What the scores of each list are multiplied by: a power of two, float64 (L, 1) or ()."""
    weights = task.unit_weights_of(positives.double(), negatives.double())
    if not isinstance(weights, Tensor):
        return torch.tensor(2.0 ** (1 - math.frexp(weights)[1]), dtype=torch.float64)
    exponents = 1 - torch.frexp(weights).exponent
    return torch.exp2(exponents.double())[:, None]


def _leave_out(solved: Solved, lists: Tensor) -> Solved:
    """Without these lists, as if the metric were undefined there."""
    rows = lists[:, None]
    return Solved(
        torch.where(rows, 0.0, solved.combination),
        torch.where(rows, 0.0, solved.task_losses),
        torch.where(rows, 0.0, solved.values),
        solved.defined & ~lists,
    )


def step(stored: Tensor, layout: Layout, share: float) -> Tensor:
    """As `_solve.step`, of this process alone."""
    scores, _, mask = _rows(layout)
    counted = mask & scores.isfinite()
    scores = torch.where(counted, scores, 0.0).double()
    size = counted.sum(-1, keepdim=True)
    mean = scores.sum(-1, keepdim=True) / size.clamp(min=1)
    squares = torch.where(counted, scores - mean, 0.0).square().sum()
    measured = share * (squares / size.sum().clamp(min=1)).sqrt()
    measured = torch.where(measured > 0.0, measured, math.nan)
    return torch.where(stored.isnan(), measured.to(stored.device), stored)


def _rows(layout: Layout) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, targets and mask (L, n)."""
    shape = (-1, layout.scores.shape[-1])
    scores = widened(layout.scores.detach()).reshape(shape)
    targets = layout.repeated(layout.targets).reshape(shape)
    mask = torch.ones_like(scores, dtype=torch.bool)
    if layout.mask is not None:
        mask = layout.repeated(layout.mask).reshape(shape)
    if targets.is_floating_point():
        mask = mask & ~targets.isnan()
    if layout.ignore_index is not None:
        mask = mask & other_than(targets, layout.ignore_index)
    return scores, targets, mask


def _objective(terms: Sequence[Term], solved: Solved) -> Tensor:
    """sum of coefficient * (F + weight * Delta), float64 (L,); F alone for the ground truth."""
    parts, used = [], []
    for index, term in enumerate(terms):
        coefficient, weight = term
        if not isinstance(coefficient, Tensor) and coefficient == 0.0:
            continue
        used.append(index)
        part = solved.values[:, index]
        if term.kind != "ground truth":
            part = part + weight * solved.task_losses[:, index]
        parts.append(coefficient * part)
    total = sum(parts[1:], parts[0])
    if len(used) == 2 and all(terms[index].kind != "ground truth" for index in used):
        # A direct loss: between the task losses of its two ends, where rounding may leave that.
        ends = solved.task_losses[:, used]
        total = total.clamp(ends.amin(-1), ends.amax(-1))
    return total
