"""The spread of scores within their lists: what `epsilon="auto"` is measured in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from directloss.lists import Lists

__all__ = ["Spread", "pooled", "within_lists"]

_UNSCALED = 400
"""log2 of sizes, and of their inverse, whose squares and sums need no factor."""


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
    largest = int(np.frexp(np.abs(scores).max(initial=0.0))[1])
    exponent = 0 if abs(largest) < _UNSCALED else -largest
    scores = np.ldexp(scores, exponent)
    counts = np.bincount(owner, minlength=len(lists))
    means = np.bincount(owner, scores, minlength=len(lists)) / np.maximum(counts, 1)
    return Spread(float(np.square(scores - means[owner]).sum()), scores.size, exponent)


def pooled(spreads: Sequence[Spread]) -> Spread:
    """That of all scores together, each still measured from the mean of its own list."""
    parts = [spread for spread in spreads if spread.squares > 0.0]
    exponent = min((spread.exponent for spread in parts), default=0)
    squares = sum(math.ldexp(part.squares, 2 * (exponent - part.exponent)) for part in parts)
    return Spread(squares, sum(spread.scores for spread in spreads), exponent)
