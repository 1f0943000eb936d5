"""The methods of the study: a loss, or cross-entropy and then another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

import directloss as dl
from directloss.study.tables.metrics import METRICS, Metric
from directloss.tasks.base import Direction
from directloss.training.surrogates import smooth_ap_loss

__all__ = ["METHODS", "SETTINGS", "SWITCH", "Method", "Problem", "Setting"]

SWITCH = 0.4
"""Share of the steps that cross-entropy has, where another loss follows."""

NOISE = 0.3
"""Deviation of the noise, in spreads of the scores."""


@dataclass(frozen=True)
class Setting:
    """A learning rate, which falls linearly to 0, and an L2 factor."""

    rate: float
    l2: float


SETTINGS: Sequence[Setting] = tuple(
    Setting(rate, l2) for rate in (0.02, 0.1) for l2 in (1e-4, 1e-3, 1e-2, 1e-1)
)


@dataclass(frozen=True)
class Problem:
    """The training labels as losses want them.

    Attributes:
        labels: float32 (n,), 0/1.
        metric: what is reported.
    """

    labels: Tensor
    metric: Metric

    @property
    def prior(self) -> float:
        """The share of positives."""
        return float(self.labels.mean())

    @property
    def signs(self) -> Tensor:
        """-1 and 1."""
        return 2.0 * self.labels - 1.0


Loss = Callable[[Tensor], Tensor]
"""Scores (S, n) -> one value a network, (S,)."""

LossOf = Callable[[Problem], Loss]
"""Labels and metric -> the loss."""


@dataclass(frozen=True)
class Method:
    """A way to train.

    Attributes:
        loss: of the whole run, or of what follows on cross-entropy.
        warm: whether cross-entropy comes first.
        longer: factor of the number of steps.
        restarted: whether Adam starts anew at `SWITCH`, as it does for warm methods.
        metrics: those that it can be trained for; empty: it knows none, and one run serves all.
            A loss that knows its metric, or comes second, gets the scores from their threshold, in
            spreads as they are where it begins.
        linear_only: whether it is left out for perceptrons, as its cost is quadratic.
    """

    loss: LossOf
    warm: bool = False
    longer: int = 1
    restarted: bool = False
    metrics: tuple[str, ...] = ()
    linear_only: bool = False


def _logistic(problem: Problem) -> Loss:
    return lambda scores: binary_cross_entropy_with_logits(
        scores, problem.labels.expand_as(scores), reduction="none"
    ).mean(1)


def _weighted(problem: Problem) -> Loss:
    """Cross-entropy in which both classes weigh the same."""
    weights = torch.where(problem.labels > 0, 0.5 / problem.prior, 0.5 / (1.0 - problem.prior))
    return lambda scores: (weights * softplus(-problem.signs * scores)).mean(1)


def _focal(problem: Problem) -> Loss:
    """Lin, Goyal, Girshick, He, Dollar, ICCV 2017, with gamma 2."""

    def loss(scores: Tensor) -> Tensor:
        margins = problem.signs * scores
        return (torch.sigmoid(-margins).square() * softplus(-margins)).mean(1)

    return loss


def _hinge(problem: Problem) -> Loss:
    return lambda scores: (1.0 - problem.signs * scores).relu().mean(1)


def _sigmoid(problem: Problem) -> Loss:
    """A bounded loss that knows no metric."""
    return lambda scores: torch.sigmoid(-problem.signs * scores).mean(1)


def _soft_f1(problem: Problem) -> Loss:
    """1 - F1 of the probabilities."""

    def loss(scores: Tensor) -> Tensor:
        found = torch.sigmoid(scores)
        return 1.0 - 2.0 * (found * problem.labels).sum(1) / (found.sum(1) + problem.labels.sum())

    return loss


def _smooth_ap(problem: Problem) -> Loss:
    """Smooth-AP at a tenth of a spread."""
    return lambda scores: torch.stack(
        [smooth_ap_loss(row, problem.labels, temperature=0.1) for row in scores]
    )


def _direct(direction: Direction, noise: float, problem: Problem) -> Loss:
    """The direct loss; epsilon is a share of the noise, and without noise of the spread."""
    labels, task = problem.labels, problem.metric.task(problem.labels.numel())
    loss_fn = dl.DirectLoss(
        task,
        epsilon=problem.metric.share(problem.prior) * (noise or 1.0),
        unit="loss",
        direction=direction,
        perturbation=dl.Perturbation(noise) if noise else None,
        reduction="none",
    )
    return lambda scores: loss_fn(scores, labels.expand_as(scores))


_ALL = tuple(METRICS)

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "logistic": Method(_logistic),
        "logistic, long": Method(_logistic, longer=2),
        "logistic, restarted": Method(_logistic, restarted=True),
        "logistic, weighted": Method(_weighted),
        "focal": Method(_focal),
        "hinge": Method(_hinge),
        "sigmoid": Method(_sigmoid),
        "sigmoid, warm": Method(_sigmoid, warm=True),
        "soft F1": Method(_soft_f1, metrics=("F1",)),
        "Smooth-AP": Method(_smooth_ap, metrics=("AP",), linear_only=True),
        "positive": Method(partial(_direct, "positive", 0.0), metrics=_ALL),
        "both": Method(partial(_direct, "both", 0.0), metrics=_ALL),
        "refine, plain": Method(partial(_direct, "both", 0.0), warm=True, metrics=_ALL),
        "refine": Method(partial(_direct, "both", NOISE), warm=True, metrics=_ALL),
    }
)

FAMILY = ("logistic, long", "logistic, restarted", "logistic, weighted")
"""Cross-entropy with three times the settings of every other method."""
