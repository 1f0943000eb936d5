"""Multiclass: one class index a sample; the classes' scores form a list."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from directloss._arguments import whole_number
from directloss._range import LARGEST_VALUE
from directloss.errors import ArgumentError
from directloss.inference import classes, top_k
from directloss.inference._kernel import Array
from directloss.inference.threads import over_lists
from directloss.lists import Lists, elementwise
from directloss.tasks.base import Direction, Solution, Task

__all__ = ["CostMatrix", "MulticlassZeroOne", "TopKError"]


_LEAST_COST = 2.0**-1000
"""Smaller differences of costs have no inverse that a weight could be multiplied with."""


class _Multiclass(Task):
    """What the multiclass tasks share; `dim` names the class axis, which the targets lack."""

    direction: ClassVar[Direction] = "both"
    target_per_list: ClassVar[bool] = True

    _solve_kernel: ClassVar[Callable[..., None]]
    _metric_kernel: ClassVar[Callable[..., None]]

    def _price(self, class_count: int) -> object:
        """What the kernels take of the metric, checked against the number of classes."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @elementwise
    def read_targets(self, targets: Array) -> Array:
        indices = np.asarray(targets)
        whole = indices.astype(np.int64)
        wrong = (whole != indices) | (whole < 0)
        if wrong.any():
            raise ArgumentError("targets", indices[wrong][0], "class indices >= 0")
        return whole

    def solve(
        self, lists: Lists, weights: Array, coefficients: Array, *, share_ties: bool = True
    ) -> Solution:
        kept, targets, class_count = self._samples(lists)
        part = Solution(
            np.empty_like(lists.scores),
            np.empty((kept.size, weights.size)),
            np.empty((kept.size, weights.size)),
            np.empty(kept.size, np.bool_),
        )
        over_lists(
            type(self)._solve_kernel,
            np.arange(kept.size + 1) * class_count,
            lists.scores,
            targets,
            class_count,
            self._price(class_count),
            share_ties,
            weights,
            coefficients,
            part.combination,
            part.task_losses,
            part.values,
            part.defined,
        )
        if kept.size == len(lists):
            return part
        whole = Solution(
            part.combination,
            np.zeros((len(lists), weights.size)),
            np.zeros((len(lists), weights.size)),
            np.zeros(len(lists), np.bool_),
        )
        whole.task_losses[kept] = part.task_losses
        whole.values[kept] = part.values
        whole.defined[kept] = part.defined
        return whole

    def evaluate(self, lists: Lists) -> tuple[Array, Array]:
        kept, targets, class_count = self._samples(lists)
        metrics, defined = np.zeros(kept.size), np.empty(kept.size, np.bool_)
        over_lists(
            type(self)._metric_kernel,
            np.arange(kept.size + 1) * class_count,
            lists.scores,
            targets,
            class_count,
            self._price(class_count),
            metrics,
            defined,
        )
        all_metrics, all_defined = np.zeros(len(lists)), np.zeros(len(lists), np.bool_)
        all_metrics[kept], all_defined[kept] = metrics, defined
        return all_metrics, all_defined

    def _samples(self, lists: Lists) -> tuple[Array, Array, int]:
        """Samples that were not masked, their targets, and the number of classes."""
        sizes = np.diff(lists.offsets)
        kept = np.flatnonzero(sizes)
        class_count = int(sizes[kept[0]]) if kept.size else 0
        targets = lists.targets[kept]
        if (targets >= class_count).any():
            raise ArgumentError("targets", targets.max(), f"class indices < {class_count}")
        return kept, targets, class_count


class CostMatrix(_Multiclass):
    r"""Cost-sensitive classification: Delta = cost[target, predicted class].

    F(c) = phi_c, the score of the class: epsilon is the largest shift of a class's score against
    another of the same sample, in units of the scores. `metric` is the mean cost over the classes
    of largest score, so lower is better.

    In the positive direction a sample that is predicted at its largest cost gives exactly no
    gradient; hence the default "both".

    Args:
        costs: (C, C), finite and >= 0: costs[t, c] of predicting c where t is right.
    """

    higher_is_better: ClassVar[bool] = False
    _solve_kernel = classes.solve_classes
    _metric_kernel = classes.metric_classes

    def __init__(self, costs: ArrayLike) -> None:
        try:
            table = np.array(costs, np.float64, order="C")
        except (TypeError, ValueError) as error:
            raise ArgumentError("costs", repr(costs), "a square matrix (C, C)") from error
        if table.ndim != 2 or table.shape[0] != table.shape[1] or table.size == 0:
            raise ArgumentError("costs", f"shape {table.shape}", "a square matrix (C, C)")
        wrong = ~((table >= 0.0) & (table <= LARGEST_VALUE))
        if wrong.any():
            raise ArgumentError("costs", table[wrong][0], f"costs from 0 to {LARGEST_VALUE:.3g}")
        self.costs = table

    def unit_weights(self, lists: Lists) -> float:
        largest = float(np.ptp(self.costs, axis=1).max()) if self.costs.size else 1.0
        return 1.0 / largest if largest >= _LEAST_COST else 1.0

    def _price(self, class_count: int) -> object:
        if self.costs.size and class_count and class_count != self.costs.shape[0]:
            raise ArgumentError(
                "scores", f"{class_count} classes", f"{self.costs.shape[0]}, as the costs have"
            )
        return self.costs

    def loss_of(self, configurations: Lists) -> Array:
        kept, targets, class_count = self._samples(configurations)
        shares = configurations.scores.reshape(kept.size, class_count)
        costs = self.costs if self.costs.size else 1.0 - np.eye(class_count)
        losses = np.zeros(len(configurations))
        losses[kept] = (shares * costs[targets]).sum(1)
        return losses


class MulticlassZeroOne(CostMatrix):
    r"""The 0-1 error of class indices: Delta = [predicted class != target].

    `metric` is the accuracy, ties broken at random. See `CostMatrix` for F and epsilon.

    Source: Song et al. 2016, section 5.
    """

    higher_is_better: ClassVar[bool] = True

    def __init__(self) -> None:
        # The kernel takes an empty table for the 0-1 error, of any number of classes.
        self.costs = np.empty((0, 0))

    def evaluate(self, lists: Lists) -> tuple[Array, Array]:
        errors, defined = super().evaluate(lists)
        return 1.0 - errors, defined


class TopKError(_Multiclass):
    r"""Top-k error: Delta = [target not among the k predicted classes].

    A configuration is a set of k classes, F the sum of their scores; epsilon is the shift of the
    target's score, in units of the scores. `metric` is the top-k accuracy. Dead in the positive
    direction on every sample that is wrong already; hence the default "both".

    Args:
        k: classes predicted for each sample.
    """

    _solve_kernel = top_k.solve_top_k
    _metric_kernel = top_k.metric_top_k

    def __init__(self, k: int) -> None:
        self.k = whole_number("k", k)

    def __repr__(self) -> str:
        return f"TopKError({self.k})"

    def _price(self, class_count: int) -> object:
        return self.k

    def loss_of(self, configurations: Lists) -> Array:
        kept, targets, class_count = self._samples(configurations)
        shares = configurations.scores.reshape(kept.size, class_count)
        losses = np.zeros(len(configurations))
        losses[kept] = 1.0 - shares[np.arange(kept.size), targets]
        return losses
