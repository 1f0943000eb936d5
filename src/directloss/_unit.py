"""One unit of epsilon: each list is solved at the weight of Delta that shifts its scores as far.

In ``unit="score"`` a list's weights are those of the update times the task's `unit_weights`, and
its coefficients are divided by that. The factor is rounded down to a power of two. So nothing else
is rounded: as F is linear in the scores, argmax F + weight * c * Delta is that of the scores / c at
`weight`, and lists of different factors are solved in one call.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from directloss._range import exponent_of, is_extreme, scaled, solve_in_range
from directloss._solution import Solution
from directloss.inference._kernel import Array
from directloss.lists import Lists

if TYPE_CHECKING:
    from directloss.tasks.base import Task

__all__ = ["solve_in_unit"]

_FEW = 4
"""Lists up to which Python finds their exponents sooner than numpy."""

_LEAST = 1e-290
"""Size of weights below which a factor may make them 0; `scaled` does not."""


class _Shifted(NamedTuple):
    """The terms of an update in a unit.

    Attributes:
        weights, coefficients: weights * 2^-k and coefficients * 2^k.
        size: the largest of the coefficients, without its sign.
        extreme: whether a weight is out of the range that solvers take.
    """

    weights: tuple[float, ...]
    coefficients: tuple[float, ...]
    size: float
    extreme: bool


def solve_in_unit(
    task: Task,
    lists: Lists,
    weights: tuple[float, ...],
    coefficients: tuple[float, ...],
    *,
    in_scores: bool,
) -> tuple[Solution, Array | int, float]:
    """`Task.solve` of each list at weights * 2^-k, with coefficients * 2^k.

    Args:
        weights, coefficients: one of each a term, as in `solve_in_range`.
        in_scores: whether weights count in shifts of the scores; else k is 0.

    Returns:
        A solution whose `objective` takes the weights and coefficients that were given; k of each
        list, int64 (L,), or one number where all have the same; and the size of the largest
        coefficient that the solution was made with.
    """
    shifts = task.unit_weights(lists) if in_scores else 1.0
    # 2^-k is the largest power of two that is not above a shift.
    exponents = _exponents(shifts) if isinstance(shifts, np.ndarray) else 1 - math.frexp(shifts)[1]
    if isinstance(exponents, int):  # which the weights take: no score is touched
        shifted = _shifted(weights, coefficients, exponents)
        terms = np.array(shifted.weights), np.array(shifted.coefficients)
        if shifted.extreme or lists.scores.itemsize == 8:
            solution = solve_in_range(task.solve, lists, *terms)
        else:  # as it would, without a look: no float32 is extreme
            solution = task.solve(lists, *terms)
        solution.exponents = solution.exponents - exponents
        return solution, exponents, shifted.size
    given = np.array(weights), np.array(coefficients)
    sizes = np.diff(lists.offsets)
    factors = np.repeat(np.ldexp(1.0, exponents).astype(lists.scores.dtype), sizes)
    with np.errstate(over="ignore"):
        scores = lists.scores * factors
        exact = bool((scores / factors == lists.scores).all())
    if exact and not exponent_of(given[0], lists.scores, scores):
        solution = task.solve(replace(lists, scores=scores), *given)
        solution.combination *= factors
    else:
        solution = _solve_one_after_the_other(task, lists, exponents, weights, coefficients)
    return solution, exponents, max(map(abs, coefficients)) * 2.0 ** int(exponents.max())


def _exponents(shifts: Array) -> Array | int:
    """k of each."""
    if 0 < shifts.size <= _FEW:  # with few steps of numpy, which count beside short lists
        first, *others = (1 - math.frexp(shift)[1] for shift in shifts.tolist())
        return first if others.count(first) == len(others) else np.array((first, *others))
    exponents: Array = 1 - np.frexp(shifts)[1].astype(np.int64)
    if (exponents == exponents[:1]).all():
        return int(exponents[0]) if exponents.size else 0
    return exponents


@lru_cache(maxsize=64)
def _shifted(
    weights: tuple[float, ...], coefficients: tuple[float, ...], exponent: int
) -> _Shifted:
    """Terms at weights * 2^-k; kept, as most batches ask for the same."""
    # In Python, where they overflow without a warning: an infinite gradient is refused by its
    # reader.
    up, down = 2.0**exponent, 2.0**-exponent
    larger = tuple(coefficient * up for coefficient in coefficients)
    if max(map(abs, weights)) * down < _LEAST:  # a direct loss has 0 and weights of one size
        smaller = tuple(scaled(np.array(weights), -exponent).tolist())
    else:
        smaller = tuple(weight * down for weight in weights)
    extreme = any(map(is_extreme, smaller))
    return _Shifted(smaller, larger, max(map(abs, larger)), extreme)


def _solve_one_after_the_other(
    task: Task,
    lists: Lists,
    exponents: Array,
    weights: tuple[float, ...],
    coefficients: tuple[float, ...],
) -> Solution:
    """Scores that their factor would take out of the range: one call for each factor."""
    whole: Solution | None = None
    for exponent in np.unique(exponents).tolist():
        chosen = exponents == exponent
        entries = np.repeat(chosen, np.diff(lists.offsets))
        others_at_0 = replace(
            lists, scores=np.where(entries, lists.scores, lists.scores.dtype.type(0))
        )
        shifted = _shifted(weights, coefficients, exponent)
        terms = np.array(shifted.weights), np.array(shifted.coefficients)
        part = solve_in_range(task.solve, others_at_0, *terms)
        part.exponents = np.zeros(len(lists), np.int64) + part.exponents - exponent
        if whole is None:
            whole = part
            continue
        whole.combination[entries] = part.combination[entries]
        for name in ("task_losses", "values", "defined", "exponents"):
            getattr(whole, name)[chosen] = getattr(part, name)[chosen]
    assert whole is not None, "there are several factors"
    return whole
