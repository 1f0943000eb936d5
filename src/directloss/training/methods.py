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
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from torch import nn

import directloss as dl
from directloss.tasks.base import Direction
from directloss.training.baselines import CrossEntropy, ListNet, Logistic, Mixed, Regression
from directloss.training.config import FitConfig, Optimiser
from directloss.training.warm_start import warm_start

MIX_WEIGHT = 0.1

_LEARNING_RATES = (0.03, 0.1, 0.3, 1.0)
_EPSILONS = (0.1, 0.3, 1.0, 3.0)
L2_GRID = (0.0, 1e-3, 1e-2, 1e-1, 1.0)
"""From none to where it hurts, the same for every method."""

_ADAM_RATES = (0.01, 0.03, 0.1)
_NOISES = (0.3, 1.0)
_LENGTHS = (1.0, 3.0)
_BALANCES = (0.0, 1.0)

FAMILY = 3
"""The settings that the tuned cross-entropy may try for each one of another method."""


@dataclass(frozen=True)
class Settings:
    """One point of a method's grid; what a method has no use for is None.

    Attributes:
        learning_rate: of the optimiser.
        l2: weight decay.
        epsilon: in units of the spread; of `refine`, see there.
        length: factor of the number of epochs.
        balance: exponent b of the weight (negatives / positives)^b of a positive.
    """

    learning_rate: float
    l2: float
    epsilon: float | None = None
    length: float | None = None
    balance: float | None = None


TaskFactory = Callable[[], Any]
"""Makes a task of its own for each loss."""

LossFactory = Callable[[Settings, float, TaskFactory], nn.Module]
"""(settings, spread, reported metric) -> loss of (scores, targets)."""


@dataclass(frozen=True)
class Method:
    """A way to train: how its loss is made, and the settings worth trying.

    Attributes:
        name, description: in tables and in words.
        make_loss: see `LossFactory`.
        grid: the values of each of the settings.
        training: fields of `FitConfig` that belong to the method.
        optimiser: in a comparison, instead of that of the others.
        small_start: whether it starts with small scores around the log odds, where the model is
            ours.
        refines: whether the metric's loss comes after another one.
        effort: settings to try for each one that another method may try.
        usual: for a single training, where nothing is said.
    """

    name: str
    description: str
    make_loss: LossFactory
    grid: Mapping[str, tuple[float, ...]]
    training: Mapping[str, Any] = field(default_factory=dict)
    optimiser: Optimiser | None = None
    small_start: bool = False
    refines: bool = False
    effort: int = 1
    usual: Settings = Settings(0.1, 1e-4, 1.0)

    def loss(
        self, settings: Settings, spread: float, metric: TaskFactory = dl.AveragePrecision
    ) -> nn.Module:
        """The loss for a model whose untrained scores have standard deviation `spread`.

        `metric` makes the task that is reported; only methods with a bare name look at it.
        """
        return self.make_loss(settings, spread, metric)

    def config(self, base: FitConfig, settings: Settings) -> FitConfig:
        """`base` with what belongs to the method and its settings."""
        epochs = round(base.epochs * (settings.length or 1.0))
        return replace(base, epochs=epochs, **self.training)

    @property
    def grid_size(self) -> int:
        """Number of distinct settings."""
        return math.prod(len(values) for values in self.grid.values())


def default_methods(*, graded: bool) -> tuple[str, ...]:
    """What a comparison sets side by side: cross-entropy, tuned harder, and refined.

    Args:
        graded: whether lists are queries with relevances, and the metric knows them.
    """
    return ("logistic", *(("listnet",) if graded else ()), "tuned", "refine")


def all_methods(metric: str, *, grouped: bool) -> tuple[str, ...]:
    """The methods that belong to a metric, cross-entropy first.

    Args:
        metric: "average-precision" has the methods of the paper; any other the bare names.
        grouped: whether lists are queries with relevances, which adds the baselines of ranking.
    """
    if metric == "average-precision" and not grouped:
        return ("logistic", *(name for name in METHODS if name.endswith(("-ap", "-01"))))
    baselines = ("logistic", "regression", "listnet") if grouped else ("logistic",)
    return (*baselines, "hinge", "per", "pos", "neg", "both", "mix")


_DIRECTIONS: Mapping[str, Direction] = MappingProxyType(
    {"pos": "positive", "neg": "negative", "both": "both"}
)


def _direct(direction: Direction, task: TaskFactory | None = None) -> LossFactory:
    def make(settings: Settings, spread: float, metric: TaskFactory) -> nn.Module:
        assert settings.epsilon is not None, "the grid of a direct method has an epsilon"
        made = (task or metric)()
        scale = made.epsilon_scale * spread
        epsilon = settings.epsilon * scale
        return dl.DirectLoss(made, epsilon=epsilon, unit="loss", direction=direction)

    return make


def _hinge(task: TaskFactory | None = None) -> LossFactory:
    return lambda _, spread, metric: dl.HingeLoss((task or metric)(), margin=spread)


def _perceptron(task: TaskFactory | None = None) -> LossFactory:
    return lambda _, __, metric: dl.PerceptronLoss((task or metric)())


def _mix(direction: Direction | None, task: TaskFactory | None = None) -> LossFactory:
    def make(settings: Settings, spread: float, metric: TaskFactory) -> nn.Module:
        chosen = direction or (task or metric)().direction
        return Mixed(_direct(chosen, task)(settings, spread, metric), MIX_WEIGHT)

    return make


def _cross_entropy(settings: Settings, _: float, metric: TaskFactory) -> nn.Module:
    return CrossEntropy(graded=metric().graded, balance=settings.balance or 0.0)


def _refined(*, noise: bool) -> LossFactory:
    def make(settings: Settings, _: float, metric: TaskFactory) -> nn.Module:
        assert settings.epsilon is not None, "the grid of a direct method has an epsilon"
        task = metric()
        return warm_start(CrossEntropy(graded=task.graded), task, settings.epsilon, noise=noise)

    return make


def _updates(
    ending: str, words: str, task: TaskFactory | None, directions: tuple[str, ...]
) -> list[Method]:
    return [
        Method(f"hinge{ending}", f"structured hinge of {words}", _hinge(task), _PLAIN),
        Method(f"per{ending}", f"structured perceptron of {words}", _perceptron(task), _PLAIN),
        *(
            Method(
                f"{short}{ending}",
                f"direct loss of {words}, direction {_DIRECTIONS[short]}",
                _direct(_DIRECTIONS[short], task),
                _WITH_EPSILON,
            )
            for short in directions
        ),
    ]


_REPORTED = "the reported metric"
_PLAIN = {"learning_rate": _LEARNING_RATES, "l2": L2_GRID}
_WITH_EPSILON = {**_PLAIN, "epsilon": _EPSILONS}
_ADAM: Mapping[str, tuple[float, ...]] = {"learning_rate": _ADAM_RATES, "l2": L2_GRID}

_IN_PHASES: dict[str, Any] = {
    "training": MappingProxyType({"schedule": "linear", "keep": "best"}),
    "optimiser": "adam",
    "small_start": True,
    "usual": Settings(0.03, 1e-3, 0.3),
}
"""What refining has besides its loss, and with it the cross-entropy that it is compared with."""

_ALL = (
    Method("logistic", "cross-entropy", lambda *_: Logistic(), _PLAIN),
    *_updates("-ap", "average precision", dl.AveragePrecision, ("pos", "neg", "both")),
    *_updates("-01", "the 0-1 loss", dl.ZeroOne, ("pos", "neg")),
    Method(
        "mix-ap",
        f"cross-entropy + {MIX_WEIGHT} x pos-ap",
        _mix("positive", dl.AveragePrecision),
        _WITH_EPSILON,
    ),
    *_updates("", _REPORTED, None, ("pos", "neg", "both")),
    Method(
        "mix",
        f"cross-entropy + {MIX_WEIGHT} x the direct loss of {_REPORTED}, its own direction",
        _mix(None),
        _WITH_EPSILON,
    ),
    Method("regression", "squared difference of score and target", lambda *_: Regression(), _PLAIN),
    Method(
        "listnet",
        "cross-entropy of softmax distributions over a list",
        lambda *_: ListNet(),
        _PLAIN,
    ),
    Method(
        "tuned",
        f"cross-entropy trained as refine is, with {FAMILY} times the settings: longer, balanced",
        _cross_entropy,
        {**_ADAM, "length": _LENGTHS, "balance": _BALANCES},
        effort=FAMILY,
        **_IN_PHASES,
    ),
    Method(
        "refine",
        f"cross-entropy, then the direct loss of {_REPORTED} with noise",
        _refined(noise=True),
        {**_ADAM, "epsilon": _NOISES},
        refines=True,
        **_IN_PHASES,
    ),
    Method(
        "refine-plain",
        f"cross-entropy, then the direct loss of {_REPORTED}",
        _refined(noise=False),
        {**_ADAM, "epsilon": _NOISES},
        refines=True,
        **_IN_PHASES,
    ),
)

METHODS: Mapping[str, Method] = MappingProxyType({method.name: method for method in _ALL})
