"""Scores and weights of any size, brought to where no sum overflows and no difference vanishes.

argmax F + weight * Delta stays where it is when the scores and the weights are multiplied by the
same number, as F is linear in the scores. A power of two does that without rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np

from directloss._solution import Solution
from directloss.errors import ArgumentError
from directloss.inference._kernel import Array
from directloss.inference.checks import any_extreme
from directloss.lists import Lists

__all__ = ["LARGEST_VALUE", "exponent_of", "is_extreme", "scaled", "solve_in_range"]

LARGEST = 800
"""log2 of what scores and weights may be: sums over 2^31 items of it, 2^31 times, are finite, and
so they are where each item is multiplied by two values of a task's own (`LARGEST_VALUE`)."""

LARGEST_VALUE = 2.0**50
"""The largest size, about 1e15, of a value that a task takes from its user: a cost, a discount."""

_STEP = 200
"""Exponents of lists are multiples of this, so that a batch has few different ones."""

LEAST = -800
"""log2 of the least size of a number that is left as it is: its products with 1 / (P N) and with a
difference of discounts are no denormal numbers."""

_SMALL, _LARGE = 2.0**LEAST, 2.0**LARGEST


def exponent_of(weights: Array, *scores: Array) -> int:
    """k such that the largest of all numbers, times 2^k, is of size 2^800; 0 if none is extreme.

    Args:
        weights: float64; -inf stands for the ground truth, and has no size.
        scores: float32 or float64; infinite ones have no size.

    Raises:
        ArgumentError: a weight is NaN or +inf.
    """
    numbers = weights.tolist()
    if not all(weight < math.inf for weight in numbers):
        wanted = "finite weights, or -inf"
        raise ArgumentError("epsilon", "a weight that is NaN or +inf", wanted)
    extreme = any(map(is_extreme, numbers))
    for part in scores:
        # float32 ends at 2^-149 and 2^128.
        extreme = extreme or (part.itemsize == 8 and _extreme(part))
    if not extreme:
        return 0
    largest = max(_largest(part) for part in (weights, *scores))
    return LARGEST - int(np.frexp(largest)[1])


def is_extreme(number: float) -> bool:
    """Whether a weight is too small or too large for sums, or is none: NaN or +inf."""
    return number not in (0.0, -math.inf) and not _SMALL <= abs(number) <= _LARGE


def scaled(values: Array, exponent: int) -> Array:
    """values * 2^exponent, float64; what is not 0 stays so, with its sign."""
    wide = values.astype(np.float64)
    result = np.ldexp(wide, exponent)
    lost = (result == 0.0) & (wide != 0.0)
    if lost.any():
        result[lost] = np.copysign(np.nextafter(0.0, 1.0), wide[lost])
    return result


def solve_in_range(
    solve: Callable[[Lists, Array, Array], Solution],
    lists: Lists,
    weights: Array,
    coefficients: Array,
) -> Solution:
    """`Task.solve` for scores and weights of any size.

    Returns:
        As `Task.solve`, but that `values` are F * 2^`Solution.exponents` of each list.
    """
    if exponent_of(weights, lists.scores) == 0:
        return solve(lists, weights, coefficients)
    exponents, crowded = _exponents(weights, lists)
    whole: Solution | None = None
    # A solver takes one weight for all lists, which are solved once for each exponent among them.
    for exponent, apart in set(zip(exponents.tolist(), crowded.tolist(), strict=True)):
        chosen = (exponents == exponent) & (crowded == apart)
        entries = np.repeat(chosen, np.diff(lists.offsets))
        others_at_0 = replace(lists, scores=np.where(entries, lists.scores, 0.0))
        part = _solve_at(exponent, solve, others_at_0, weights, coefficients, apart=apart)
        with np.errstate(over="ignore"):  # an infinite gradient is refused by its reader
            part.combination = part.combination.astype(lists.scores.dtype, copy=False)
        whole = part if whole is None else whole
        whole.combination[entries] = part.combination[entries]
        for name in ("task_losses", "values", "defined"):
            getattr(whole, name)[chosen] = getattr(part, name)[chosen]
    if whole is None:  # no lists
        return solve(lists, weights, coefficients)
    whole.exponents = exponents
    return whole


def _exponents(weights: Array, lists: Lists) -> tuple[Array, Array]:
    """k of each list, int64 (L,), in steps of `_STEP`, and whether scores lose digits by it."""
    exponents, crowded = np.zeros(len(lists), np.int64), np.zeros(len(lists), np.bool_)
    for number, (begin, end) in enumerate(pairwise(lists.offsets.tolist())):
        scores = lists.scores[begin:end]
        exponent = exponent_of(weights, scores) // _STEP * _STEP
        exponents[number] = exponent
        back = np.ldexp(scaled(scores, exponent), -exponent)
        crowded[number] = bool((back != scores).any())
    return exponents, crowded


def _solve_at(
    exponent: int,
    solve: Callable[[Lists, Array, Array], Solution],
    lists: Lists,
    weights: Array,
    coefficients: Array,
    *,
    apart: bool,
) -> Solution:
    """Solve with scores and weights times 2^exponent.

    Args:
        apart: whether the prediction is read from the scores as they are. It needs no sums, only
            an order, which small scores beside large ones lose when both are made smaller.
    """
    prediction = weights == 0.0
    apart = apart and bool(prediction.any())
    used = np.where(prediction, 0.0, coefficients) if apart else coefficients
    larger = replace(lists, scores=scaled(lists.scores, exponent))
    solution = solve(larger, scaled(weights, exponent), used)
    if apart:
        exact = solve(lists, weights[prediction], coefficients[prediction])
        solution.combination = solution.combination + exact.combination
        solution.task_losses[:, prediction] = exact.task_losses
    return solution


def _extreme(values: Array) -> bool:
    return any_extreme(values.reshape(-1), _SMALL, _LARGE)


def _largest(values: Array) -> float:
    sizes = np.abs(values[np.isfinite(values)])
    return float(sizes.max(initial=0.0))
