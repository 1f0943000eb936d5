"""A term of an update: a configuration, and how often it counts."""

from __future__ import annotations

from collections.abc import Iterable
from math import isinf
from typing import Literal, NamedTuple, Self

from torch import Tensor

__all__ = ["Asked", "Kind", "Lowering", "Numbers", "Step", "Term", "Terms"]

Step = float | Tensor
"""A number, or a 0-d tensor where Python must not look at it (a traced graph)."""


Kind = Literal["prediction", "raising", "lowering", "ground truth"]
"""A weight of 0, above 0, below 0, -infinity: what Python knows where it cannot see the number."""


Numbers = tuple[tuple[float, ...], tuple[float, ...]]
"""The coefficients and the weights of terms."""


class Term(NamedTuple):
    """`coefficient` times F at argmax F + `weight` * Delta."""

    coefficient: Step
    weight: Step

    @property
    def kind(self) -> Kind:
        """What kind of weight it has; one in a tensor is above 0, but for that of a `Lowering`."""
        weight = self.weight
        if isinstance(weight, Tensor) or weight > 0.0:
            return "raising"
        if weight == 0.0:
            return "prediction"
        return "ground truth" if isinf(weight) else "lowering"


class Lowering(Term):
    """A term with a weight below 0, which nobody sees in a tensor."""

    __slots__ = ()

    @property
    def kind(self) -> Kind:
        return "lowering"


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


class Asked(NamedTuple):
    """What is asked of an update beside its terms; in the order of the operator's arguments.

    Attributes:
        refuse_undefined: whether a list without a defined metric is an error.
        objective: whether the value is the sum of coefficient * (F + weight * Delta), with F alone
            for the ground truth; else it is Delta of the first term.
        reduction: "mean", "sum" or "none".
        skip_without_positives: whether lists without a positive are left out.
        in_scores: whether weights count in shifts of the scores (`directloss._unit`).
    """

    refuse_undefined: bool
    objective: bool
    reduction: str
    skip_without_positives: bool = False
    in_scores: bool = False
