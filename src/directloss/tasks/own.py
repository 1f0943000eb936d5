"""A task from two functions of a single list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from directloss._arguments import check_function
from directloss.errors import ArgumentError
from directloss.inference._kernel import Array
from directloss.lists import Lists
from directloss.tasks.base import Direction, Solution, Task

__all__ = ["ListTask"]

Inference = Callable[[Array, Array, float], Array]
TaskLoss = Callable[[Array, Array], float]


class ListTask(Task):
    r"""A user's own task, said by its argmax and its loss on one list.

    A configuration is the vector y of its coefficients, F(y) = <scores, y>: epsilon is in units of
    F over units of Delta. `metric` is Delta of the prediction, so lower is better.

    The functions are called for each list and each term of an update, from a Python loop: right for
    another library's solver, or to try a metric out, and slow for many short lists.

    Args:
        inference: (scores (n,), targets (n,), weight) -> y (n,), the argmax of F + weight * Delta.
            Weight is of either sign; at 0, among equals the y of largest Delta; -infinity asks for
            the ground truth, the least Delta and among those the largest F. Scores are float64,
            without NaN, n >= 1, and may be infinite.
        task_loss: (y (n,), targets (n,)) -> Delta, finite and >= 0; NaN says that the metric is
            undefined on the list, whatever y is.
        direction: the direction taken where a user of the task names none.
        targets: "binary" takes 0 and 1 alone, as uint8; "any" hands over what comes.
        interchangeable: whether items of equal score may change places in a configuration, as in
            a ranking or a set. They then share the mean of their coefficients in the prediction,
            so that no order of storage enters the gradient. False for items that have neighbours.

    Raises:
        ArgumentError: for a function of other arguments; in use, for coefficients of a wrong shape
            or a Delta that is negative or infinite.

    Example:
        >>> def inference(scores, targets, weight):  # F = mean of scores over the items kept
        ...     if weight == -np.inf:
        ...         return targets / targets.size
        ...     gain = scores + weight * np.where(targets == 1, -1.0, 1.0)
        ...     return ((gain > 0) | ((gain == 0) & (targets == 0))) / targets.size
        >>> def task_loss(y, targets):
        ...     return np.mean((y > 0) != targets)
        >>> zero_one = ListTask(inference, task_loss)
    """

    higher_is_better = False

    def __init__(
        self,
        inference: Inference,
        task_loss: TaskLoss,
        *,
        direction: Direction = "both",
        targets: Literal["binary", "any"] = "binary",
        interchangeable: bool = True,
    ) -> None:
        check_function("inference", inference, "scores", "targets", "weight")
        check_function("task_loss", task_loss, "y", "targets")
        if direction not in ("positive", "negative", "both"):
            raise ArgumentError("direction", repr(direction), "'positive', 'negative' or 'both'")
        if targets not in ("binary", "any"):
            raise ArgumentError("targets", repr(targets), "'binary' or 'any'")
        self.inference_of_list = inference
        self.loss_of_list = task_loss
        self.direction = direction  # type: ignore[misc]
        self.targets = targets
        self.interchangeable = interchangeable

    def __repr__(self) -> str:
        name = getattr(self.loss_of_list, "__name__", repr(self.loss_of_list))
        return f"ListTask({name})"

    def read_targets(self, targets: Array) -> Array:
        return super().read_targets(targets) if self.targets == "binary" else np.asarray(targets)

    def solve(
        self, lists: Lists, weights: Array, coefficients: Array, *, share_ties: bool = True
    ) -> Solution:
        solution = Solution.empty(lists, weights.size)
        solution.task_losses[:] = solution.values[:] = 0.0
        for number, (scores, targets, entries) in enumerate(_each(lists)):
            total = np.zeros(scores.size)
            defined = scores.size > 0
            for term in range(weights.size if defined else 0):
                y = self._configuration_of(scores, targets, float(weights[term]))
                loss = self._loss_of(y, targets)
                defined = not np.isnan(loss)
                if not defined:
                    break
                solution.task_losses[number, term] = loss
                solution.values[number, term] = y @ np.where(np.isfinite(scores), scores, 0.0)
                if share_ties and self.interchangeable and weights[term] == 0.0:
                    y = _shared(y, scores)
                total += coefficients[term] * y
            solution.defined[number] = defined
            solution.combination[entries] = total if defined else 0.0
        return solution

    def loss_of(self, configurations: Lists) -> Array:
        losses = [
            self._loss_of(y, targets) if y.size else 0.0 for y, targets, _ in _each(configurations)
        ]
        return np.nan_to_num(np.array(losses, np.float64))

    def _configuration_of(self, scores: Array, targets: Array, weight: float) -> Array:
        y = np.asarray(self.inference_of_list(scores, targets, weight), np.float64)
        if y.shape != scores.shape or not np.isfinite(y).all():
            came = f"shape {y.shape}" if y.shape != scores.shape else "a non-finite coefficient"
            raise ArgumentError("inference", came, f"finite coefficients of shape {scores.shape}")
        return y

    def _loss_of(self, y: Array, targets: Array) -> float:
        loss = float(self.loss_of_list(y, targets))
        if loss < 0.0 or np.isinf(loss):
            raise ArgumentError("task_loss", loss, "a finite number >= 0, or NaN where undefined")
        return loss


def _each(lists: Lists) -> list[tuple[Array, Array, slice]]:
    """Scores, targets and place of every list."""
    places = [slice(*ends) for ends in zip(lists.offsets, lists.offsets[1:], strict=False)]
    return [(lists.scores[at].astype(np.float64), lists.targets[at], at) for at in places]


def _shared(y: Array, scores: Array) -> Array:
    """Every item's coefficient replaced by the mean over the items of its score."""
    _, tie = np.unique(scores, return_inverse=True)
    mean: Array = (np.bincount(tie, y) / np.bincount(tie))[tie]
    return mean
