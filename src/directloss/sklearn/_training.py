"""One network, trained by one of the methods."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from directloss.errors import DirectLossError
from directloss.models.mlp import MLP, scale_to_unit_spread, start_at_log_odds
from directloss.sklearn._inputs import Inputs, layers_of, set_layers
from directloss.sklearn._rows import Array
from directloss.tasks import Task
from directloss.tasks.counting import Counting
from directloss.thresholds import fit_threshold
from directloss.training import FitConfig, Part, Sources, fit
from directloss.training.baselines import CrossEntropy
from directloss.training.warm_start import SHARE, warm_start

METHODS = ("refine", "cross-entropy", "direct")

SHIFT = 0.3
"""Deviation of the noise on the scores of the direct loss, in spreads; epsilon goes with it."""

EVALUATIONS = 20

Layers = list[tuple[Array, Array]]


class Targets(NamedTuple):
    """Targets of the two parts, and the list of each row, if rows are in lists."""

    train: Tensor
    validation: Tensor
    train_groups: Tensor | None = None
    validation_groups: Tensor | None = None


class Options(NamedTuple):
    """How to train; see the estimators."""

    task: Task
    method: str
    hidden: tuple[int, ...]
    learning_rate: float
    l2: float
    max_iter: int
    batch_size: int | None
    seed: int
    weights: tuple[float, float] | None = None


class Trained(NamedTuple):
    """Layers for features as they came, and the history as plain lists."""

    layers: Layers
    history: dict[str, Any]


class WeightedCrossEntropy(nn.Module):
    """Binary cross-entropy with a weight a class, whose mean over the rows is 1."""

    def __init__(self, negative: float, positive: float) -> None:
        super().__init__()
        self.negative, self.positive = negative, positive

    def forward(self, scores: Tensor, targets: Tensor, *, groups: Tensor | None = None) -> Tensor:
        labels = (targets > 0).to(scores.dtype)
        weights = self.negative + (self.positive - self.negative) * labels
        return binary_cross_entropy_with_logits(scores, labels, weights / weights.mean())


def train(inputs: Inputs, targets: Targets, options: Options, start: Layers | None) -> Trained:
    """Trains a network from its own start, or on from `start`.

    Raises:
        DirectLossError: the scores became NaN or infinite.
    """
    task = options.task
    network = inputs.network(options.hidden, torch.Generator().manual_seed(options.seed))
    if start is None:
        _begin(network, inputs, targets.train > 0, options)
    else:
        set_layers(network, start, inputs.scale)
    held_out = len(targets.validation) > 0
    batch_size = options.batch_size
    if batch_size is not None and batch_size >= len(targets.train):
        batch_size = None
    own = Part(inputs.train, targets.train, targets.train_groups)
    held = Part(inputs.validation, targets.validation, targets.validation_groups)
    config = FitConfig(
        learning_rate=options.learning_rate,
        optimiser="adam",
        schedule="linear",
        l2=options.l2,
        epochs=options.max_iter,
        batch_size=batch_size,
        evaluations=min(EVALUATIONS, options.max_iter) if held_out else 1,
        keep="best" if held_out else "last",
        seed=options.seed,
    )
    result = fit(
        network,
        _loss(options, trained=start is not None),
        Sources(own, held if held_out else own),
        task,
        config,
        threshold=partial(fit_threshold, task=task) if isinstance(task, Counting) else None,
    )
    if result.diverged:
        raise DirectLossError("training stopped: scores became NaN. Try a smaller learning_rate")
    if targets.train_groups is not None and task.ranks:
        # No order depends on it. Its gradient is rounding errors, which Adam makes steps of.
        with torch.no_grad():
            network.head.bias.zero_()
    history = result.history.record()
    if not held_out:
        del history["validation"]
    return Trained(layers_of(network, inputs.scale), history)


def _loss(options: Options, *, trained: bool) -> nn.Module:
    first: nn.Module = CrossEntropy(graded=options.task.graded)
    if options.weights is not None:
        first = WeightedCrossEntropy(*options.weights)
    if options.method == "cross-entropy":
        return first
    share = 0.0 if trained or options.method == "direct" else SHARE
    return warm_start(first, options.task, SHIFT, share=share)


@torch.no_grad()
def _begin(network: MLP, inputs: Inputs, positive: Tensor, options: Options) -> None:
    """The first weights: small scores for cross-entropy, spread 1 for the direct loss alone."""
    first = next(layer for layer in network.modules() if isinstance(layer, nn.Linear))
    # What did not vary in training must not count where it does.
    first.weight[:, torch.from_numpy(inputs.scale.constant)] = 0.0
    if options.method == "direct":
        scale_to_unit_spread(network, inputs.train)
        return
    start_at_log_odds(network, inputs.train, positive)
    if not options.hidden:
        network.head.weight.zero_()  # cross-entropy of a linear model needs no random start
    if options.weights is not None:
        network.head.bias.add_(math.log(options.weights[1] / options.weights[0]))
