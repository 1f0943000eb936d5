"""A term of an update: a configuration, and how often it counts."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

__all__ = ["Lowering", "Step", "Term", "Terms"]

Step = float | Tensor
"""A number, or a 0-d tensor where Python must not look at it (a traced graph)."""


Numbers = tuple[tuple[float, ...], tuple[float, ...]]
"""The coefficients and the weights of terms."""


class Term(NamedTuple):
    """`coefficient` times F at argmax F + `weight` * Delta."""

    coefficient: Step
    weight: Step


class Lowering(Term):
    """A term with a weight below 0, which nobody sees in a tensor."""

    __slots__ = ()


class Terms(tuple[Term, ...]):
    """The terms of an update. A slice of them is a plain tuple."""

    _numbers: Numbers | None = None

    @property
    def numbers(self) -> Numbers:
        """The coefficients and the weights, where Python may look at them; found once."""
        # Without the lock of `cached_property`, which all would share on Python 3.11, and a fork
        # might find taken.
        if self._numbers is None:
            coefficients, weights = zip(*self, strict=True)
            self._numbers = tuple(map(float, coefficients)), tuple(map(float, weights))
        return self._numbers
