"""The spread of scores within their lists: what `epsilon="auto"` is measured in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from directloss.inference._kernel import Array
from directloss.lists import Lists

__all__ = ["Spread", "pooled", "within_lists"]

_UNSCALED = 400
"""log2 of sizes, and of their inverse, whose squares and sums need no factor."""

_ROOM = 64
"""log2 of what a difference, and a sum of fewer than 2^63, may be beyond the largest score."""


class Spread(NamedTuple):
    """A sum of squared deviations that neither overflows nor vanishes.

    Attributes:
        squares: the sum, of scores multiplied by 2^exponent.
        scores: how many are in it.
        exponent: see `squares`.
    """

    squares: float
    scores: int
    exponent: int

    @property
    def deviation(self) -> float:
        """sqrt(sum / scores) in units of the scores; 0 where there is nothing to measure."""
        if not self.scores:
            return 0.0
        return math.ldexp(math.sqrt(self.squares / self.scores), -self.exponent)


def within_lists(lists: Lists) -> Spread:
    """Of the finite scores, each from the mean of its list."""
    scores = lists.scores.astype(np.float64)
    owner = np.repeat(np.arange(len(lists)), np.diff(lists.offsets))
    finite = np.isfinite(scores)
    scores, owner = scores[finite], owner[finite]
    exponent = 0
    with np.errstate(over="ignore", invalid="ignore"):
        deviations = _from_mean(scores, owner)
    if not np.isfinite(deviations).all():
        exponent = -_ROOM
        deviations = _from_mean(np.ldexp(scores, exponent), owner)
    # The deviations alone, as large scores may lie close together beside small ones further apart.
    largest = int(np.frexp(np.abs(deviations).max(initial=0.0))[1])
    factor = 0 if abs(largest) < _UNSCALED else -largest
    squares = np.square(np.ldexp(deviations, factor)).sum()
    return Spread(float(squares), scores.size, exponent + factor)


def _from_mean(scores: Array, owner: Array) -> Array:
    """Each score less the mean of its list; exactly 0 where all of a list are equal."""
    counts = np.bincount(owner)
    from_first = scores - scores[(np.cumsum(counts) - counts)[owner]]
    means = np.bincount(owner, from_first) / np.maximum(counts, 1)
    deviations: Array = from_first - means[owner]
    return deviations


def pooled(spreads: Sequence[Spread]) -> Spread:
    """That of all scores together, each still measured from the mean of its own list."""
    parts = [spread for spread in spreads if spread.squares > 0.0]
    exponent = min((spread.exponent for spread in parts), default=0)
    squares = sum(math.ldexp(part.squares, 2 * (exponent - part.exponent)) for part in parts)
    return Spread(squares, sum(spread.scores for spread in spreads), exponent)
