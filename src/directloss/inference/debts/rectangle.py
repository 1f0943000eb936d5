"""The part of a list that is solved at once, in the units of `docs/theory.md`, section 8."""

from __future__ import annotations

from typing import NamedTuple

from directloss.inference._kernel import Array

__all__ = ["Rectangle"]


class Rectangle(NamedTuple):
    """Positives first .. last - 1 of a list, which may have left .. right negatives above them.

    Rows and columns keep the numbers that they have in the whole list: row `row` is positive
    i = row + 1, and column n the n-th negative, negatives[n - 1].

    Attributes:
        positives, negatives: scores of the whole list, float64, descending, finite.
        reward: r = epsilon N / 2, so that row i with n negatives above it earns
            v_i(n) = sum over j <= n of (b_j - a_i) + r i / (i + n).
        center: a score from which sums are measured, so that they round less.
    """

    positives: Array
    negatives: Array
    left: int
    right: int
    first: int
    last: int
    reward: float
    center: float
