"""A term of an update: a configuration, and how often it counts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Self

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
    """The terms of an update. A slice of them is a plain tuple.

    Attributes:
        numbers: the coefficients and the weights; None where Python must not look at them.
    """

    numbers: Numbers | None

    def __new__(cls, terms: Iterable[Term]) -> Self:
        self = super().__new__(cls, terms)
        coefficients, weights = zip(*self, strict=True)
        self.numbers = None
        if not any(isinstance(part, Tensor) for part in coefficients + weights):
            self.numbers = tuple(map(float, coefficients)), tuple(map(float, weights))
        return self
