"""What an update would do to given scores, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from directloss._solve import leave_out
from directloss._spread import within_lists
from directloss._unit import solve_in_unit
from directloss.functional import direct_terms
from directloss.lists import Unit, check_weights, class_sizes, host, read_lists

if TYPE_CHECKING:
    from directloss._update import ListBatch
    from directloss.tasks.base import Direction

__all__ = ["Diagnostics", "diagnose"]

ROUNDING = 1e-15
"""Coefficients of two configurations that differ by less are the same number, summed in two ways
(means over ties)."""


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """How epsilon relates to the scores, and what the step does.

    Means are over the lists on which the metric is defined, by their weights if there are some.

    Attributes:
        epsilon: as the loss has it, in its unit.
        spread: pooled within-list standard deviation of the scores, which "auto" takes.
        spread_items: how many scores it is of: all finite ones that take part, of relevant and
            irrelevant items alike. In a long list with few relevant items it is that of the others.
        epsilon_over_spread: what acts, in ``unit="score"``. Far below 1 the update touches few
            pairs; where it grows during training, the scores are collapsing.
        pairs_flipped: share of what a configuration decides (pairs, for a ranking) on which the two
            configurations of the update differ; a tied pair, which the prediction leaves open,
            counts half.
        task_loss: Delta of the prediction.
        task_loss_direct: Delta of the loss-augmented configuration (mean of both directions).
        lower, upper: L_- and L_+, which enclose `task_loss`.
        zero_gradient_share: share of the lists whose gradient is exactly 0.
    """

    epsilon: float
    spread: float
    spread_items: int
    epsilon_over_spread: float
    pairs_flipped: float
    task_loss: float
    task_loss_direct: float
    lower: float
    upper: float
    zero_gradient_share: float


def diagnose(batch: ListBatch, epsilon: float, direction: Direction, unit: Unit) -> Diagnostics:
    """Solve the prediction and both directions at once, and compare."""
    task, layout = batch.task, batch.layout
    lists, _ = read_lists(layout, task.read_targets, per_list=task.target_per_list)
    measured = within_lists(lists)
    spread = measured.deviation
    # What the update does not use takes part with coefficient 0.
    used = {term.weight: term.coefficient for term in direct_terms(epsilon, direction)}
    weights = np.array([0.0, epsilon, -epsilon])
    coefficients = np.array([used.get(weight, 0.0) for weight in weights])
    terms = tuple(weights.tolist()), tuple(coefficients.tolist())
    solution, exponents, _ = solve_in_unit(task, lists, *terms, in_scores=unit == "score")
    if batch.skip_without_positives:
        leave_out(solution, lists, class_sizes(lists).positives == 0)
    defined = solution.defined

    shares = np.ones(defined.size)
    if batch.list_weights is not None:
        shares = host(batch.list_weights).astype(np.float64)
        check_weights(shares)
    shares = shares * defined

    def mean(values: np.ndarray) -> float:
        return float(values @ shares / shares.sum()) if shares.sum() > 0.0 else 0.0

    lower = solution.objective(weights, np.array([1.0, 0.0, -1.0]) / epsilon)
    upper = solution.objective(weights, np.array([-1.0, 1.0, 0.0]) / epsilon)
    # The update is one coefficient times the difference of two configurations.
    sizes = np.abs(coefficients).max() * np.ldexp(1.0, exponents)
    if np.ndim(sizes):
        sizes = np.repeat(sizes, np.diff(lists.offsets))
    difference = solution.combination / sizes
    difference[np.abs(difference) < ROUNDING] = 0.0
    direct = (coefficients != 0.0) & (weights != 0.0)
    moved = np.diff(np.append(0, np.cumsum(difference != 0.0))[lists.offsets])
    return Diagnostics(
        epsilon=epsilon,
        spread=spread,
        spread_items=measured.scores,
        epsilon_over_spread=epsilon / spread if spread else float("inf"),
        pairs_flipped=mean(task.share_changed(difference, lists)),
        task_loss=mean(solution.task_losses[:, 0]),
        task_loss_direct=mean(solution.task_losses[:, direct].mean(axis=1)),
        lower=mean(lower),
        upper=mean(upper),
        zero_gradient_share=mean(moved == 0),
    )
