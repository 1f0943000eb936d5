"""The updates as modules: direct loss, hinge, perceptron."""

from __future__ import annotations

import math
import warnings
from typing import Literal

import torch
from torch import Tensor, nn

from directloss import functional
from directloss._solve import (
    Empty,
    LayoutOptions,
    Reduction,
    Solved,
    solve,
    spread_sums,
)
from directloss.diagnostics import Diagnostics, diagnose
from directloss.errors import ArgumentError
from directloss.lists import Dim
from directloss.tasks.base import Direction, Task

__all__ = ["DirectLoss", "HingeLoss", "PerceptronLoss"]

Auto = Literal["auto"]

QUIET_BATCHES = 50
"""Training batches in a row without any gradient before one warning is given."""


class _TaskLoss(nn.Module):
    """What the three updates share: the task, the layout, and a step that may set itself."""

    _quiet_batches: int = 0

    def __init__(
        self,
        task: Task,
        *,
        dim: Dim = -1,
        reduction: Reduction = "mean",
        ignore_index: int | None = None,
        empty: Empty = "skip",
    ) -> None:
        super().__init__()
        if not isinstance(task, Task):
            raise ArgumentError("task", repr(task), "a task such as AveragePrecision()")
        if reduction not in ("mean", "sum", "none"):
            raise ArgumentError("reduction", repr(reduction), "'mean', 'sum' or 'none'")
        if empty not in ("skip", "error"):
            raise ArgumentError("empty", repr(empty), "'skip' or 'error'")
        self.task = task
        self.dim = dim
        self.reduction: Reduction = reduction
        self.ignore_index = ignore_index
        self.empty: Empty = empty

    def _layout(self, mask: Tensor | None, groups: Tensor | None) -> LayoutOptions:
        return {
            "dim": self.dim,
            "mask": mask,
            "groups": groups,
            "ignore_index": self.ignore_index,
            "empty": self.empty,
        }

    def _step(self, name: str, scores: Tensor, targets: Tensor, layout: LayoutOptions) -> float:
        """The step as a number; an unset one is measured, and kept in training mode."""
        stored: Tensor = getattr(self, name)
        step = float(stored)
        if not math.isnan(step):
            return step
        spread = _pooled_spread(scores, targets, layout)
        if spread == 0.0:  # nothing to measure yet: stand in, and try the next batch
            return self.task.epsilon_scale
        step = self.task.epsilon_scale * spread
        if self.training:
            stored.fill_(step)
        return step

    def _set_step(self, name: str, value: float | Auto) -> None:
        if value == "auto":
            value = math.nan
        elif isinstance(value, str):
            raise ArgumentError(name, repr(value), "a positive finite number, or 'auto'")
        else:
            functional.require_positive(name, value)
        self.register_buffer(name, torch.tensor(float(value), dtype=torch.float32))

    def _watch(self, solved: Solved) -> None:
        """Count training batches without gradient; say once, when it lasts, which knob to turn."""
        if not self.training or self._quiet_batches > QUIET_BATCHES:
            return
        # Equal values are cheap to see and come with every zero gradient.
        same = (solved.task_losses == solved.task_losses[:, :1]).all()
        if not bool(same) or bool(solved.combination.any()):
            self._quiet_batches = 0
            return
        self._quiet_batches += 1
        if self._quiet_batches == QUIET_BATCHES:
            self._quiet_batches += 1
            warnings.warn(self._advice(), UserWarning, stacklevel=4)

    def _advice(self) -> str:
        return (
            f"{type(self).__name__}({self.task!r}) gave no gradient for {QUIET_BATCHES} training "
            "batches in a row: either every list is ranked without loss, or no list has both "
            "classes (batches need positives: see BalancedBatchSampler)"
        )


class DirectLoss(_TaskLoss):
    r"""Direct loss minimization: the gradient of the expected task loss.

    .. math:: \nabla E[\Delta(y_w)] = \lim_{\epsilon \to 0} \pm\frac1\epsilon
              E[\nabla F(y_{direct}) - \nabla F(y_w)], \quad
              y_{direct} = \arg\max_y F(y) \pm \epsilon \Delta(y)

    The value is the task loss of the prediction, exactly (1 - AP for `AveragePrecision`), in every
    direction. It is not an integral of the gradient: gradient checks and line searches on it do
    not apply. The size of the gradient goes with 1/epsilon.

    Args:
        task: the metric, such as ``AveragePrecision()``.
        epsilon: a positive number in the units that the task's docstring states, or "auto": the
            pooled within-list standard deviation of the first training batch that has one, times
            ``task.epsilon_scale``, then held fixed and kept in ``state_dict()``.
        direction: "positive" (away from worse), "negative" (toward better), "both" (the mean of
            the two, a central difference); None takes ``task.direction``.
        dim: the axis, or axes, whose entries form one list. (n,) is one list; (..., n) one a row;
            (n, C) with ``dim=0`` one a column.
        reduction: "mean" over the lists on which the metric is defined (0 if there are none),
            "sum", or "none": one value a list, in the shape without `dim`.
        ignore_index: target value that leaves its entry out.
        empty: "skip" counts a list on which the metric is undefined as 0 with gradient 0 and
            leaves it out of the mean; "error" raises.

    Example:
        >>> loss_fn = DirectLoss(AveragePrecision())
        >>> loss = loss_fn(model(x), y)  # 1 - AP of the batch
        >>> loss.backward()

    Source: Song, Schwing, Zemel, Urtasun, ICML 2016, theorem 1.
    """

    epsilon: Tensor

    def __init__(
        self,
        task: Task,
        *,
        epsilon: float | Auto = "auto",
        direction: Direction | None = None,
        dim: Dim = -1,
        reduction: Reduction = "mean",
        ignore_index: int | None = None,
        empty: Empty = "skip",
    ) -> None:
        super().__init__(task, dim=dim, reduction=reduction, ignore_index=ignore_index, empty=empty)
        if direction not in (None, "positive", "negative", "both"):
            raise ArgumentError(
                "direction", repr(direction), "'positive', 'negative', 'both' or None"
            )
        self.direction: Direction = direction or task.direction
        self._set_step("epsilon", epsilon)

    def forward(
        self,
        scores: Tensor,
        targets: Tensor,
        *,
        mask: Tensor | None = None,
        groups: Tensor | None = None,
    ) -> Tensor:
        """The task loss, with the direct loss gradient.

        Args:
            scores: any floating type, raw scores (not probabilities).
            targets: bool, int or float in the shape of `scores`, as the task wants them; NaN
                leaves an entry out.
            mask: bool in the shape of `targets`; False leaves an entry out.
            groups: integers along `dim`, in any order: entries of equal number form a list.

        Raises:
            ArgumentError: an argument has the wrong shape, type or value.
            NonFiniteScoreError: a score that takes part is NaN. Nothing has been updated.
        """
        layout = self._layout(mask, groups)
        epsilon = self._step("epsilon", scores, targets, layout)
        terms = functional.direct_terms(epsilon, self.direction)
        solved = solve(self.task, scores, targets, terms, **layout)
        self._watch(solved)
        return functional.reduced(solved, solved.task_losses[:, 0], self.reduction)

    def bounds(
        self,
        scores: Tensor,
        targets: Tensor,
        *,
        mask: Tensor | None = None,
        groups: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """(L_-, L_+), the scalars of the two directions: L_- <= Delta(y_w) <= L_+."""
        layout = self._layout(mask, groups)
        epsilon = self._step("epsilon", scores, targets, layout)
        bounds = []
        for direction in ("negative", "positive"):
            terms = functional.direct_terms(epsilon, direction)
            solved = solve(self.task, scores, targets, terms, **layout)
            bounds.append(solved.reduce(solved.objective(), self.reduction))
        return bounds[0], bounds[1]

    def diagnostics(
        self,
        scores: Tensor,
        targets: Tensor,
        *,
        mask: Tensor | None = None,
        groups: Tensor | None = None,
    ) -> Diagnostics:
        """How epsilon relates to these scores, and what the update would do."""
        layout = self._layout(mask, groups)
        epsilon = self._step("epsilon", scores, targets, layout)
        return diagnose(self.task, scores, targets, float(epsilon), self.direction, layout)

    def _advice(self) -> str:
        return (
            f"DirectLoss({self.task!r}, direction={self.direction!r}) gave no gradient for "
            f"{QUIET_BATCHES} training batches in a row at epsilon {float(self.epsilon):g}. Raise "
            "epsilon (see diagnostics(...).epsilon_over_spread), take direction='both' where the "
            "task loss is at its extreme, and see that batches hold both classes "
            "(BalancedBatchSampler)"
        )

    def extra_repr(self) -> str:
        return f"{self.task!r}, epsilon={float(self.epsilon):g}, direction={self.direction!r}"


class HingeLoss(_TaskLoss):
    r"""Structured hinge loss with margin rescaling.

    .. math:: L = \max_y [F(y) + m \Delta(y)] - F(y^*) \ge 0

    with y* of least Delta, and among those of largest F. For `ZeroOne` it is the hinge of a
    support vector machine. Convex in the scores where y* does not depend on them.

    Args:
        task: the metric.
        margin: m, a positive number in the units of epsilon, or "auto", by the rule of
            `DirectLoss`.
        dim, reduction, ignore_index, empty: as in `DirectLoss`.

    Source: Tsochantaridis et al. 2005; for AP Yue et al. 2007; section 5 of Song et al. 2016.
    """

    margin: Tensor

    def __init__(
        self,
        task: Task,
        *,
        margin: float | Auto = 1.0,
        dim: Dim = -1,
        reduction: Reduction = "mean",
        ignore_index: int | None = None,
        empty: Empty = "skip",
    ) -> None:
        super().__init__(task, dim=dim, reduction=reduction, ignore_index=ignore_index, empty=empty)
        self._set_step("margin", margin)

    def forward(
        self,
        scores: Tensor,
        targets: Tensor,
        *,
        mask: Tensor | None = None,
        groups: Tensor | None = None,
    ) -> Tensor:
        """The hinge; arguments and errors as in `DirectLoss.forward`."""
        layout = self._layout(mask, groups)
        margin = self._step("margin", scores, targets, layout)
        solved = solve(self.task, scores, targets, functional.hinge_terms(margin), **layout)
        return functional.reduced(solved, solved.objective(), self.reduction)

    def extra_repr(self) -> str:
        return f"{self.task!r}, margin={float(self.margin):g}"


class PerceptronLoss(_TaskLoss):
    r"""Structured perceptron.

    .. math:: L = F(y_w) - F(y^*), \qquad y_w = \arg\max_y F(y)

    Where y_w = y* it has no gradient: it stops at the first separating scores.

    Args:
        task, dim, reduction, ignore_index, empty: as in `DirectLoss`.

    Source: Collins 2002; section 5 of Song et al. 2016.
    """

    def forward(
        self,
        scores: Tensor,
        targets: Tensor,
        *,
        mask: Tensor | None = None,
        groups: Tensor | None = None,
    ) -> Tensor:
        """The perceptron loss; arguments and errors as in `DirectLoss.forward`."""
        layout = self._layout(mask, groups)
        solved = solve(self.task, scores, targets, functional.perceptron_terms(), **layout)
        return functional.reduced(solved, solved.objective(), self.reduction)

    def extra_repr(self) -> str:
        return f"{self.task!r}"


def _pooled_spread(scores: Tensor, targets: Tensor, layout: LayoutOptions) -> float:
    """Standard deviation within lists, pooled over processes where there are several."""
    squares, count = spread_sums(scores, targets, **layout)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        sums = torch.tensor([squares, float(count)], dtype=torch.float64, device=scores.device)
        torch.distributed.all_reduce(sums)
        squares, count = float(sums[0]), int(sums[1])
    return math.sqrt(squares / count) if count else 0.0
