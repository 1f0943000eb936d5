"""The training methods by name: the nine of Song et al. (ICML 2016) and two more.

Each method is a loss and a grid of settings. Epsilon and the hinge's margin are in units of the
spread (standard deviation) of the untrained model's scores, so that a grid does not depend on how
a network happens to scale its scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

import directloss as dl

MIX_WEIGHT = 0.1

_LEARNING_RATES = (0.03, 0.1, 0.3, 1.0)
_EPSILONS = (0.1, 0.3, 1.0, 3.0)
_L2 = (0.0, 1e-4, 1e-3, 1e-2)


@dataclass(frozen=True)
class Settings:
    """One point of a method's grid; `epsilon` is None where the method has none."""

    learning_rate: float
    l2: float
    epsilon: float | None = None


LossFactory = Callable[[float | None, float], nn.Module]
"""(epsilon in units of the spread, spread) -> loss of (scores, targets)."""


@dataclass(frozen=True)
class Method:
    """A way to train: how its loss is made, and the settings worth trying."""

    name: str
    description: str
    make_loss: LossFactory
    grid: Mapping[str, tuple[float, ...]]

    def loss(self, settings: Settings, spread: float) -> nn.Module:
        """The loss for a model whose untrained scores have standard deviation `spread`."""
        return self.make_loss(settings.epsilon, spread)

    @property
    def grid_size(self) -> int:
        """Number of distinct settings."""
        return math.prod(len(values) for values in self.grid.values())


class Logistic(nn.Module):
    """Binary cross-entropy of raw scores, for targets of any 0/1 type."""

    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(scores, targets.to(scores.dtype))


class Mixed(nn.Module):
    """Cross-entropy plus `weight` times another loss."""

    def __init__(self, other: nn.Module, weight: float) -> None:
        super().__init__()
        self.logistic = Logistic()
        self.other = other
        self.weight = weight

    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        total: Tensor = self.logistic(scores, targets) + self.weight * self.other(scores, targets)
        return total


Direction = Literal["positive", "negative", "both"]


def _direct(task: Callable[[], Any], direction: Direction) -> LossFactory:
    def make(epsilon: float | None, spread: float) -> nn.Module:
        assert epsilon is not None, "the grid of a direct method has an epsilon"
        return dl.DirectLoss(task(), epsilon=epsilon * spread, direction=direction)

    return make


def _mix(epsilon: float | None, spread: float) -> nn.Module:
    return Mixed(_direct(dl.AveragePrecision, "positive")(epsilon, spread), MIX_WEIGHT)


def _registry() -> Mapping[str, Method]:
    plain = {"learning_rate": _LEARNING_RATES, "l2": _L2}
    with_epsilon = {**plain, "epsilon": _EPSILONS}
    methods = [
        Method("logistic", "cross-entropy", lambda _, __: Logistic(), plain),
        Method(
            "hinge-ap",
            "structured hinge of average precision",
            lambda _, spread: dl.HingeLoss(dl.AveragePrecision(), margin=spread),
            plain,
        ),
        Method(
            "per-ap",
            "structured perceptron of average precision",
            lambda _, __: dl.PerceptronLoss(dl.AveragePrecision()),
            plain,
        ),
    ]
    directions: tuple[tuple[str, Direction], ...] = (
        ("pos", "positive"),
        ("neg", "negative"),
        ("both", "both"),
    )
    methods += [
        Method(
            f"{short}-ap",
            f"direct loss of average precision, {direction} direction",
            _direct(dl.AveragePrecision, direction),
            with_epsilon,
        )
        for short, direction in directions
    ]
    methods += [
        Method(
            "hinge-01",
            "hinge of the 0-1 loss",
            lambda _, spread: dl.HingeLoss(dl.ZeroOne(), margin=spread),
            plain,
        ),
        Method(
            "per-01",
            "perceptron of the 0-1 loss",
            lambda _, __: dl.PerceptronLoss(dl.ZeroOne()),
            plain,
        ),
    ]
    methods += [
        Method(
            f"{short}-01",
            f"direct loss of the 0-1 loss, {direction} direction",
            _direct(dl.ZeroOne, direction),
            with_epsilon,
        )
        for short, direction in directions[:2]
    ]
    methods.append(Method("mix-ap", f"cross-entropy + {MIX_WEIGHT} x pos-ap", _mix, with_epsilon))
    return MappingProxyType({method.name: method for method in methods})


METHODS: Mapping[str, Method] = _registry()
