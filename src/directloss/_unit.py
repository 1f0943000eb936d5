"""One unit of epsilon: each list is solved at the weight of Delta that shifts its scores as far.

In ``unit="score"`` a list's weights are those of the update times the task's `unit_weights`, and
its coefficients are divided by that. The factor is rounded down to a power of two. So nothing else
is rounded: as F is linear in the scores, argmax F + weight * c * Delta is that of the scores / c at
`weight`, and lists of different factors are solved in one call.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from directloss._range import exponent_of, scaled, solve_in_range
from directloss._solution import Solution
from directloss.inference._kernel import Array
from directloss.lists import Lists

if TYPE_CHECKING:
    from directloss.tasks.base import Task

__all__ = ["solve_in_unit", "unit_exponents"]


def unit_exponents(task: Task, lists: Lists) -> Array:
    """k of each list, whose factor is 2^-k; int64 (1,) where all lists have the same, else (L,)."""
    weights = np.asarray(task.unit_weights(lists), np.float64).reshape(-1)
    exponents = 1 - np.frexp(weights)[1].astype(np.int64)
    if exponents.size > 1 and (exponents == exponents[0]).all():
        return exponents[:1]
    return exponents if exponents.size else np.zeros(1, np.int64)


def solve_in_unit(
    task: Task, lists: Lists, exponents: Array, weights: Array, coefficients: Array
) -> Solution:
    """`Task.solve` of each list at weights * 2^-k, with coefficients * 2^k.

    Args:
        exponents: as `unit_exponents` gives them.
        weights, coefficients: float64 (T,), as in `solve_in_range`.

    Returns:
        A solution whose `objective` takes the weights and coefficients that were given.
    """
    if exponents.size == 1:
        return _solve_at(task, lists, int(exponents[0]), weights, coefficients)
    sizes = np.diff(lists.offsets)
    factors = np.repeat(np.ldexp(1.0, exponents).astype(lists.scores.dtype), sizes)
    with np.errstate(over="ignore"):
        larger = lists.scores * factors
        exact = bool((larger / factors == lists.scores).all())
    if exact and not exponent_of(weights, lists.scores, larger):
        solution = task.solve(replace(lists, scores=larger), weights, coefficients)
        solution.combination *= factors
        return solution
    return _solve_one_after_the_other(task, lists, exponents, weights, coefficients)


def _solve_at(
    task: Task, lists: Lists, exponent: int, weights: Array, coefficients: Array
) -> Solution:
    """All lists with the same factor, which the weights take: no score is touched."""
    if exponent == 0:
        return solve_in_range(task.solve, lists, weights, coefficients)
    with np.errstate(over="ignore"):  # an infinite gradient is refused by its reader
        larger = np.ldexp(coefficients, exponent)
    solution = solve_in_range(task.solve, lists, scaled(weights, -exponent), larger)
    before = np.zeros(len(lists), np.int64) if solution.exponents is None else solution.exponents
    solution.exponents = before - exponent
    return solution


def _solve_one_after_the_other(
    task: Task, lists: Lists, exponents: Array, weights: Array, coefficients: Array
) -> Solution:
    """Scores that their factor would take out of the range: one call for each factor."""
    whole: Solution | None = None
    for exponent in np.unique(exponents).tolist():
        chosen = exponents == exponent
        entries = np.repeat(chosen, np.diff(lists.offsets))
        others_at_0 = replace(
            lists, scores=np.where(entries, lists.scores, lists.scores.dtype.type(0))
        )
        part = _solve_at(task, others_at_0, exponent, weights, coefficients)
        if part.exponents is None:
            part.exponents = np.zeros(len(lists), np.int64)
        if whole is None:
            whole = part
            continue
        whole.combination[entries] = part.combination[entries]
        for name in ("task_losses", "values", "defined", "exponents"):
            getattr(whole, name)[chosen] = getattr(part, name)[chosen]
    assert whole is not None, "there are several factors"
    return whole
