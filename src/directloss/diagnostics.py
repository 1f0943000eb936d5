"""What an update would do to given scores, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from directloss._operators import within_list_squares
from directloss._solve import LayoutOptions, read
from directloss.functional import direct_terms
from directloss.lists import read_lists

if TYPE_CHECKING:
    from torch import Tensor

    from directloss.tasks.base import Direction, Task

__all__ = ["Diagnostics", "diagnose"]


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """How epsilon relates to the scores, and what the step does; means over the defined lists.

    Attributes:
        epsilon: the step of the theorem, in units of the scores.
        spread: pooled within-list standard deviation of the scores.
        epsilon_over_spread: what acts. Far below 1 the update touches few pairs; where it grows
            during training, the scores are collapsing.
        pairs_flipped: share of what a configuration decides (pairs, for a ranking) on which the two
            configurations of the update differ.
        task_loss: Delta of the prediction.
        task_loss_direct: Delta of the loss-augmented configuration (mean of both directions).
        lower, upper: L_- and L_+, which enclose `task_loss`.
        zero_gradient_share: share of the lists whose gradient is exactly 0.
    """

    epsilon: float
    spread: float
    epsilon_over_spread: float
    pairs_flipped: float
    task_loss: float
    task_loss_direct: float
    lower: float
    upper: float
    zero_gradient_share: float


def diagnose(
    task: Task,
    scores: Tensor,
    targets: Tensor,
    epsilon: float,
    direction: Direction,
    options: LayoutOptions,
) -> Diagnostics:
    """Solve both directions and compare."""
    rows = read(scores, targets, target_per_list=task.target_per_list, **options)
    lists, _ = read_lists(
        *rows[1:], read_targets=task.read_targets, ignore_index=options.get("ignore_index")
    )
    squares, count = within_list_squares(lists)
    spread = float(np.sqrt(squares / count)) if count else 0.0
    weights = np.array([0.0, epsilon, -epsilon])
    solution = task.solve(lists, weights, np.ones(3))
    defined = solution.defined

    def mean(values: np.ndarray) -> float:
        return float(values[defined].mean()) if defined.any() else 0.0

    objective = solution.values + weights * solution.task_losses
    predicted = solution.values[:, 0]
    terms = [term for term in direct_terms(epsilon, direction) if term.coefficient != 0]
    coefficients = np.array([float(term.coefficient) for term in terms])
    at = np.array([float(term.weight) for term in terms])
    gradient = task.solve(lists, at, coefficients).combination
    ends = [task.solve(lists, at[k : k + 1], np.ones(1), share_ties=False) for k in range(2)]
    direct = [k for k, weight in enumerate(weights) if weight != 0 and weight in at]
    moved = np.add.reduceat(np.append(gradient != 0, False), lists.offsets[:-1])
    moved[np.diff(lists.offsets) == 0] = 0
    return Diagnostics(
        epsilon=epsilon,
        spread=spread,
        epsilon_over_spread=epsilon / spread if spread else float("inf"),
        pairs_flipped=mean(task.share_changed(ends[0].combination, ends[1].combination, lists)),
        task_loss=mean(solution.task_losses[:, 0]),
        task_loss_direct=mean(solution.task_losses[:, direct].mean(axis=1)),
        lower=mean((predicted - objective[:, 2]) / epsilon),
        upper=mean((objective[:, 1] - predicted) / epsilon),
        zero_gradient_share=mean((moved == 0).astype(np.float64)),
    )
