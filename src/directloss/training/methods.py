"""The training methods by name: the nine of Song et al. (ICML 2016), and more.

A name that ends in a metric (`pos-ap`, `hinge-01`) always descends that one. A bare name (`pos`,
`neg`, `both`, `hinge`, `per`, `mix`) descends the metric that is reported.

Each method is a loss and a grid of settings. Epsilon, the weight of the task loss, and the hinge's
margin are in units of the spread (standard deviation) of the untrained model's scores, so that a
grid does not depend on how a network happens to scale its scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

import directloss as dl
from directloss.tasks.base import Direction

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


TaskFactory = Callable[[], Any]
"""Makes a task of its own for each loss."""

LossFactory = Callable[[float | None, float, TaskFactory], nn.Module]
"""(epsilon in units of the spread, spread, reported metric) -> loss of (scores, targets)."""


@dataclass(frozen=True)
class Method:
    """A way to train: how its loss is made, and the settings worth trying."""

    name: str
    description: str
    make_loss: LossFactory
    grid: Mapping[str, tuple[float, ...]]

    def loss(
        self, settings: Settings, spread: float, metric: TaskFactory = dl.AveragePrecision
    ) -> nn.Module:
        """The loss for a model whose untrained scores have standard deviation `spread`.

        `metric` makes the task that is reported; only methods with a bare name look at it.
        """
        return self.make_loss(settings.epsilon, spread, metric)

    @property
    def grid_size(self) -> int:
        """Number of distinct settings."""
        return math.prod(len(values) for values in self.grid.values())


class Logistic(nn.Module):
    """Binary cross-entropy of raw scores. A graded target is positive where it is above 0."""

    def forward(self, scores: Tensor, targets: Tensor, *, groups: Tensor | None = None) -> Tensor:
        return binary_cross_entropy_with_logits(scores, (targets > 0).to(scores.dtype))


class Regression(nn.Module):
    """Mean squared difference of score and target."""

    def forward(self, scores: Tensor, targets: Tensor, *, groups: Tensor | None = None) -> Tensor:
        return mse_loss(scores, targets.to(scores.dtype))


class ListNet(nn.Module):
    """Cross-entropy of two softmax distributions over a list, of targets and of scores.

    The top-one loss of ListNet, averaged over the lists. Without groups all samples are one list.

    Source: Cao, Qin, Liu, Tsai, Li, ICML 2007.
    """

    def forward(self, scores: Tensor, targets: Tensor, *, groups: Tensor | None = None) -> Tensor:
        if groups is None:
            groups = torch.zeros_like(targets, dtype=torch.int64)
        names, lists = torch.unique(groups, return_inverse=True)
        wanted = _log_softmax(targets.to(scores.dtype), lists).exp()
        total: Tensor = -(wanted * _log_softmax(scores, lists)).sum()
        return total / len(names)


class Mixed(nn.Module):
    """Cross-entropy plus `weight` times another loss."""

    def __init__(self, other: nn.Module, weight: float) -> None:
        super().__init__()
        self.logistic = Logistic()
        self.other = other
        self.weight = weight

    def forward(self, scores: Tensor, targets: Tensor, *, groups: Tensor | None = None) -> Tensor:
        total: Tensor = self.logistic(scores, targets) + self.weight * self.other(
            scores, targets, groups=groups
        )
        return total


def default_methods(metric: str, *, grouped: bool) -> tuple[str, ...]:
    """The methods worth comparing on a metric, cross-entropy first.

    Args:
        metric: "average-precision" has the methods of the paper; any other the bare names.
        grouped: whether lists are queries with relevances, which adds the baselines of ranking.
    """
    if metric == "average-precision" and not grouped:
        return tuple(name for name in METHODS if "-" in name or name == "logistic")
    baselines = ("logistic", "regression", "listnet") if grouped else ("logistic",)
    return (*baselines, "hinge", "per", "pos", "neg", "both", "mix")


def _log_softmax(values: Tensor, lists: Tensor) -> Tensor:
    """Logarithm of the softmax within each list; `lists` numbers them from 0 without a gap."""
    count = int(lists.max()) + 1
    largest = values.new_full((count,), -math.inf).scatter_reduce(0, lists, values.detach(), "amax")
    shifted = values - largest[lists]
    # index_add, whose order of additions is fixed, so that runs repeat to the last bit.
    sums = values.new_zeros(count).index_add(0, lists, shifted.exp())
    return shifted - sums.log()[lists]


_DIRECTIONS: Mapping[str, Direction] = MappingProxyType(
    {"pos": "positive", "neg": "negative", "both": "both"}
)


def _direct(direction: Direction, task: TaskFactory | None = None) -> LossFactory:
    def make(epsilon: float | None, spread: float, metric: TaskFactory) -> nn.Module:
        assert epsilon is not None, "the grid of a direct method has an epsilon"
        made = (task or metric)()
        scale = made.epsilon_scale * spread
        return dl.DirectLoss(made, epsilon=epsilon * scale, unit="loss", direction=direction)

    return make


def _hinge(task: TaskFactory | None = None) -> LossFactory:
    return lambda _, spread, metric: dl.HingeLoss((task or metric)(), margin=spread)


def _perceptron(task: TaskFactory | None = None) -> LossFactory:
    return lambda _, __, metric: dl.PerceptronLoss((task or metric)())


def _mix(direction: Direction | None, task: TaskFactory | None = None) -> LossFactory:
    def make(epsilon: float | None, spread: float, metric: TaskFactory) -> nn.Module:
        chosen = direction or (task or metric)().direction
        return Mixed(_direct(chosen, task)(epsilon, spread, metric), MIX_WEIGHT)

    return make


def _registry() -> Mapping[str, Method]:
    plain = {"learning_rate": _LEARNING_RATES, "l2": _L2}
    with_epsilon = {**plain, "epsilon": _EPSILONS}

    def updates(
        ending: str, words: str, task: TaskFactory | None, directions: tuple[str, ...]
    ) -> list[Method]:
        return [
            Method(f"hinge{ending}", f"structured hinge of {words}", _hinge(task), plain),
            Method(f"per{ending}", f"structured perceptron of {words}", _perceptron(task), plain),
            *(
                Method(
                    f"{short}{ending}",
                    f"direct loss of {words}, direction {_DIRECTIONS[short]}",
                    _direct(_DIRECTIONS[short], task),
                    with_epsilon,
                )
                for short in directions
            ),
        ]

    reported = "the reported metric"
    methods = [
        Method("logistic", "cross-entropy", lambda *_: Logistic(), plain),
        *updates("-ap", "average precision", dl.AveragePrecision, ("pos", "neg", "both")),
        *updates("-01", "the 0-1 loss", dl.ZeroOne, ("pos", "neg")),
        Method(
            "mix-ap",
            f"cross-entropy + {MIX_WEIGHT} x pos-ap",
            _mix("positive", dl.AveragePrecision),
            with_epsilon,
        ),
        *updates("", reported, None, ("pos", "neg", "both")),
        Method(
            "mix",
            f"cross-entropy + {MIX_WEIGHT} x the direct loss of {reported}, its own direction",
            _mix(None),
            with_epsilon,
        ),
        Method(
            "regression", "squared difference of score and target", lambda *_: Regression(), plain
        ),
        Method(
            "listnet",
            "cross-entropy of softmax distributions over a list",
            lambda *_: ListNet(),
            plain,
        ),
    ]
    return MappingProxyType({method.name: method for method in methods})


METHODS: Mapping[str, Method] = _registry()
