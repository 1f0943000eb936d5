"""From tensors of scores to a solved update: layout, host, task, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypedDict, Unpack

import torch
from torch import Tensor

from directloss import _operators
from directloss.errors import ArgumentError
from directloss.lists import Dim, Layout, widened
from directloss.tasks.base import Task

__all__ = [
    "Empty",
    "LayoutOptions",
    "Reduction",
    "Solved",
    "Step",
    "auto_epsilon",
    "measured_step",
    "read",
    "solve",
    "with_slope",
]

Reduction = Literal["mean", "sum", "none"]
Empty = Literal["skip", "error"]
Shown = Literal["prediction", "objective"]
Step = float | Tensor
"""A number, or a 0-d tensor where Python must not look at it (a traced graph)."""


class LayoutOptions(TypedDict, total=False):
    """What says which scores form a list; see `directloss.DirectLoss`."""

    dim: Dim
    mask: Tensor | None
    groups: Tensor | None
    ignore_index: int | None
    empty: Empty


_TORCH_GRAIN = 1 << 15
"""Entries of a tensor from which torch uses several threads for one pass (at::GRAIN_SIZE)."""


def _scaled(slope: Tensor, factor: Tensor) -> Tensor:
    """slope * factor, without waking torch's workers where that can be."""
    if slope.numel() < _TORCH_GRAIN or not slope.is_cpu or factor.requires_grad:
        return slope * factor
    try:
        number = factor.numpy(force=True)
    except RuntimeError:  # a stand-in for a batch of factors, as of `is_grads_batched`
        return slope * factor
    # torch shares a long product out to its OpenMP workers, and those spin for milliseconds after
    # it, on the very processors that the threads of the next solve wait for.
    return torch.from_numpy(slope.numpy(force=True) * number)


class _Shown(torch.autograd.Function):
    """A value, with a constant gradient in the scores: an update as one node of the graph."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, value_and_slope: tuple[Tensor, Tensor]) -> Tensor:
        value, slope = value_and_slope
        ctx.save_for_backward(slope)
        return value

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        # float32 for half scores; the engine narrows it.
        return _scaled(slope, gradient), None


def with_slope(scores: Tensor, value: Tensor, slope: Tensor) -> Tensor:
    """`value`, a scalar, with the gradient `slope`, in the shape of the scores; both constant."""
    loss: Tensor = _Shown.apply(scores, (value, slope))
    return loss


class _Linear(torch.autograd.Function):
    """scores * y, entry by entry, measured from the scores at hand: 0, with gradient y.

    In half of the passes over memory that the same expression takes; and no score, however large,
    can make it overflow.
    """

    @staticmethod
    def forward(ctx: Any, scores: Tensor, configuration: Tensor) -> Tensor:
        ctx.save_for_backward(configuration)
        return torch.zeros_like(scores)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (configuration,) = ctx.saved_tensors
        return gradient * configuration, None


def _linear(scores: Tensor, configuration: Tensor) -> Tensor:
    if not _operators.traced():
        products: Tensor = _Linear.apply(scores, configuration)
        return products
    # For tracers and transforms, the same in operations that they know how to differentiate.
    finite = torch.nan_to_num(scores, nan=0.0, posinf=0.0, neginf=0.0)
    return (finite - finite.detach()) * configuration


class Rows(NamedTuple):
    """A call's tensors as rows (R, n) or (n,), a list a row before mask and groups; no gradient."""

    layout: Layout
    scores: Tensor
    targets: Tensor
    mask: Tensor | None
    groups: Tensor | None


@dataclass(slots=True)
class Solved:
    """The terms of an update, solved for a tensor of scores.

    Attributes:
        scores: as given, with gradient.
        combination: the sum of coefficient * y over the terms, rows (R, n) or (n,), constant; it
            holds the reduction's factor, and 0 where a score is infinite.
        value: what the loss shows: a scalar, or one entry a list in the shape without `dim`.
        moves: whether `combination` is not 0 everywhere; None where Python must not look.
    """

    layout: Layout
    scores: Tensor
    combination: Tensor
    value: Tensor
    groups: Tensor | None
    reduction: Reduction
    moves: bool | None

    def shown(self) -> Tensor:
        """`value`, with the gradient of `combination`; for a scalar, and not for a traced graph."""
        return with_slope(self.scores, self.value, self.layout.from_rows(self.combination))

    def score(self, configuration: Tensor) -> Tensor:
        """F = <scores, configuration> up to a constant, in the shape of `value`; differentiable."""
        products = _linear(widened(self.layout.to_rows(self.scores)), configuration)
        if self.reduction != "none":
            return products.sum()
        if self.groups is None:
            return self.layout.per_list(products.sum(-1), None)
        ids, group = torch.unique(self.groups, return_inverse=True)
        products = products.reshape(self.layout.rows)
        sums = products.new_zeros(products.shape[0], ids.numel())
        return self.layout.per_list(sums.index_add(1, group, products), ids.numel())


def read(
    scores: Tensor,
    targets: Tensor,
    *,
    target_per_list: bool,
    dim: Dim = -1,
    mask: Tensor | None = None,
    groups: Tensor | None = None,
    ignore_index: int | None = None,
    empty: Empty = "skip",
) -> Rows:
    """Check shapes and types, which a traced graph knows too, and bring the list axes last."""
    layout = Layout.of(scores, dim)
    return Rows(
        layout,
        widened(layout.to_rows(scores.detach())),
        layout.targets_to_rows(targets, per_list=target_per_list),
        None if mask is None else layout.mask_to_rows(mask, per_list=target_per_list),
        None if groups is None else layout.groups_to_row(groups),
    )


def solve(
    task: Task,
    scores: Tensor,
    targets: Tensor,
    terms: Sequence[tuple[Step, Step]],
    *,
    shown: Shown = "prediction",
    reduction: Reduction = "mean",
    **options: Unpack[LayoutOptions],
) -> Solved:
    """Solve every term (coefficient, weight) on every list of `scores`.

    Args:
        shown: what `Solved.value` is, of each list: "prediction", Delta of the first term; or
            "objective", the sum of coefficient * (F + weight * Delta), which the terms descend
            along (with its F alone for the ground truth, weight -infinity). For the terms of
            direct loss that is the bound L_+ or L_-; for hinge and perceptron the loss.

    Raises:
        ArgumentError: an argument has the wrong shape, type or value, or a score is NaN.
        UndefinedMetricError: with ``empty="error"``, for a list without a defined metric.
    """
    if reduction not in ("mean", "sum", "none"):
        raise ArgumentError("reduction", repr(reduction), "'mean', 'sum' or 'none'")
    rows = read(scores, targets, target_per_list=task.target_per_list, **options)
    value, combination, moves = _operators.solve(
        task,
        rows.scores,
        rows.targets,
        rows.mask,
        rows.groups,
        terms,
        options.get("ignore_index"),
        refuse_undefined=options.get("empty") == "error",
        objective=shown == "objective",
        reduction=reduction,
    )
    if reduction == "none":
        groups = None if rows.groups is None else torch.unique(rows.groups).numel()
        value = rows.layout.per_list(value, groups)
    return Solved(
        rows.layout,
        scores,
        combination,
        value,
        rows.groups,
        reduction,
        moves,
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
    if targets is None:
        targets = torch.zeros(scores.shape, dtype=torch.uint8)
    rows = read(scores, targets, target_per_list=targets.ndim < scores.ndim, **options)
    return _operators.spread_of(*rows[1:], options.get("ignore_index")).deviation


def measured_step(
    stored: Tensor,
    task: Task,
    scores: Tensor,
    targets: Tensor,
    options: LayoutOptions,
    *,
    together: bool,
) -> Tensor:
    """The step of ``epsilon="auto"``: `stored` if it is set, else what these scores give, else NaN.

    A scalar like `stored`. Where `together`, pooled over the processes of torch.distributed.
    """
    rows = read(scores, targets, target_per_list=task.target_per_list, **options)
    return _operators.step(
        stored,
        rows.scores,
        rows.targets,
        rows.mask,
        rows.groups,
        options.get("ignore_index"),
        task.epsilon_scale,
        together=together,
    )
