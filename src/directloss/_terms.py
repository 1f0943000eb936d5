"""A term of an update: a configuration, and how often it counts."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from torch import Tensor

__all__ = ["Lowering", "Step", "Term", "Terms"]

Step = float | Tensor
"""A number, or a 0-d tensor where Python must not look at it (a traced graph)."""


class Term(NamedTuple):
    """`coefficient` times F at argmax F + `weight` * Delta."""

    coefficient: Step
    weight: Step


class Lowering(Term):
    """A term with a weight below 0, which nobody sees in a tensor."""

    __slots__ = ()


class Terms(tuple[Term, ...]):
    """The terms of an update."""

    @cached_property
    def numbers(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The coefficients and the weights, where Python may look at them."""
        coefficients, weights = zip(*self, strict=True)
        return tuple(map(float, coefficients)), tuple(map(float, weights))
