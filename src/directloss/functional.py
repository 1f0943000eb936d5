"""The theorem: configurations in, scalar out.

A network scores each configuration y by F(y). All updates of the paper are differences of F
between two configurations, taken from one family, y(weight) = argmax F + weight * Delta: weight 0
is the prediction, +-epsilon the loss-augmented inference, -infinity the ground truth. An update is
a list of terms (coefficient, weight); its gradient is

    sum over terms of  coefficient * grad F(y(weight)),   the configurations held fixed.

    direct, positive   (1/eps, +eps)  - (1/eps, 0)        away from worse
    direct, negative   (1/eps, 0)     - (1/eps, -eps)     toward better
    direct, both       (1/2eps, +eps) - (1/2eps, -eps)    central difference of the two
    hinge              (1, +margin)   - (1, -infinity)    margin rescaling
    perceptron         (1, 0)         - (1, -infinity)

For direct loss the expectation of that gradient tends to the gradient of E[Delta(y(0))] as epsilon
tends to 0 (Song, Schwing, Zemel, Urtasun 2016, theorem 1; the proof is in docs/theory.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from directloss._arguments import step
from directloss._operators import traced
from directloss._solve import spread_of
from directloss._terms import Lowering, Term, Terms
from directloss._update import (
    ListBatch,
    Step,
    loss_from_configurations,
    require_empty,
    require_unit,
)
from directloss.errors import ArgumentError
from directloss.lists import (
    Dim,
    Empty,
    Layout,
    Reduction,
    Unit,
    WithoutPositives,
    check_weights,
    host,
)
from directloss.qrels import Qrels
from directloss.tasks.base import Direction, Task

__all__ = [
    "Term",
    "auto_epsilon",
    "direct_loss",
    "direct_terms",
    "hinge_loss",
    "hinge_terms",
    "loss_from_configurations",
    "perceptron_loss",
    "perceptron_terms",
    "structured_direct_loss",
]

Configuration = TypeVar("Configuration")

GROUND_TRUTH = float("-inf")


def direct_terms(epsilon: Step, direction: Direction) -> Terms:
    """Terms of the direct loss; the first is the prediction, whatever its coefficient."""
    if direction == "positive":
        return Terms((Term(-1 / epsilon, 0.0), Term(1 / epsilon, epsilon)))
    if direction == "negative":
        return Terms((Term(1 / epsilon, 0.0), Lowering(-1 / epsilon, -epsilon)))
    if direction == "both":
        half = 0.5 / epsilon
        return Terms((Term(0.0, 0.0), Term(half, epsilon), Lowering(-half, -epsilon)))
    raise ArgumentError("direction", repr(direction), "'positive', 'negative' or 'both'")


def hinge_terms(margin: Step) -> Terms:
    """Terms of the structured hinge with margin rescaling."""
    return Terms((Term(1.0, margin), Term(-1.0, GROUND_TRUTH)))


def perceptron_terms() -> Terms:
    """Terms of the structured perceptron."""
    return Terms((Term(1.0, 0.0), Term(-1.0, GROUND_TRUTH)))


def structured_direct_loss(
    score: Callable[[Configuration], Tensor],
    inference: Callable[[], Configuration],
    loss_augmented_inference: Callable[[float], Configuration],
    task_loss: Callable[[Configuration], Tensor | float],
    *,
    epsilon: float,
    direction: Direction = "positive",
) -> Tensor:
    """Direct loss of any differentiable F, with the user's own two oracles.

    Args:
        score: F(y): a scalar tensor, or one entry a sample; differentiable.
        inference: the prediction, argmax over y of F(y).
        loss_augmented_inference: weight -> argmax over y of F(y) + weight * Delta(y).
        task_loss: Delta(y) >= 0 of a configuration, in the shape that `score` returns.
        epsilon: > 0, the weight of Delta, in units of F.
        direction: the side from which the derivative is taken.

    Returns:
        Delta of the prediction, with the gradient of the theorem. The oracles run without gradient.

    Raises:
        ArgumentError: for an epsilon that is not positive, or an unknown direction.
    """
    require_positive("epsilon", epsilon)
    with torch.no_grad():
        terms = [
            (coefficient, inference() if weight == 0 else loss_augmented_inference(float(weight)))
            for coefficient, weight in direct_terms(epsilon, direction)
        ]
        loss = torch.as_tensor(task_loss(terms[0][1]), dtype=torch.float64)
    return loss_from_configurations(score, terms, loss)


def direct_loss(
    scores: Tensor,
    targets: Tensor | Qrels,
    task: Task,
    *,
    epsilon: Step,
    unit: Unit = "score",
    direction: Direction | None = None,
    reduction: Reduction = "mean",
    dim: Dim | None = None,
    class_dim: int | None = None,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    mask: Tensor | None = None,
    groups: Tensor | None = None,
    ignore_index: int | None = None,
    empty: Empty = "skip",
    without_positives: WithoutPositives | None = None,
) -> Tensor:
    """The task loss of the scores, with the gradient of direct loss minimization.

    The stateless form of `directloss.DirectLoss`, which documents the arguments.
    """
    require_unit(unit)
    terms = direct_terms(require_positive("epsilon", epsilon), direction or task.direction)
    require_empty(empty)
    how = dim, mask, groups, ignore_index, empty, without_positives, class_dim
    batch = _read(task, scores, targets, weight, class_weight, *how)
    return batch.solve(terms, "prediction", reduction, unit)[0]


def hinge_loss(
    scores: Tensor,
    targets: Tensor | Qrels,
    task: Task,
    *,
    margin: Step = 1.0,
    reduction: Reduction = "mean",
    dim: Dim | None = None,
    class_dim: int | None = None,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    mask: Tensor | None = None,
    groups: Tensor | None = None,
    ignore_index: int | None = None,
    empty: Empty = "skip",
    without_positives: WithoutPositives | None = None,
) -> Tensor:
    """The structured hinge; the stateless form of `directloss.HingeLoss`."""
    terms = hinge_terms(require_positive("margin", margin))
    require_empty(empty)
    how = dim, mask, groups, ignore_index, empty, without_positives, class_dim
    batch = _read(task, scores, targets, weight, class_weight, *how)
    return batch.solve(terms, "objective", reduction)[0]


def perceptron_loss(
    scores: Tensor,
    targets: Tensor | Qrels,
    task: Task,
    *,
    reduction: Reduction = "mean",
    dim: Dim | None = None,
    class_dim: int | None = None,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    mask: Tensor | None = None,
    groups: Tensor | None = None,
    ignore_index: int | None = None,
    empty: Empty = "skip",
    without_positives: WithoutPositives | None = None,
) -> Tensor:
    """The structured perceptron; the stateless form of `directloss.PerceptronLoss`."""
    require_empty(empty)
    how = dim, mask, groups, ignore_index, empty, without_positives, class_dim
    batch = _read(task, scores, targets, weight, class_weight, *how)
    return batch.solve(perceptron_terms(), "objective", reduction)[0]


def _read(
    task: Task,
    scores: Tensor,
    targets: Tensor | Qrels,
    weight: Tensor | None,
    class_weight: Tensor | None,
    *how: Any,
) -> ListBatch:
    """As `Task.read`, with the weights, and what losses check when they are made."""
    # On a device somebody would have to wait; what is wrong there the solver refuses.
    if isinstance(class_weight, Tensor) and class_weight.is_cpu and not traced():
        check_weights(host(class_weight), "class_weight")
    batch = refuse_lists_of_one(task.read(scores, targets, *how))
    batch.weigh(weight, class_weight)
    return batch


def auto_epsilon(
    scores: Tensor,
    targets: Tensor | None = None,
    *,
    dim: Dim = -1,
    mask: Tensor | None = None,
    groups: Tensor | None = None,
    ignore_index: int | None = None,
) -> float:
    """The pooled within-list standard deviation of the finite scores that take part.

    sqrt(sum over lists and entries of (phi - mean of the list)^2 / number of entries), in units of
    the scores; 0 where there is nothing to measure.

    Args:
        scores: as for the losses.
        targets: needed only where `ignore_index` or a NaN target leaves entries out.
        dim, mask, groups, ignore_index: as for the losses.
    """
    if targets is None:
        targets = torch.zeros(scores.shape, dtype=torch.uint8)
    layout = Layout.of(
        scores,
        targets,
        per_list=targets.ndim < scores.ndim,
        dim=dim,
        mask=mask,
        groups=groups,
        ignore_index=ignore_index,
    )
    return spread_of(layout).deviation


def require_positive(name: str, value: Step) -> Step:
    """A step: a positive finite number, or a tensor () that holds one, returned as a constant."""
    if isinstance(value, Tensor):
        if value.ndim != 0 or value.is_complex():
            came = f"a tensor of shape {tuple(value.shape)} and type {value.dtype}"
            raise ArgumentError(
                name, came, "a positive finite number, or a real tensor of shape ()"
            )
        if traced():
            return value.detach()  # a stand-in without data, at which Python cannot look
    return step(name, value)


def refuse_lists_of_one(batch: ListBatch) -> ListBatch:
    """The batch; lists of one item are refused but for padded ones, which may be that short."""
    if batch.task.ranks and not batch.padded:
        batch.refuse_lists_of_one()
    return batch
