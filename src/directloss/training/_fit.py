"""The training loop for a network on arrays."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from directloss._world import World
from directloss.training.batches import AllSamples, Batch, Batches, MemoryBatches, OneBatch
from directloss.training.config import FitConfig
from directloss.training.data import Part, Parts
from directloss.training.history import Entry, History
from directloss.training.metric import Metric, Threshold
from directloss.training.run import Run
from directloss.training.steps import DivergedError, refuse_non_finite

CHUNK = 65_536
"""Rows of a forward pass where memory has to be bounded and nobody names a number."""

COLLAPSED = 0.01
"""Share of its first value below which the spread of the scores counts as collapsed."""


class ScoreCollapseWarning(UserWarning):
    """The scores have become nearly equal, so that epsilon dwarfs every difference of scores."""


@dataclass(frozen=True)
class FitResult:
    """What training gave.

    `validation` and `test` are the metric of the model as it is returned. A model whose scores
    became NaN or infinite has `diverged`, and is rated as a constant one, which ranks nothing.
    """

    history: History
    validation: float
    test: float
    diverged: bool
    seconds: float


def fit(
    model: nn.Module,
    loss_fn: nn.Module,
    data: Parts,
    metric: Metric,
    config: FitConfig,
    *,
    threshold: Threshold | None = None,
    accelerator: Accelerator | None = None,
) -> FitResult:
    """Trains `model` in place: scores = model(features), loss = loss_fn(scores, targets).

    Where the parts have groups, loss and metric also get `groups=`; batches then hold whole groups.

    Started on several processes (`torchrun`, `accelerate launch`), each with the same arguments, it
    takes the same steps as on one: each process computes its share of every batch.

    Args:
        model: features `(n, ...)` -> scores `(n,)`.
        loss_fn: a module of (scores, targets) that returns a scalar.
        data: the three parts.
        metric: a task; its `metric` is recorded on all parts and rules early stopping.
        config: how to train.
        threshold: for metrics of decisions (score > 0): fitted to the training part at every
            evaluation, and taken off the scores of all parts before they are measured. Training
            never sees it.
        accelerator: device and precision; by default Accelerate's own choice.

    Warns:
        ScoreCollapseWarning: once, when the spread falls below `COLLAPSED` times its first value.
    """
    began = time.perf_counter()
    accelerator = accelerator or Accelerator()
    data = data.to(accelerator.device)

    def evaluate(network: nn.Module) -> Entry:
        return _evaluate(network, loss_fn, data, metric, threshold)

    run = Run(
        model,
        loss_fn,
        _batches(data.train, config),
        evaluate,
        config,
        higher_is_better=metric.higher_is_better,
        on_evaluation=_warn_of_collapse,
        accelerator=accelerator,
    )
    history = run.history
    try:
        kept = run.train()
    except DivergedError:
        validation, test = (_constant_metric(metric, p) for p in (data.validation, data.test))
        return FitResult(history, validation, test, True, time.perf_counter() - began)
    seconds = time.perf_counter() - began
    return FitResult(history, history.validation[kept], history.test[kept], False, seconds)


def _evaluate(
    model: nn.Module, loss_fn: nn.Module, data: Parts, metric: Metric, threshold: Threshold | None
) -> Entry:
    train, validation, test = (
        torch.cat([model(chunk) for chunk in torch.split(part.features, CHUNK)])
        for part in (data.train, data.validation, data.test)
    )
    scores = {"training score": train, "validation score": validation, "test score": test}
    refuse_non_finite(scores, lambda: "in an evaluation")
    fitted = 0.0 if threshold is None else threshold(train, data.train.targets)

    def measured(scores: Tensor, part: Part) -> float:
        return float(metric.metric(scores.double() - fitted, part.targets, **part.lists))

    return Entry(
        train=measured(train, data.train),
        validation=measured(validation, data.validation),
        test=measured(test, data.test),
        loss=float(loss_fn(train, data.train.targets, **data.train.lists)),
        spread=float(train.double().std(correction=0)),
    )


def _warn_of_collapse(history: History) -> None:
    collapsed = [spread < COLLAPSED * history.spread[0] for spread in history.spread]
    if not collapsed[-1] or any(collapsed[:-1]):
        return
    warnings.warn(
        f"the spread of the scores fell from {history.spread[0]:.3g} to {history.spread[-1]:.3g} "
        f"at iteration {history.iteration[-1]}: a fixed epsilon or margin now dwarfs every "
        "difference of scores. Try the positive direction, a smaller learning rate or a smaller "
        "epsilon",
        ScoreCollapseWarning,
        stacklevel=5,
    )


def _constant_metric(metric: Metric, part: Part) -> float:
    constant = torch.zeros_like(part.targets, dtype=torch.float32)
    return float(metric.metric(constant, part.targets, **part.lists))


def _batches(train: Part, config: FitConfig) -> Batches:
    """Of every batch the share of this process."""
    world = World()
    if config.batch == "all" or config.batch_size is None:
        # Of one process the samples themselves, in the layout in which they came.
        mine = train if world.size == 1 else train[world.rank :: world.size]
        if config.batch == "all":
            return OneBatch(AllSamples(lambda: mine.split(config.batch_size or CHUNK)))
        return OneBatch(Batch(mine, np.arange(world.rank, len(train), world.size)))
    return MemoryBatches(
        train,
        batch_size=config.batch_size,
        positives=config.positives,
        seed=config.seed,
        process=world.rank,
        processes=world.size,
    )
