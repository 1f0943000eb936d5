"""Counting: metrics that depend on the numbers of true and false positives alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from directloss._arguments import check_function, number, whole_number
from directloss._range import LARGEST_VALUE
from directloss.errors import ArgumentError
from directloss.inference import additive, counts, device
from directloss.inference._kernel import Array
from directloss.inference.threads import CACHED, over_lists
from directloss.lists import Lists, WithoutPositives, class_sizes
from directloss.tasks._either import Numbers, largest, least, root, where
from directloss.tasks._names import MetricName
from directloss.tasks._weighted import decisions
from directloss.tasks.base import Direction, Solution, Task

__all__ = [
    "BalancedError",
    "Counting",
    "CountingTask",
    "Dice",
    "FBeta",
    "GMean",
    "Jaccard",
    "MatthewsCorrelation",
    "Tversky",
    "ZeroOne",
]


_LEAST_STEP = 2.0**-1000
"""A metric that changes by less next to the truth has no factor for that."""


class Counting(Task):
    r"""What the metrics of counts share.

    A configuration is a set of predicted items, y_i in {0, 1}, and F = 1/n sum_i y_i phi_i, so that
    the prediction is phi > 0. F + weight * Delta moves the threshold of an item by n * weight times
    what the item alone changes in Delta. Epsilon is the largest such shift, in units of the scores:
    no item is decided against its score by more.
    """

    decides: ClassVar[bool] = True
    without_positives: ClassVar[WithoutPositives | None] = "skip"
    direction: ClassVar[Direction] = "both"

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def loss_of(self, configurations: Lists) -> Array:
        # Tied items may share a place, y_i = share / n, but shares of a class add up to its count.
        positives, negatives, *_ = class_sizes(configurations)
        owner = np.repeat(np.arange(len(configurations)), np.diff(configurations.offsets))
        shares = configurations.scores * (positives + negatives)[owner]
        found = shares * (configurations.targets == 1)
        tp = np.rint(np.bincount(owner, found, minlength=len(configurations)))
        fp = np.rint(np.bincount(owner, shares - found, minlength=len(configurations)))
        return self.loss_at(tp, fp, positives, negatives)

    def evaluate_weighted(self, lists: Lists) -> tuple[Array, Array]:
        tp, fp, positives, negatives = decisions(lists)
        losses, defined = self._loss_of_weights(tp, fp, positives, negatives)
        return 1.0 - losses if self.higher_is_better else losses, defined

    @abstractmethod
    def _loss_of_weights(self, tp: Array, fp: Array, P: Array, N: Array) -> tuple[Array, Array]:
        """Delta of weights in place of counts, (L,), and where it is defined."""

    @abstractmethod
    def loss_at(self, tp: Array, fp: Array, positives: Array, negatives: Array) -> Array:
        """Delta of each list, float64 (L,), 0 where undefined.

        Args:
            tp, fp: numbers of true and false positives, (L,).
            positives, negatives: P and N of the lists, (L,).
        """


def _positive(weights: Numbers) -> Numbers:
    """The weights of lists, 1 where a list lacks what they are made of."""
    positive: Numbers = where(weights > 0.0, weights, 1.0)
    return positive


def _over_lists(
    lists: Lists,
    metric: counts.Metric,
    weights: Array,
    coefficients: Array,
) -> Solution:
    solution = Solution.empty(lists, weights.size)
    kind, parameters = metric.kind, metric.parameters
    solvers = tuple(counts.solver_of(kind, parameters, weight) for weight in weights.tolist())
    batch = counts.ByCounts(
        lists.scores,
        lists.targets,
        lists.offsets,
        metric,
        solvers,
        weights,
        coefficients,
        *solution.outputs,
    )
    over_lists(counts.solve, lists.offsets, batch, most=CACHED if any(solvers) else None)
    return solution


class _Counted(Counting):
    """A metric whose solver is near-linear; `_kind` and `_prices` name it to the solvers."""

    _kind: ClassVar[int]
    _prices: tuple[float, ...] = ()
    _parameters = np.empty(0)
    """The prices, as kernels take them."""

    def __init__(self) -> None:
        """Without arguments, as most have none."""

    def solve(
        self, lists: Lists, weights: Array, coefficients: Array, *, share_ties: bool = True
    ) -> Solution:
        if lists.item_weights is not None:
            return self._solve_weighted(lists, weights, coefficients)
        metric = counts.Metric(self._kind, self._parameters)
        return _over_lists(lists, metric, weights, coefficients)

    def _solve_weighted(self, lists: Lists, weights: Array, coefficients: Array) -> Solution:
        assert self.weighs_items and lists.item_weights is not None
        solution = Solution.empty(lists, weights.size)
        flat = lists.scores, lists.targets, lists.item_weights, lists.offsets
        balanced = self._kind == counts.BALANCED_ERROR
        additive.solve(*flat, weights, coefficients, *solution.outputs, balanced=balanced)
        return solution

    def _loss_of_weights(self, tp: Array, fp: Array, P: Array, N: Array) -> tuple[Array, Array]:
        defined = np.array(
            [counts.is_defined(self._kind, *both) for both in zip(P, N, strict=True)]
        )
        losses = [
            counts.task_loss(self._kind, self._parameters, *weights) if known else 0.0
            for *weights, known in zip(tp, fp, P, N, defined, strict=True)
        ]
        return np.array(losses, np.float64), defined.astype(np.bool_)

    def unit_weights(self, lists: Lists) -> Array | float:
        if lists.item_weights is None:
            P, N, *_ = class_sizes(lists)
        else:  # of weights whose mean is 1, as counts are of
            P, N = additive.class_weights(lists.targets, lists.item_weights, lists.offsets)
            scale = np.diff(lists.offsets) / np.where(P + N > 0.0, P + N, 1.0)
            P, N = P * scale, N * scale
        weights = self.unit_weights_of(P.astype(np.float64), N.astype(np.float64))
        assert not isinstance(weights, Tensor)
        return weights

    def on_device(self) -> device.Solver[Any]:
        if self._kind in (counts.ERROR_RATE, counts.BALANCED_ERROR):
            return device.Additive(self._kind)
        return device.SetMetric(self._kind, self._prices)

    def loss_at(self, tp: Array, fp: Array, positives: Array, negatives: Array) -> Array:
        losses = np.empty(tp.size)
        hits, alarms, P, N = (each.astype(np.int64) for each in (tp, fp, positives, negatives))
        counts.task_losses(self._kind, self._parameters, hits, alarms, P, N, losses)
        return losses


class ZeroOne(_Counted):
    r"""The 0-1 loss: Delta = (fp + fn) / n over the list, y_i = 1 iff phi_i > 0.

    F = 1/n sum_i y_i phi_i: epsilon is the shift of every item's threshold.
    `metric` is the accuracy. Its hinge is that of a support vector machine with margin m at 0/1
    targets: mean of max(0, m - phi) over positives and of max(0, m + phi) over negatives.

    The positive direction has exactly no gradient on a misclassified item, whose loss cannot grow;
    hence the default "both".

    Source: Song et al. 2016, section 5 (pos-01, neg-01, hinge-01, per-01).
    """

    names: ClassVar[tuple[MetricName, ...]] = (MetricName("accuracy", "accuracy", short=("acc",)),)
    without_positives: ClassVar[WithoutPositives | None] = "punish"
    weighs_items: ClassVar[bool] = True
    _kind = counts.ERROR_RATE


class BalancedError(_Counted):
    r"""Balanced error: Delta = (fn / P + fp / N) / 2, with a threshold a class.

    `metric` is the balanced accuracy, 1 - Delta. Undefined with one class only.
    """

    names: ClassVar[tuple[MetricName, ...]] = (
        MetricName("balanced-accuracy", "balanced accuracy"),
    )
    weighs_items: ClassVar[bool] = True
    _kind = counts.BALANCED_ERROR

    def unit_weights_of(self, P: Numbers, N: Numbers) -> Numbers:
        return _positive(2.0 * least(P, N) / (P + N).clip(1.0))


class Tversky(_Counted):
    r"""Tversky loss: Delta = 1 - tp / (tp + alpha fp + beta fn).

    Without positives in the list: 0 if nothing is predicted, else 1. Where tp = 0, Delta is at its
    maximum and the positive direction is dead.

    Args:
        alpha: price of a false positive, >= 0.
        beta: price of a missed positive, >= 0.

    Source: Tversky 1977; Salehi et al. 2017 for segmentation.
    """

    # At the spread itself most batches saturate: docs/tasks/directions.md.
    epsilon_scale: ClassVar[float] = 0.1
    without_positives: ClassVar[WithoutPositives | None] = "punish"
    _kind = counts.TVERSKY

    def __init__(self, alpha: float, beta: float) -> None:
        wanted = f"a number from 0 to {LARGEST_VALUE:.3g}"
        self.alpha, self.beta = (
            number(name, price, lambda found: 0.0 <= found <= LARGEST_VALUE, wanted)
            for name, price in (("alpha", alpha), ("beta", beta))
        )
        self._prices = self.alpha, self.beta
        self._parameters = np.array(self._prices)

    def __repr__(self) -> str:
        return f"Tversky(alpha={self.alpha:g}, beta={self.beta:g})"

    def unit_weights_of(self, P: Numbers, N: Numbers) -> Numbers:
        steps = largest(self._largest_hit(P), self._largest_alarm(P))
        return _positive(1.0 / ((P + N).clip(1.0) * steps))

    def _largest_hit(self, P: Numbers) -> Numbers:
        """The most that one true positive changes in Delta, as proven in docs/theory.md."""
        if self.beta <= 1.0:
            return 1.0 / (1.0 - self.beta + self.beta * P.clip(1.0))
        return self.beta / (P.clip(1.0) - 1.0 + self.beta)

    def _largest_alarm(self, P: Numbers) -> Numbers:
        """The most that one false positive changes in Delta, or a bound of it."""
        at_truth = where(P > 0, self.alpha / (P + self.alpha).clip(1e-300), 1.0)
        first, second = self.beta * P, self.alpha + self.beta * P
        if self.beta >= 1.0 or self.alpha == 0.0:
            alarm: Numbers = at_truth
            return alarm
        slope = 1.0 - self.beta
        inside = self.alpha / (slope * (root(first) + root(second)) ** 2)
        alarm = where(root(first * second) < slope * P, inside, at_truth)
        return alarm


class Jaccard(Tversky):
    r"""Jaccard index, or intersection over union: Delta = 1 - tp / (P + fp).

    Without positives in the list (an empty image): 0 if nothing is predicted, else 1.
    """

    names: ClassVar[tuple[MetricName, ...]] = (
        MetricName("jaccard", "Jaccard index", short=("iou",)),
    )

    def __init__(self) -> None:
        super().__init__(1.0, 1.0)

    def __repr__(self) -> str:
        return "Jaccard()"


class FBeta(Tversky):
    r"""F-beta: Delta = 1 - (1 + b^2) tp / ((1 + b^2) tp + b^2 fn + fp).

    The case alpha = 1 / (1 + b^2), beta = b^2 / (1 + b^2) of `Tversky`.

    Args:
        beta: b > 0; recall counts b times as much as precision.
    """

    names: ClassVar[tuple[MetricName, ...]] = (
        MetricName("f1", "F1", short=("dice",)),
        MetricName("fbeta", "F{}", float),
    )

    def __init__(self, beta: float = 1.0) -> None:
        self.recall_weight = number(
            "beta", beta, lambda found: 0.0 < found < np.inf, "a positive finite number"
        )
        # Neither 0 nor infinity, which would be another metric: precision or recall alone.
        square = min(max(self.recall_weight, 1e-150), 1e150) ** 2
        super().__init__(1.0 / (1.0 + square), square / (1.0 + square))

    def __repr__(self) -> str:
        return f"FBeta({self.recall_weight:g})"


class Dice(FBeta):
    """Dice coefficient, the same as F1: Delta = 1 - 2 tp / (2 tp + fn + fp)."""

    def __init__(self) -> None:
        super().__init__(1.0)

    def __repr__(self) -> str:
        return "Dice()"


class GMean(_Counted):
    r"""Geometric mean of both recalls: Delta = 1 - sqrt(tp tn / (P N)).

    Undefined with one class only. Epsilon is the largest shift where a quarter of either class at
    least is called right; below that it grows without a bound.

    Source: Kubat and Matwin 1997.
    """

    names: ClassVar[tuple[MetricName, ...]] = (
        MetricName("gmean", "geometric mean of the two recalls"),
    )
    epsilon_scale: ClassVar[float] = 0.1  # docs/tasks/directions.md
    _kind = counts.GMEAN

    def unit_weights_of(self, P: Numbers, N: Numbers) -> Numbers:
        return _positive(least(P, N) / (P + N).clip(1.0))


class MatthewsCorrelation(_Counted):
    r"""Matthews correlation: Delta = (1 - mcc) / 2; mcc = 0 where all or nothing is predicted.

    `metric` is mcc itself, in [-1, 1]. Undefined with one class only. Epsilon is the shift of a
    positive against a negative where as many items are predicted as there are positives; with fewer
    it grows without a bound.

    Source: Matthews 1975.
    """

    names: ClassVar[tuple[MetricName, ...]] = (MetricName("mcc", "Matthews correlation"),)
    epsilon_scale: ClassVar[float] = 0.3  # docs/tasks/directions.md
    _kind = counts.MATTHEWS

    def unit_weights_of(self, P: Numbers, N: Numbers) -> Numbers:
        return _positive(2.0 * P * N / (P + N).clip(1.0) ** 2.0)

    def evaluate(self, lists: Lists) -> tuple[Array, Array]:
        """mcc = 1 - 2 Delta of the prediction phi > 0."""
        values, defined = super().evaluate(lists)
        return 2.0 * values - 1.0, defined

    def evaluate_weighted(self, lists: Lists) -> tuple[Array, Array]:
        values, defined = super().evaluate_weighted(lists)
        return 2.0 * values - 1.0, defined


class CountingTask(Counting):
    r"""A user's own metric of counts.

    The solver tries every pair (tp, fp): O(P N) time and 8 P N bytes a list, exact for any
    function. `metric` is Delta itself, so lower is better. Epsilon is the shift of an item next to
    the truth: of the last positive that is missed, or the first false alarm, whichever is larger.

    Args:
        task_loss: Delta(tp, fp, fn, tn), elementwise on float64 arrays; >= 0 and finite. NaN for
            all counts of a list says that the metric is undefined there.
        most_cells: lists with (P + 1)(N + 1) above this are refused.

    Raises:
        ArgumentError: in use, for a larger list or a negative or infinite Delta.

    Example:
        >>> cost = CountingTask(lambda tp, fp, fn, tn: (10 * fn + fp) / (tp + fp + fn + tn))
    """

    higher_is_better: ClassVar[bool] = False
    without_positives: ClassVar[WithoutPositives | None] = "punish"

    def __init__(
        self,
        task_loss: Callable[[Array, Array, Array, Array], Array],
        *,
        most_cells: int = 50_000_000,
    ) -> None:
        check_function("task_loss", task_loss, "tp", "fp", "fn", "tn")
        self.loss_of_counts = task_loss
        self.most_cells = whole_number("most_cells", most_cells)

    def solve(
        self, lists: Lists, weights: Array, coefficients: Array, *, share_ties: bool = True
    ) -> Solution:
        tables = self._tables(*class_sizes(lists)[:2])
        metric = counts.Metric(counts.TABLE, np.empty(0), *tables)
        return _over_lists(lists, metric, weights, coefficients)

    def unit_weights(self, lists: Lists) -> Array:
        P, N, *_ = class_sizes(lists)
        none, one = np.zeros(P.size), np.ones(P.size)
        right = self.loss_at(P, none, P, N)
        missed = np.abs(self.loss_at(np.maximum(P - one, 0.0), none, P, N) - right)
        alarm = np.abs(self.loss_at(P, np.minimum(one, N), P, N) - right)
        steps = np.maximum(missed, alarm) * np.maximum(P + N, 1)
        return 1.0 / np.where(steps > _LEAST_STEP, steps, 1.0)

    def loss_at(self, tp: Array, fp: Array, positives: Array, negatives: Array) -> Array:
        return np.nan_to_num(self._losses(tp, fp, positives - tp, negatives - fp))

    def _loss_of_weights(self, tp: Array, fp: Array, P: Array, N: Array) -> tuple[Array, Array]:
        losses = self._losses(tp, fp, P - tp, N - fp)
        losses = np.broadcast_to(losses, tp.shape)
        defined = (P + N > 0.0) & ~np.isnan(losses)
        return np.where(defined, losses, 0.0), defined

    def _losses(self, *counts: Array) -> Array:
        """What the user's function says, of counts as float64."""
        losses = self.loss_of_counts(*(each.astype(np.float64) for each in counts))
        return np.asarray(losses, np.float64)

    def _tables(self, positives: Array, negatives: Array) -> tuple[Array, Array]:
        """One table of Delta for each pair of class sizes that occurs, and where each list's is."""
        sizes, which = np.unique(np.stack([positives, negatives]), axis=1, return_inverse=True)
        cells = (sizes[0] + 1) * (sizes[1] + 1)
        if (cells > self.most_cells).any():
            largest = int(cells.argmax())
            raise ArgumentError(
                "scores",
                f"a list of {sizes[0, largest]} positives and {sizes[1, largest]} negatives",
                f"(P + 1)(N + 1) <= most_cells = {self.most_cells}: an arbitrary function of "
                "counts takes a table of that size",
            )
        tables, starts, at = [np.empty(0)], [], 0
        for P, N in sizes.T:
            if P + N == 0:
                starts.append(-1)
                continue
            tp, fp = np.meshgrid(np.arange(P + 1.0), np.arange(N + 1.0), indexing="ij")
            table = self._losses(tp, fp, P - tp, N - fp)
            if table.shape not in ((), tp.shape):
                came = f"values of shape {table.shape} for counts {tp.shape}"
                raise ArgumentError("task_loss", came, "a function that is elementwise on arrays")
            table = np.broadcast_to(table, tp.shape)
            if np.isnan(table).all():
                starts.append(-1)
                continue
            wrong = ~((table >= 0.0) & (table <= LARGEST_VALUE))
            if wrong.any():
                raise ArgumentError(
                    "task_loss",
                    f"{table[wrong][0]} at P={P}, N={N}",
                    f"values from 0 to {LARGEST_VALUE:.3g}",
                )
            tables.append(np.asarray(table, np.float64).reshape(-1))
            starts.append(at)
            at += table.size
        return np.concatenate(tables), np.array(starts, np.int64)[which.reshape(-1)]
