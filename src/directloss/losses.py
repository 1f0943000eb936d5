"""The updates as modules: direct loss, hinge, perceptron."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from directloss import _device, functional
from directloss._arguments import index_number
from directloss._solver import Place, checked_place
from directloss._stepped import (
    QUIET_BATCHES,
    Auto,
    StepAttribute,
    SteppedModule,
    failing_together,
)
from directloss._terms import Step, Terms
from directloss._update import (
    Batch,
    ListBatch,
    Shown,
    require_empty,
    require_reduction,
    require_unit,
)
from directloss._weights import at_home, weights_of_classes
from directloss.diagnostics import Diagnostics, diagnose
from directloss.errors import ArgumentError
from directloss.lists import Dim, Empty, Reduction, Unit, WithoutPositives
from directloss.perturbation import Perturbation
from directloss.qrels import Qrels
from directloss.tasks.base import Direction, Task, TaskBase

if TYPE_CHECKING:
    from directloss.tasks.structured import LinearChain

__all__ = ["DirectLoss", "HingeLoss", "PerceptronLoss"]


_kept_terms = lru_cache(maxsize=16)(functional.direct_terms)
"""Those of a step that is a number: most batches ask for the same."""


class _TaskLoss(SteppedModule):
    """What the three updates share: the task, the layout, and a step that may set itself."""

    _ranked = False
    """Whether a batch had lists of several items."""

    _shown: ClassVar[Shown] = "objective"

    unit: Unit = "loss"

    perturbation: Perturbation | None

    class_weight: Tensor | None

    def __init__(
        self,
        task: TaskBase,
        *,
        dim: Dim | None = None,
        class_dim: int | None = None,
        class_weight: ArrayLike | None = None,
        reduction: Reduction = "mean",
        ignore_index: int | None = None,
        empty: Empty = "skip",
        without_positives: WithoutPositives | None = None,
        solver: Place | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(task, TaskBase):
            raise ArgumentError("task", repr(task), "a task such as AveragePrecision()")
        require_reduction(reduction)
        require_empty(empty)
        task.skips_without_positives(without_positives)
        self.task, self.perturbation = task, None
        self.class_dim = None if class_dim is None else task.check_class_dim(class_dim)
        if class_weight is None:
            self.class_weight = None
        else:  # a buffer, as in torch's losses
            self._given = weights_of_classes(class_weight, task, self.class_dim)
            self.register_buffer("class_weight", at_home(self._given, class_weight))
        if dim is None and class_dim is None:
            dim = -1
        self.dim: Dim | None = int(dim) if isinstance(dim, np.integer) else dim
        self.reduction: Reduction = reduction
        self.ignore_index = None if ignore_index is None else index_number(ignore_index)
        self.empty: Empty = empty
        self.without_positives: WithoutPositives | None = without_positives
        self._set_solver(solver)

    def _set_solver(self, place: Place | None) -> None:
        """Where this loss is solved; refused at once where that cannot be."""
        self.solver: Place | None = None if place is None else checked_place(place)
        if self.solver == "device":
            _, obstacle = _device.find(
                self.task, self._terms(1.0), None, refuse_undefined=self.empty == "error"
            )
            if obstacle is not None:
                raise ArgumentError("solver", "'device'", f"'host' or None for {obstacle}")

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        before = self.class_weight
        super()._apply(fn, recurse)
        now = self.class_weight
        if before is not None and now is not None and before.is_meta and not now.is_meta:
            now.copy_(self._given)  # after `to_empty`
        return self

    def _classes_shown(self) -> str:
        shown = "" if self.class_dim is None else f", class_dim={self.class_dim}"
        if self.class_weight is not None:
            shown += f", class_weight={self.class_weight.tolist()}"
        return shown

    @property
    def _share(self) -> float:
        return 1.0 if self.unit == "score" else self.task.epsilon_scale

    def _terms(self, step: Step) -> Terms:
        """The terms of the update."""
        raise NotImplementedError

    def forward(
        self,
        scores: Tensor | LinearChain,
        targets: Tensor | Qrels,
        *,
        weight: Tensor | None = None,
        mask: Tensor | None = None,
        groups: Tensor | None = None,
    ) -> Tensor:
        """The value of the loss, with its gradient.

        Args:
            scores: any floating type, raw scores (not probabilities); for `Chain` a `LinearChain`.
            targets: bool, int or float in the shape of `scores`, as the task wants them; NaN
                leaves an entry out. Or `Qrels`, the indices of the relevant items of each list.
                With `class_dim`: integers without that axis.
            weight: >= 0, by which lists count: one a list, in the shape that ``reduction="none"``
                returns. "mean" is then the weighted one, sum of w * loss over the sum of w of the
                lists on which the metric is defined, as in cross-entropy; "sum" and "none" are of
                w * loss. In the shape of the scores (with `class_dim` in that of the targets): of
                the items, where each item is decided by itself (`ZeroOne`, `BalancedError`); an
                item of weight 2 counts as two of weight 1. For other metrics such weights would
                make the inference inexact, and are refused: draw rows in proportion to theirs, as
                the samplers do with ``weights=``. "auto" measures scores without weights.
            mask: bool in the shape of `targets`; False leaves an entry out.
            groups: integers along `dim`, in any order: entries of equal number form a list.

        Raises:
            ArgumentError: an argument has the wrong shape, type or value.
            NonFiniteScoreError: a score that takes part is NaN. Nothing has been updated.
            UndefinedMetricError: with ``empty="error"``, for a list without a defined metric.
            RankError: where several processes measure a step together, in place of these.
        """
        step: Step | None = self._number()
        if step is not None and self.perturbation is None:  # there is nothing to be measured
            return self._loss(self._read(scores, targets, weight, mask, groups), step)
        measured = None
        # Several processes measure together, in training only, and what fails on one of them is
        # raised on all: the others would wait for it for ever.
        with failing_together(self, scores):
            batch = self._read(scores, targets, weight, mask, groups)
            if step is None:
                measured, step = self._measured(batch, together=self.training)
            loss = self._loss(batch, step)
        if measured is not None:
            self._keep(measured)
        return loss

    def _read(
        self,
        scores: Tensor | LinearChain,
        targets: Tensor | Qrels,
        weight: Tensor | None,
        mask: Tensor | None,
        groups: Tensor | None,
    ) -> Batch:
        batch = self.task.read(
            scores,
            targets,
            self.dim,
            mask,
            groups,
            self.ignore_index,
            self.empty,
            self.without_positives,
            self.class_dim,
        )
        if not self._ranked:
            self._check_lists(batch)
        if weight is not None or self.class_weight is not None:
            batch.weigh(weight, self.class_weight)
        if self.solver is not None:
            batch.on_device = batch.requires_device = self.solver == "device"
        return batch

    def _check_lists(self, batch: Batch) -> None:
        """Refuses lists of one item each until a batch had longer ones: some may be that short."""
        if not isinstance(batch, ListBatch) or not batch.task.ranks:
            return
        if torch.compiler.is_compiling():  # whose graphs keep no such note
            functional.refuse_lists_of_one(batch)
            return
        batch.refuse_lists_of_one()
        self._ranked = batch.rows[1] > 1

    def _loss(self, batch: Batch, step: Step) -> Tensor:
        training = self.training
        noise = self.perturbation if training else None
        if noise is not None:
            batch, scale = noise.copies(batch, together=True)
        terms = self._terms(step)
        if not (training or torch.is_grad_enabled()) and self._shown == "prediction":
            terms = Terms(terms[:1])  # the others make the gradient, which nobody can ask for
        loss, gradient = batch.solve(terms, self._shown, self.reduction, self.unit)
        # A look at the gradient would wait for a device, and finds no data in a traced graph.
        if training and not (batch.on_device or batch.traced):
            self._watch(gradient, batch.is_perfect)
        if noise is not None:
            noise.keep(scale)
        return loss

    def _advice(self) -> str:
        return (
            f"{type(self).__name__}({self.task!r}) gave no gradient for {QUIET_BATCHES} training "
            "batches in a row, though not all predictions in them are perfect. See that the lists "
            "of a batch hold both classes (BalancedBatchSampler)"
        )


class DirectLoss(_TaskLoss):
    r"""Direct loss minimization: the gradient of the expected task loss.

    .. math:: \nabla E[\Delta(y_w)] = \lim_{\epsilon \to 0} \pm\frac1\epsilon
              E[\nabla F(y_{direct}) - \nabla F(y_w)], \quad
              y_{direct} = \arg\max_y F(y) \pm \epsilon \Delta(y)

    The value is the task loss of the prediction, exactly, in every direction: for a ranking metric
    ``1 - task.metric(...)`` where no positive ties with another item, positive or negative, and
    more than that where one does, since tied items of lower relevance count as above. It is not an
    integral of the gradient: gradient checks and line searches on it do not apply. The size of the
    gradient goes with 1/epsilon.

    Args:
        task: the metric, such as ``AveragePrecision()``.
        epsilon: a positive number, or "auto": the pooled within-list standard deviation of the
            first training batch that has one (of a `Chain` three of them), over all items that take
            part, relevant or not (``diagnostics(...).spread_items`` counts them); then held fixed
            and kept in ``state_dict()``. ``loss_fn.epsilon = 0.3`` sets it anew, as a schedule
            does, in the buffer that is there: ``loss_fn.epsilon.item()`` keeps what it was. `repr`
            shows what it is.
        unit: what epsilon counts. "score": the largest shift that the loss augmentation can give
            the score of an item, in units of the scores, whatever the metric, the length of a list
            and its share of positives. What is largest follows from the counts of each list (for
            average precision and its kin, the geometric mean and Matthews' correlation it is
            measured at a place that `docs/theory.md` states, section 12), and is rounded by a
            factor of two at most, downwards. "loss": the weight of Delta beside F, as in the
            theorem; "auto" then takes ``task.epsilon_scale`` deviations.
        direction: None takes ``task.direction``, which changes with a cutoff: it is "positive" for
            `NDCG()` and `AveragePrecision()`, "both" for `NDCG(k)` and `AveragePrecision(k)`.
            "positive" (away from worse), "negative" (toward better), "both" (the mean of the two, a
            central difference).
        perturbation: noise on the scores in training, by which the gradient is that of a smoothed
            metric; None: none.
        dim: the axis, or axes, whose entries form one list. (n,) is one list; (..., n) one a row;
            (n, C) with ``dim=0`` one a column. None is the last axis, or with `class_dim` all axes
            but that. Of a task that ranks, lists of one item each, such as (n, 1), are refused
            until a batch had longer ones.
        class_dim: the axis of the classes in scores (B, C, ...) whose targets are class indices
            (B, ...), as those of cross-entropy, where it is 1. Each class against the rest is a
            list along `dim`, as with one-hot targets in the shape of the scores, which nobody has
            to make: macro F1, mean IoU, mean AP. None: targets are as the task wants them.
        class_weight: (C,), >= 0, of the classes: with `class_dim` those of each class's lists, for
            `MulticlassZeroOne`, `CostMatrix` and `TopKError` that of a sample's target, as
            ``weight`` of cross-entropy. They multiply `weight` of the call.
        reduction: "mean" over the lists on which the metric is defined (0 if there are none),
            "sum", or "none": one value a list, in the shape without `dim`.
        ignore_index: target value that leaves its entry out.
        empty: "skip" counts a list on which the metric is undefined as 0 with gradient 0 and
            leaves it out of the mean; "error" raises.
        without_positives: "skip" treats lists without a positive like undefined ones; "punish"
            counts what is predicted there. None: as the metric is defined, which is "punish" for
            `ZeroOne`, `Tversky` with its members and `CountingTask`, and "skip" for all others.
        solver: "host" or "device", as in `directloss.solver`, but that "device" raises where there
            is no such solver; None: as that block says, and outside of one "host".

    Processes of torch.distributed measure "auto" together, on the scores of all: in training mode,
    until it is set, and never else. Each has to come then, with an own batch, and what fails on one
    is raised on all as a RankError that names it (what torch.compile finds while it traces, and
    what fails in a compiled solver, on that one alone).

    Example:
        >>> loss_fn = DirectLoss(AveragePrecision())
        >>> loss = loss_fn(model(x), y)  # 1 - AP of the batch
        >>> loss.backward()

    Source: Song, Schwing, Zemel, Urtasun, ICML 2016, theorem 1.
    """

    _step = "epsilon"
    _shown = "prediction"
    epsilon: StepAttribute

    def __init__(
        self,
        task: TaskBase,
        *,
        epsilon: float | Auto = "auto",
        unit: Unit = "score",
        direction: Direction | None = None,
        perturbation: Perturbation | None = None,
        dim: Dim | None = None,
        class_dim: int | None = None,
        class_weight: ArrayLike | None = None,
        reduction: Reduction = "mean",
        ignore_index: int | None = None,
        empty: Empty = "skip",
        without_positives: WithoutPositives | None = None,
        solver: Place | None = None,
    ) -> None:
        super().__init__(
            task,
            dim=dim,
            class_dim=class_dim,
            class_weight=class_weight,
            reduction=reduction,
            ignore_index=ignore_index,
            empty=empty,
            without_positives=without_positives,
        )
        require_unit(unit)
        self.unit = unit
        if not (perturbation is None or isinstance(perturbation, Perturbation)):
            raise ArgumentError("perturbation", repr(perturbation), "a Perturbation, or None")
        if perturbation is not None and not isinstance(task, Task):
            raise ArgumentError("perturbation", repr(perturbation), f"None for {task!r}")
        self.perturbation = perturbation
        if direction not in (None, "positive", "negative", "both"):
            raise ArgumentError(
                "direction", repr(direction), "'positive', 'negative', 'both' or None"
            )
        self.direction: Direction = direction or task.direction
        self._register_step(epsilon)
        self._set_solver(solver)  # whose terms follow from the direction

    def _terms(self, step: Step) -> Terms:
        if isinstance(step, Tensor):
            return functional.direct_terms(step, self.direction)
        return _kept_terms(step, self.direction)

    def bounds(
        self,
        scores: Tensor | LinearChain,
        targets: Tensor | Qrels,
        *,
        weight: Tensor | None = None,
        mask: Tensor | None = None,
        groups: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """`(L_-, L_+)`, the scalars of the two directions: ``L_- <= Delta(y_w) <= L_+``.

        With a perturbation, in training mode: the means over the copies that the next forward pass
        draws, which enclose its value; their expectations enclose the smoothed metric.
        """
        batch = self._read(scores, targets, weight, mask, groups)
        epsilon = self._current_step(batch)
        batch.requires_device = False  # which may lack the other direction
        if self.perturbation is not None and self.training:
            batch, _ = self.perturbation.copies(batch, together=False)
        lower, upper = (
            batch.solve(
                functional.direct_terms(epsilon, side), "objective", self.reduction, self.unit
            )[0]
            for side in ("negative", "positive")
        )
        return lower, upper

    def diagnostics(
        self,
        scores: Tensor,
        targets: Tensor | Qrels,
        *,
        weight: Tensor | None = None,
        mask: Tensor | None = None,
        groups: Tensor | None = None,
    ) -> Diagnostics:
        """How epsilon relates to these scores, and what the update would do.

        Nothing is kept, and no other process is asked, here and in `bounds`.
        """
        batch = self._read(scores, targets, weight, mask, groups)
        if not isinstance(batch, ListBatch):
            raise ArgumentError("task", repr(self.task), "a task on lists of scores")
        epsilon = float(self._current_step(batch))
        return diagnose(batch, epsilon, self.direction, self.unit)

    def _advice(self) -> str:
        both = "take direction='both' where the task loss is at its extreme, "
        return (
            f"DirectLoss({self.task!r}, direction={self.direction!r}) gave no gradient for "
            f"{QUIET_BATCHES} training batches in a row at epsilon {self._step_shown()}. Raise "
            "epsilon (see diagnostics(...).epsilon_over_spread), "
            f"{'' if self.direction == 'both' else both}and see that batches hold both classes "
            "(BalancedBatchSampler)"
        )

    def extra_repr(self) -> str:
        unit = "" if self.unit == "score" else f"unit={self.unit!r}, "
        shown = f"{self.task!r}, epsilon={self._step_shown()}, {unit}"
        return f"{shown}direction={self.direction!r}{self._classes_shown()}"


class HingeLoss(_TaskLoss):
    r"""Structured hinge loss with margin rescaling.

    .. math:: L = \max_y [F(y) + m \Delta(y)] - F(y^*) \ge 0

    with y* of least Delta, and among those of largest F. For `ZeroOne` it is the hinge of a
    support vector machine. Convex in the scores where y* does not depend on them.

    Args:
        task: the metric.
        margin: m, a positive number, the weight of Delta beside F; or "auto": as epsilon of
            `DirectLoss` in ``unit="loss"``.
        dim, class_dim, class_weight, reduction, ignore_index, empty, without_positives, solver: as
            in `DirectLoss`.

    Source: Tsochantaridis et al. 2005; for AP Yue et al. 2007; section 5 of Song et al. 2016.
    """

    _step = "margin"
    margin: StepAttribute

    def __init__(
        self,
        task: TaskBase,
        *,
        margin: float | Auto = 1.0,
        dim: Dim | None = None,
        class_dim: int | None = None,
        class_weight: ArrayLike | None = None,
        reduction: Reduction = "mean",
        ignore_index: int | None = None,
        empty: Empty = "skip",
        without_positives: WithoutPositives | None = None,
        solver: Place | None = None,
    ) -> None:
        super().__init__(
            task,
            dim=dim,
            class_dim=class_dim,
            class_weight=class_weight,
            reduction=reduction,
            ignore_index=ignore_index,
            empty=empty,
            without_positives=without_positives,
            solver=solver,
        )
        self._register_step(margin)

    def _terms(self, step: Step) -> Terms:
        return functional.hinge_terms(step)

    def extra_repr(self) -> str:
        return f"{self.task!r}, margin={self._step_shown()}{self._classes_shown()}"


class PerceptronLoss(_TaskLoss):
    r"""Structured perceptron.

    .. math:: L = F(y_w) - F(y^*), \qquad y_w = \arg\max_y F(y)

    Where y_w = y* it has no gradient: it stops at the first separating scores.

    Args:
        task: the metric.
        dim, class_dim, class_weight, reduction, ignore_index, empty, without_positives, solver: as
            in `DirectLoss`.

    Source: Collins 2002; section 5 of Song et al. 2016.
    """

    def _terms(self, step: Step) -> Terms:
        return functional.perceptron_terms()

    def extra_repr(self) -> str:
        return f"{self.task!r}{self._classes_shown()}"
