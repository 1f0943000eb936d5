"""What a task answers for the terms of an update."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from directloss.inference._kernel import Array
from directloss.lists import Lists

__all__ = ["Solution"]


@dataclass(slots=True)  # frozen ones take three times as long to make, in every step
class Solution:
    """What a task answers for the T terms of an update, over the L lists of a ragged batch.

    Attributes:
        combination: flat, as the scores: sum over t of coefficients[t] * y_t.
        task_losses: float64 (L, T): Delta(y_t), exact.
        values: float64 (L, T): F(y_t) * 2^exponents[l], infinite scores counted as 0.
        defined: bool (L,): whether the metric is defined on the list.
        exponents: of the factors that scores and weights had: int64 (L,), or one of all lists.
    """

    combination: Array
    task_losses: Array
    values: Array
    defined: Array
    exponents: Array | int = 0

    @classmethod
    def empty(cls, lists: Lists, terms: int) -> Solution:
        """Unwritten arrays of the right shapes, for a kernel to fill."""
        count = lists.offsets.size - 1
        shape = count, terms
        return cls(
            np.empty(lists.scores.size, lists.scores.dtype),
            np.empty(shape),
            np.empty(shape),
            np.empty(count, np.bool_),
        )

    @property
    def outputs(self) -> tuple[Array, Array, Array, Array]:
        """What a kernel fills, in the order of its arguments."""
        return self.combination, self.task_losses, self.values, self.defined

    def objective(self, weights: Array, coefficients: Array) -> Array:
        """sum over t of coefficients[t] * (F(y_t) + weights[t] * Delta(y_t)), float64 (L,).

        F alone for the ground truth, weight -inf. Infinite where no float64 is large enough.
        """
        finite = np.where(np.isinf(weights), 0.0, weights)
        exponents = np.atleast_1d(self.exponents)
        # The difference first, with coefficients of size 1: neither overflows.
        size = int(np.frexp(np.abs(coefficients).max())[1])
        parts = self.values + np.ldexp(finite, exponents[:, None]) * self.task_losses
        with np.errstate(over="ignore"):
            total: Array = np.ldexp(parts @ np.ldexp(coefficients, -size), size - exponents)
        used = coefficients != 0.0
        if coefficients.sum() == 0.0 and used.sum() == 2 and np.isfinite(weights).all():
            # A direct loss: between the task losses of its two ends, where rounding may leave that.
            ends = self.task_losses[:, used]
            np.clip(total, ends.min(1), ends.max(1), out=total)
        return total
