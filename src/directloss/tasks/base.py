"""What a task is: a metric that knows its two argmaxes."""

from __future__ import annotations

import itertools
import weakref
from abc import ABC, abstractmethod
from functools import partial
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from directloss.errors import ArgumentError
from directloss.inference._kernel import Array
from directloss.inference.checks import binary_labels
from directloss.lists import Dim, Layout, Lists, read_lists
from directloss.tasks._range import solve_in_range
from directloss.tasks._solution import Solution

__all__ = ["Direction", "Solution", "Task", "task_by_number"]

Direction = Literal["positive", "negative", "both"]


_numbers = itertools.count()
_tasks: weakref.WeakValueDictionary[int, Task] = weakref.WeakValueDictionary()


def task_by_number(number: int) -> Task:
    """The living task of that number: how a traced graph, which holds no objects, names one."""
    return _tasks[number]


class Task(ABC):
    """A metric, its score F and its exact argmaxes.

    F is linear in the scores, so a configuration y is the tensor of its coefficients dF/dscores and
    F = <scores, y>. One family of configurations covers all that an update needs:
    ``y(weight) = argmax F + weight * Delta``, with weight 0 the prediction, +-epsilon the
    loss-augmented inference and -infinity the ground truth (least Delta first, then largest F).

    Attributes:
        direction: the direction taken where a user names none.
        epsilon_scale: factor of the spread of the scores that makes ``epsilon="auto"``.
        higher_is_better: whether `metric` grows with quality.
        target_per_list: whether a list has one target (a class index) instead of one a score.
        ranks: whether it rates the order of a list, in which one item alone has none.
        number: unique among the tasks of this process.
    """

    direction: ClassVar[Direction] = "positive"
    epsilon_scale: ClassVar[float] = 1.0
    higher_is_better: ClassVar[bool] = True
    target_per_list: ClassVar[bool] = False
    ranks: ClassVar[bool] = False
    number: int

    def __new__(cls, *_: object, **__: object) -> Self:
        task = super().__new__(cls)
        task.number = next(_numbers)
        _tasks[task.number] = task
        return task

    def __getstate__(self) -> dict[str, object]:
        # A copy, here or in another process, has a number of its own.
        return {name: value for name, value in vars(self).items() if name != "number"}

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

    @abstractmethod
    def evaluate(self, lists: Lists) -> tuple[Array, Array]:
        """The exact metric of each list, float64 (L,), and where it is defined, bool (L,)."""

    @abstractmethod
    def loss_of(self, configurations: Lists) -> Array:
        """Delta, float64 (L,), of configurations given by their coefficients in place of scores."""

    def share_changed(self, difference: Array, lists: Lists) -> Array:
        """Share of what a configuration decides on which two differ, float64 (L,).

        Args:
            difference: the coefficients of the one less those of the other, flat; 0 where they
                agree.
        """
        changed = np.append(0, np.cumsum(difference != 0.0))[lists.offsets]
        return np.diff(changed) / np.maximum(np.diff(lists.offsets), 1)

    def read_targets(self, targets: Array) -> Any:
        """Validated targets in the form `solve` wants; here binary ones as uint8 0/1."""
        labels = np.empty(targets.size, np.uint8)
        wrong = binary_labels(targets, labels)
        if wrong >= 0:
            came = targets[wrong]
            raise ArgumentError("targets", came, "0 or 1 (for labels -1/+1 pass targets > 0)")
        return labels

    # The protocol, on tensors of shape (..., n), one list a row.

    def inference(self, scores: Tensor, targets: Tensor) -> Tensor:
        """argmax F: the prediction, as coefficients, float64 in the shape of `scores`.

        Ties: items of lower relevance first, so that no order of storage counts.
        """
        return self._configuration(scores, targets, 0.0)

    def loss_augmented_inference(self, scores: Tensor, targets: Tensor, weight: float) -> Tensor:
        """argmax F + weight * Delta, weight of either sign, in the form of `inference`."""
        return self._configuration(scores, targets, float(weight))

    def ground_truth(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Least Delta first, then largest F, in the form of `inference`."""
        return self._configuration(scores, targets, -np.inf)

    def task_loss(self, configuration: Tensor, targets: Tensor) -> Tensor:
        """Delta of a configuration, exact.

        Args:
            configuration: coefficients (..., n) as the argmaxes return them.
            targets: as given to them.

        Returns:
            float64, shape (...).
        """
        lists, layout = self._lists(configuration.double(), targets)
        return layout.per_list(torch.from_numpy(self.loss_of(lists)), None)

    def metric(
        self,
        scores: Tensor,
        targets: Tensor,
        *,
        dim: Dim = -1,
        mask: Tensor | None = None,
        groups: Tensor | None = None,
        reduction: Literal["mean", "sum", "none"] = "mean",
    ) -> Tensor:
        """The metric itself, exact, on raw scores.

        Args:
            scores, targets, dim, mask, groups, reduction: as for the losses.

        Returns:
            float64. "none": one value a list, NaN where the metric is undefined; "mean" and "sum":
            over the lists on which it is defined (NaN and 0 if there are none).

        Raises:
            ArgumentError: for arguments of a wrong shape, type or value, NaN scores among them;
                for lists of one item each, (n, 1), of a metric that ranks, unless there is a mask.
        """
        layout = Layout.of(scores, dim)
        if self.ranks and mask is None:
            layout.refuse_lists_of_one()
        lists, groups_a_row = read_lists(
            layout.to_rows(scores),
            layout.targets_to_rows(targets, per_list=self.target_per_list),
            None if mask is None else layout.mask_to_rows(mask, per_list=self.target_per_list),
            None if groups is None else layout.groups_to_row(groups),
            read_targets=self.read_targets,
            per_list=self.target_per_list,
        )
        values, defined = self.evaluate(lists)
        result = np.where(defined, values, np.nan)
        if reduction == "none":
            return layout.per_list(
                torch.from_numpy(result), None if groups is None else groups_a_row
            )
        if reduction == "sum":
            return torch.tensor(result[defined].sum(), dtype=torch.float64)
        if reduction == "mean":
            mean = result[defined].mean() if defined.any() else np.nan
            return torch.tensor(mean, dtype=torch.float64)
        raise ArgumentError("reduction", repr(reduction), "'mean', 'sum' or 'none'")

    def _lists(self, scores: Tensor, targets: Tensor) -> tuple[Lists, Layout]:
        layout = Layout.of(scores, -1)
        target_rows = layout.targets_to_rows(targets, per_list=self.target_per_list)
        rows = layout.to_rows(scores)
        lists, _ = read_lists(
            rows,
            target_rows,
            None,
            None,
            read_targets=self.read_targets,
            per_list=self.target_per_list,
        )
        return lists, layout

    def _configuration(self, scores: Tensor, targets: Tensor, weight: float) -> Tensor:
        lists, _ = self._lists(scores.double(), targets)
        weights, coefficients = np.array([weight]), np.ones(1)
        solution = solve_in_range(
            partial(self.solve, share_ties=False), lists, weights, coefficients
        )
        # A list is the last axis, so the rows are the scores in their own order.
        return torch.from_numpy(solution.combination).reshape(scores.shape)
