"""From tensors of scores to a solved update: layout, host, task, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict, Unpack

import numpy as np
import torch
from torch import Tensor

from directloss.errors import ArgumentError, UndefinedMetricError
from directloss.lists import Dim, Layout, Lists, read_lists
from directloss.tasks.base import Task

__all__ = ["LayoutOptions", "Reduction", "Solved", "Step", "auto_epsilon", "solve"]

Reduction = Literal["mean", "sum", "none"]
Empty = Literal["skip", "error"]
Step = float | Tensor
"""A number, or a 0-d tensor where Python must not look at it (a traced graph)."""


class LayoutOptions(TypedDict, total=False):
    """What says which scores form a list; see `directloss.DirectLoss`."""

    dim: Dim
    mask: Tensor | None
    groups: Tensor | None
    ignore_index: int | None
    empty: Empty


@dataclass(frozen=True, slots=True)
class Solved:
    """The terms of an update, solved for a tensor of scores.

    Attributes:
        rows: the scores as rows (R, n), float32 or float64, with gradient, infinities as 0.
        combination: sum of coefficient * y as rows (R, n), constant.
        task_losses, values: (L, T), Delta and F of each list and term, constant.
        defined: bool (L,).
        weights, coefficients: (T,), of the terms.
    """

    layout: Layout
    rows: Tensor
    combination: Tensor
    task_losses: Tensor
    values: Tensor
    defined: Tensor
    weights: Tensor
    coefficients: Tensor
    groups: Tensor | None

    def objective(self) -> Tensor:
        """Sum of coefficient * (F + weight * Delta), (L,): what the terms descend along.

        The ground truth (weight -infinity) counts with its F alone. For the terms of direct loss
        this is the bound L_+ or L_-; for hinge and perceptron the loss itself.
        """
        finite = torch.where(torch.isinf(self.weights), 0.0, self.weights)
        return ((self.values + finite * self.task_losses) * self.coefficients).sum(-1)

    def reduce(self, values: Tensor, reduction: Reduction) -> Tensor:
        """Values of the lists, (L,), to what the loss returns; undefined lists count 0."""
        values = torch.where(self.defined, values, 0.0).to(self.rows.dtype)
        if reduction == "none":
            return self.layout.per_list(values, self._groups_a_row())
        return values.sum() * self._share(reduction)

    def score(self, configuration: Tensor, reduction: Reduction) -> Tensor:
        """F = <scores, configuration>, reduced; differentiable in the scores."""
        # Elementwise products, since a matrix product may round to shorter mantissas.
        products = self.rows * configuration
        if reduction != "none":
            return products.sum() * self._share(reduction)
        if self.groups is None:
            return self.layout.per_list(products.sum(-1), None)
        _, group = torch.unique(self.groups, return_inverse=True)
        sums = products.new_zeros(products.shape[0], self._groups_a_row() or 0)
        return self.layout.per_list(sums.index_add(1, group, products), sums.shape[1])

    def _share(self, reduction: Reduction) -> Tensor:
        if reduction == "sum":
            return self.rows.new_ones(())
        if reduction == "mean":
            return 1.0 / self.defined.sum().clamp(min=1).to(self.rows.dtype)
        raise ArgumentError("reduction", repr(reduction), "'mean', 'sum' or 'none'")

    def _groups_a_row(self) -> int | None:
        if self.groups is None:
            return None
        return self.defined.numel() // max(self.rows.shape[0], 1)


@dataclass(frozen=True, slots=True)
class Read:
    """Scores and targets as a task takes them.

    Attributes:
        rows: the scores as rows (R, n), with gradient.
        lists: the same on the host, without what is masked.
        group_row: integers (n,), or None.
    """

    layout: Layout
    rows: Tensor
    lists: Lists
    group_row: Tensor | None


def read(
    task: Task | None,
    scores: Tensor,
    targets: Tensor,
    *,
    dim: Dim = -1,
    mask: Tensor | None = None,
    groups: Tensor | None = None,
    ignore_index: int | None = None,
    empty: Empty = "skip",
) -> Read:
    """Check the arguments and bring them to the host; without a task, targets are not checked."""
    if empty not in ("skip", "error"):
        raise ArgumentError("empty", repr(empty), "'skip' or 'error'")
    layout = Layout.of(scores, dim)
    per_list = task.target_per_list if task else targets.ndim < scores.ndim
    target_rows = layout.targets_to_rows(targets, per_list=per_list)
    if mask is not None:
        mask = layout.targets_to_rows(mask, per_list=per_list, name="mask")
    if groups is not None:
        groups = layout.groups_to_row(groups)
    rows = layout.to_rows(scores)
    if rows.dtype in (torch.float16, torch.bfloat16):
        rows = rows.float()
    reader = task.read_targets if task else np.asarray
    lists, _ = read_lists(
        rows, target_rows, mask, groups, read_targets=reader, ignore_index=ignore_index
    )
    return Read(layout, rows, lists, groups)


def solve(
    task: Task,
    scores: Tensor,
    targets: Tensor,
    terms: Sequence[tuple[Step, Step]],
    **options: Unpack[LayoutOptions],
) -> Solved:
    """Solve every term (coefficient, weight) on every list of `scores`.

    Raises:
        ArgumentError: an argument has the wrong shape, type or value, or a score is NaN.
        UndefinedMetricError: with ``empty="error"``, for a list without a defined metric.
    """
    with torch.autocast(scores.device.type, enabled=False):
        given = read(task, scores, targets, **options)
        coefficients = np.array([float(c) for c, _ in terms])
        weights = np.array([float(w) for _, w in terms])
        solution = task.solve(given.lists, weights, coefficients)
        if options.get("empty") == "error" and not solution.defined.all():
            _refuse_undefined(task, given.lists, solution.defined)
        device = scores.device
        # float64 does not exist on every device.
        wide = torch.float32 if device.type == "mps" else torch.float64
        combination = given.lists.scatter(solution.combination, given.layout.rows)
        return Solved(
            given.layout,
            torch.nan_to_num(given.rows, nan=0.0, posinf=0.0, neginf=0.0),
            torch.from_numpy(combination).to(device),
            torch.from_numpy(solution.task_losses).to(device, wide),
            torch.from_numpy(solution.values).to(device, wide),
            torch.from_numpy(solution.defined).to(device),
            torch.from_numpy(weights).to(device, wide),
            torch.from_numpy(coefficients).to(device, wide),
            given.group_row,
        )


def auto_epsilon(
    scores: Tensor, targets: Tensor | None = None, **options: Unpack[LayoutOptions]
) -> float:
    """The pooled within-list standard deviation of the finite scores that take part.

    sqrt(sum over lists and entries of (phi - mean of the list)^2 / number of entries), in units of
    the scores; 0 where there is nothing to measure.

    Args:
        scores: as for the losses.
        targets: needed only where `ignore_index` or a NaN target leaves entries out.
        options: dim, mask, groups, ignore_index as for the losses.
    """
    squares, count = spread_sums(scores, targets, **options)
    return float(np.sqrt(squares / count)) if count else 0.0


def spread_sums(
    scores: Tensor, targets: Tensor | None, **options: Unpack[LayoutOptions]
) -> tuple[float, int]:
    """Sum of squared deviations from the lists' means, and the number of scores in it."""
    if targets is None:
        targets = torch.zeros(scores.shape, dtype=torch.uint8)
    return within_list_squares(read(None, scores, targets, **options).lists)


def within_list_squares(lists: Lists) -> tuple[float, int]:
    """Sum of squared deviations of finite scores from their list's mean, and their number."""
    scores = lists.scores.astype(np.float64)
    owner = np.repeat(np.arange(len(lists)), np.diff(lists.offsets))
    finite = np.isfinite(scores)
    scores, owner = scores[finite], owner[finite]
    counts = np.bincount(owner, minlength=len(lists))
    means = np.bincount(owner, scores, minlength=len(lists)) / np.maximum(counts, 1)
    return float(np.square(scores - means[owner]).sum()), scores.size


def _refuse_undefined(task: Task, lists: Lists, defined: np.ndarray) -> None:
    where = np.flatnonzero(~defined)
    first = int(where[0])
    start, stop = lists.offsets[first], lists.offsets[first + 1]
    raise UndefinedMetricError(
        "targets",
        f"{where.size} of {len(lists)} lists on which {type(task).__name__} is undefined "
        f"(first: list {first}, of {stop - start} entries)",
        "lists on which it is defined, or empty='skip'",
    )
