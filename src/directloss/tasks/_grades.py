"""What each item of a batch gains, as the solvers by position take it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from directloss.inference._kernel import Array
from directloss.inference.grades import MOST_ITEMS, find_grades, find_values

__all__ = ["Gains"]


_BINARY = np.array([0.0, 1.0])

_SHORT = 1 << 13
"""Relevances up to which they are looked at by numpy, whose steps write arrays of their length."""


@dataclass(frozen=True, slots=True)
class Gains:
    """Gains of the items of a batch, by grade where there are but a few grades.

    Attributes:
        grades: uint8 (n,); none where distinct gains are too many.
        gains: float64: of each grade, ascending; or without grades (n,), of each item.
    """

    grades: Array
    gains: Array

    @classmethod
    def binary(cls, labels: Array) -> Gains:
        """0/1 as uint8."""
        return cls(labels, np.array([0.0, 1.0]))

    @classmethod
    def of(cls, relevances: Array, gain: Callable[[Array], Array]) -> Gains:
        """Gains of relevances without NaN.

        Args:
            relevances: flat, of any type of number.
            gain: relevances, float64, to gains; elementwise. It sees each relevance once where
                these are few.
        """
        if relevances.dtype == np.bool_:
            relevances = relevances.view(np.uint8)
        if 0 < relevances.size <= _SHORT:
            # Nearly all are 0 or 1: three steps of numpy, and no kernel to be compiled.
            grades = relevances == 1
            if (grades | (relevances == 0)).all():
                return cls._graded(grades.view(np.uint8), _BINARY, gain)
        values = find_values(relevances)
        if values.size == 0 or (values.size > 2 and relevances.size > MOST_ITEMS):
            return cls(np.empty(0, np.uint8), gain(relevances.astype(np.float64)))
        grades = np.empty(relevances.size, np.uint8)
        find_grades(relevances, values, grades)
        return cls._graded(grades, values, gain)

    @classmethod
    def _graded(cls, grades: Array, values: Array, gain: Callable[[Array], Array]) -> Gains:
        gains, rank = np.unique(gain(values), return_inverse=True)
        if gains.size < values.size or (np.diff(rank) < 0).any():
            # Two relevances may gain the same, and a larger one less.
            grades = rank.astype(np.uint8)[grades]
        return cls(grades, gains)
