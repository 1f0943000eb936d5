"""What a task is: a metric that knows its two argmaxes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import Any, ClassVar, Literal, Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from directloss._arguments import as_tensor, whole_number
from directloss._one_against_rest import OneAgainstRest
from directloss._operators import number_of
from directloss._range import solve_in_range
from directloss._solution import Solution
from directloss._update import Batch, ListBatch, require_reduction
from directloss.errors import ArgumentError
from directloss.inference._kernel import Array
from directloss.inference.checks import binary_labels
from directloss.inference.device import Solver
from directloss.lists import (
    Dim,
    Empty,
    Layout,
    Lists,
    Reduction,
    WithoutPositives,
    check_weights,
    elementwise,
    read_lists,
)
from directloss.qrels import Qrels
from directloss.tasks._either import Numbers
from directloss.tasks._names import MetricName

__all__ = ["Direction", "Solution", "Task", "TaskBase"]

Direction = Literal["positive", "negative", "both"]

Labels = TypeVar("Labels", Array, Tensor)
"""Targets, on the host or where they are."""


class TaskBase(ABC):
    """What a loss asks of a task, whatever its scores are.

    Attributes:
        direction: the direction taken where a user names none.
        epsilon_scale: factor of the spread of the scores that makes "auto" in ``unit="loss"``.
        without_positives: what the metric makes of a list without a positive: "skip", it is
            undefined; "punish", it counts what is predicted there; None: targets are no positives
            and negatives.
        weighs_items: whether its inference stays exact with weights of items.
        number: unique among the tasks of this process.
    """

    direction: ClassVar[Direction] = "positive"
    epsilon_scale: ClassVar[float] = 1.0
    without_positives: ClassVar[WithoutPositives | None] = None
    weighs_items: ClassVar[bool] = False
    number: int

    def __new__(cls, *_: object, **__: object) -> Self:
        task = super().__new__(cls)
        task.number = number_of(task)
        return task

    def __getstate__(self) -> dict[str, object]:
        # A copy, here or in another process, has a number of its own.
        return {name: value for name, value in vars(self).items() if name != "number"}

    def skips_without_positives(self, asked: object) -> bool:
        """Whether lists without a positive have to be left out, as the metric counts them.

        Args:
            asked: the argument `without_positives` of a loss; None: as the metric is defined.

        Raises:
            ArgumentError: it does not fit the task.
        """
        if asked not in (None, "skip", "punish"):
            raise ArgumentError("without_positives", repr(asked), "'skip', 'punish' or None")
        if asked is not None and self.without_positives is None:
            wanted = "None, as its targets are no positives and negatives"
            raise ArgumentError("without_positives", f"{asked!r} for {self!r}", wanted)
        if asked == "punish" and self.without_positives == "skip":
            wanted = "'skip' or None, as the metric is undefined on a list without positives"
            raise ArgumentError("without_positives", f"{asked!r} for {self!r}", wanted)
        return asked == "skip" and self.without_positives == "punish"

    def on_device(self) -> Solver[Any] | None:
        """The solver in torch alone, of `directloss.solver("device")`; None: there is none."""
        return None

    @abstractmethod
    def read(
        self,
        scores: Any,
        targets: Tensor | Qrels,
        dim: Dim | None = None,
        mask: Tensor | None = None,
        groups: Tensor | None = None,
        ignore_index: int | None = None,
        empty: Empty = "skip",
        without_positives: WithoutPositives | None = None,
        class_dim: int | None = None,
    ) -> Batch:
        """What a loss was called with, checked; arguments as for the losses.

        Raises:
            ArgumentError: an argument has the wrong shape or type, or none of that name means
                anything for the task.
        """

    def check_class_dim(self, class_dim: object) -> int:
        """A loss's `class_dim`, where the task has lists of one class against the rest.

        Raises:
            ArgumentError: it has none, or `class_dim` is no whole number.
        """
        wanted = "None, as its scores are not those of classes, item by item"
        raise ArgumentError("class_dim", f"{class_dim!r} for {self!r}", wanted)


class Task(TaskBase):
    """A metric, its score F and its exact argmaxes.

    F is linear in the scores, so a configuration y is the tensor of its coefficients dF/dscores and
    F = <scores, y>. One family of configurations covers all that an update needs:
    ``y(weight) = argmax F + weight * Delta``, with weight 0 the prediction, +-epsilon the
    loss-augmented inference and -infinity the ground truth (least Delta first, then largest F).

    A task of one's own defines `solve`, and `loss_of` where `task_loss` is wanted. A complete one,
    the 0-1 loss, for which F + weight * Delta is decided item by item:

    >>> import numpy as np
    >>> from itertools import pairwise
    >>> from directloss.tasks import Solution, Task
    >>> class ErrorRate(Task):
    ...     def solve(self, lists, weights, coefficients, *, share_ties=True):
    ...         solution = Solution.empty(lists, weights.size)
    ...         for number, (begin, end) in enumerate(pairwise(lists.offsets)):
    ...             scores, labels = lists.scores[begin:end], lists.targets[begin:end]
    ...             cost = np.where(labels == 1, -1.0, 1.0)  # of predicting the item
    ...             y = np.array([
    ...                 cost < 0 if weight == -np.inf else scores + weight * cost > 0
    ...                 for weight in weights
    ...             ])
    ...             solution.defined[number] = scores.size > 0
    ...             solution.task_losses[number] = (y != labels).sum(1) / max(scores.size, 1)
    ...             solution.values[number] = y @ scores / max(scores.size, 1)
    ...             solution.combination[begin:end] = coefficients @ y / max(scores.size, 1)
    ...         return solution

    Attributes:
        higher_is_better: whether `metric` grows with quality: it is 1 - Delta, else Delta.
        target_per_list: whether a list has one target (a class index) instead of one a score.
        ranks: whether it rates the order of a list, in which one item alone has none.
        decides: whether it rates decisions, score > 0, rather than an order.
        graded: whether targets may be relevances instead of 0/1.
        labels_wanted: what `read_targets` wants, for its error.
        names: how commands call the metric, as it is and with its first argument; none: not at all.
    """

    higher_is_better: ClassVar[bool] = True
    target_per_list: ClassVar[bool] = False
    ranks: ClassVar[bool] = False
    decides: ClassVar[bool] = False
    graded: ClassVar[bool] = False
    labels_wanted: ClassVar[str] = "0 or 1 (for labels -1/+1 pass targets > 0)"
    names: ClassVar[tuple[MetricName, ...]] = ()

    @abstractmethod
    def solve(
        self, lists: Lists, weights: Array, coefficients: Array, *, share_ties: bool = True
    ) -> Solution:
        """Solve every term (weight, coefficient) on every list.

        Args:
            lists: scores without NaN, targets as `read_targets` returns them.
            weights, coefficients: float64 (T,).
            share_ties: whether, at weight 0, tied items share their mean coefficient, so that no
                order of storage enters the gradient; False gives a plain configuration.
        """

    def unit_weights(self, lists: Lists) -> Array | float:
        """The weight of Delta that shifts a score by 1 at most: what epsilon counts, by default.

        With ``unit="score"`` a list is solved at epsilon times this weight, rounded down to a power
        of two. Override it where F and Delta of a task are not on one scale.

        Returns:
            float64 (L,), positive and finite, or one number for all lists.
        """
        return 1.0

    def unit_weights_of(self, P: Numbers, N: Numbers) -> Numbers | float:
        """`unit_weights` of lists with so many positives and negatives, also on a device."""
        return 1.0

    def evaluate(self, lists: Lists) -> tuple[Array, Array]:
        """The exact metric of each list, float64 (L,), and where it is defined, bool (L,).

        Here that of the prediction; override it where the metric counts ties in another way.
        """
        solution = solve_in_range(self.solve, lists, np.zeros(1), np.zeros(1))
        losses = solution.task_losses[:, 0]
        return 1.0 - losses if self.higher_is_better else losses, solution.defined

    @property
    def has_weighted_metric(self) -> bool:
        """Whether `metric` takes weights of items: `evaluate_weighted` is defined."""
        return type(self).evaluate_weighted is not Task.evaluate_weighted

    def evaluate_weighted(self, lists: Lists) -> tuple[Array, Array]:
        """As `evaluate`, with the weights of the items, as scikit-learn counts them.

        Raises:
            ArgumentError: nobody has defined that for the metric.
        """
        wanted = "None, or one a list: this metric has no weights of items"
        raise ArgumentError("weight", f"weights of items for {self!r}", wanted)

    def loss_of(self, configurations: Lists) -> Array:
        """Delta, float64 (L,), of configurations given by their coefficients in place of scores."""
        raise NotImplementedError(f"{type(self).__name__} defines no `loss_of`")

    def share_changed(self, difference: Array, lists: Lists) -> Array:
        """Share of what a configuration decides on which two differ, float64 (L,).

        Args:
            difference: the coefficients of the one less those of the other, flat; 0 where they
                agree.
        """
        changed = np.append(0, np.cumsum(difference != 0.0))[lists.offsets]
        return np.diff(changed) / np.maximum(np.diff(lists.offsets), 1)

    @elementwise
    def read_targets(self, targets: Array) -> Any:
        """Validated targets in the form `solve` wants; here binary ones as uint8 0/1."""
        if self.graded:
            targets = self.labels_of(targets)
        labels = np.empty(targets.size, np.uint8)
        wrong = binary_labels(targets, labels)
        if wrong >= 0:
            raise ArgumentError("targets", targets[wrong], self.labels_wanted)
        return labels

    def labels_of(self, targets: Labels) -> Labels:
        """Targets as `read_targets` and the solver of a device check them; elementwise.

        Here as they are; a ranking metric with `relevant_from` makes relevances True and False.
        """
        return targets

    # For tensors, with these methods.

    def read(
        self,
        scores: Tensor,
        targets: Tensor | Qrels,
        dim: Dim | None = None,
        mask: Tensor | None = None,
        groups: Tensor | None = None,
        ignore_index: int | None = None,
        empty: Empty = "skip",
        without_positives: WithoutPositives | None = None,
        class_dim: int | None = None,
    ) -> ListBatch:
        skips = without_positives is not None and self.skips_without_positives(without_positives)
        if class_dim is not None:
            axis = self.check_class_dim(class_dim)
            how = dim, mask, groups, ignore_index, empty
            return OneAgainstRest(self, scores, targets, axis, *how, skip_without_positives=skips)
        layout = Layout.of(
            scores,
            targets,
            per_list=self.target_per_list,
            dim=-1 if dim is None else dim,
            mask=mask,
            groups=groups,
            ignore_index=ignore_index,
        )
        return ListBatch(self, scores, layout, empty, skip_without_positives=skips)

    def check_class_dim(self, class_dim: object) -> int:
        if self.target_per_list:
            wanted = "None: it takes class indices as they are, with dim= the axis of the classes"
            raise ArgumentError("class_dim", f"{class_dim!r} for {self!r}", wanted)
        return whole_number("class_dim", class_dim, least=-(2**63), wanted="an int, or None")

    def configuration(self, scores: Tensor, targets: Tensor, weight: float) -> Tensor:
        """argmax F + weight * Delta, as coefficients, float64 in the shape of `scores`.

        Args:
            scores: (..., n), one list a row.
            targets: as for the losses.
            weight: 0 for the prediction (in a tie items of lower relevance come first, so that no
                order of storage counts); of either sign; or -infinity for the ground truth.
        """
        layout = Layout.of(scores.double(), targets, per_list=self.target_per_list)
        lists, _ = read_lists(layout, self.read_targets, per_list=self.target_per_list)
        solution = solve_in_range(
            partial(self.solve, share_ties=False), lists, np.array([float(weight)]), np.ones(1)
        )
        # A list is the last axis, so the rows are the scores in their own order.
        return torch.from_numpy(solution.combination).reshape(scores.shape)

    def task_loss(self, configuration: Tensor, targets: Tensor) -> Tensor:
        """Delta of a configuration, exact.

        Args:
            configuration: coefficients (..., n) as `configuration` returns them.
            targets: as given to it.

        Returns:
            float64, shape (...).
        """
        layout = Layout.of(configuration.double(), targets, per_list=self.target_per_list)
        lists, _ = read_lists(layout, self.read_targets, per_list=self.target_per_list)
        return layout.per_list(torch.from_numpy(self.loss_of(lists)), None)

    def metric(
        self,
        scores: Tensor | Array,
        targets: Tensor | Array | Qrels,
        *,
        dim: Dim | None = None,
        class_dim: int | None = None,
        mask: Tensor | Array | None = None,
        groups: Tensor | Array | None = None,
        weight: Tensor | Array | None = None,
        ignore_index: int | None = None,
        reduction: Reduction = "mean",
    ) -> Tensor:
        """The metric itself, exact, on raw scores.

        Args:
            scores, targets, dim, class_dim, mask, groups, ignore_index, reduction: as for the
                losses; numpy arrays, too.
            weight: of the lists, in the shape of "none", which enters their mean and sum; or of the
                items, in the shape of the scores (with `class_dim` in that of the targets), where
                scikit-learn has a metric with `sample_weight`: those of counts, average precision
                and the areas under the ROC curve.

        Returns:
            float64. "none": one value a list, NaN where the metric is undefined; "mean" and "sum":
            over the lists on which it is defined (NaN and 0 if there are none).

        Raises:
            ArgumentError: for arguments of a wrong shape, type or value, NaN scores among them;
                for lists of one item each, (n, 1), of a metric that ranks, unless there is a mask.
        """
        require_reduction(reduction)
        scores, targets = as_tensor("scores", scores), as_tensor("targets", targets)
        mask = None if mask is None else as_tensor("mask", mask)
        groups = None if groups is None else as_tensor("groups", groups)
        batch = self.read(scores, targets, dim, mask, groups, ignore_index, class_dim=class_dim)
        if self.ranks and not batch.padded:
            batch.refuse_lists_of_one()
        if weight is not None:
            weight = as_tensor("weight", weight)
            weight = weight.detach() if isinstance(weight, Tensor) else weight
            batch.weigh(weight, None, to_train=False)
        values, defined = batch.evaluate()
        if reduction == "none":
            return torch.from_numpy(np.where(defined, values, np.nan))
        found = values[defined]
        if batch.list_weights is not None:
            return _weighted(found, batch.weights_as(defined)[defined], reduction)
        if reduction == "sum":
            return torch.tensor(found.sum(), dtype=torch.float64)
        return torch.tensor(found.mean() if found.size else np.nan, dtype=torch.float64)


def _weighted(values: Array, weights: Array, reduction: Reduction) -> Tensor:
    """The sum or mean of values with weights; the mean of no weight is NaN."""
    check_weights(weights)
    total = float(weights.reshape(-1) @ values)
    if reduction == "mean":
        total = total / weights.sum() if weights.sum() > 0.0 else np.nan
    return torch.tensor(total, dtype=torch.float64)
