"""The training loop for a network on arrays."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from directloss._world import World
from directloss.errors import ArgumentError
from directloss.training._rows import Scored
from directloss.training.batches import (
    AllSamples,
    Batch,
    Batches,
    LoaderBatches,
    MemoryBatches,
    OneBatch,
)
from directloss.training.config import FitConfig
from directloss.training.data import Loader, Part, Parts, Sources, pieces
from directloss.training.early_stop import Kept
from directloss.training.history import Entry, History
from directloss.training.metric import Metric, Threshold
from directloss.training.run import Run
from directloss.training.steps import DivergedError, refuse_non_finite
from directloss.training.ties import Finer, finer

CHUNK = 65_536
"""Rows of a forward pass where memory has to be bounded and nobody names a number."""

COLLAPSED = 0.01
"""Share of its first value below which the spread of the scores counts as collapsed."""


class ScoreCollapseWarning(UserWarning):
    """The scores have become nearly equal, so that epsilon dwarfs every difference of scores."""


@dataclass(frozen=True)
class FitResult:
    """What training gave.

    `validation` and `test` are the metric of the model as it is returned; `test` is NaN without a
    test part, `finer` decides between results of equal `validation`, see `ties`. Training whose
    scores became NaN or infinite has `diverged`, and `failure` says where. The model then has the
    best weights before that; where none are kept it is rated as a constant one, which ranks
    nothing. Of a `WarmStart` whose best weights are kept, `switch` is the number of steps before
    the switch, and `first_phase` has the best weights before it.
    """

    history: History
    validation: float
    test: float
    diverged: bool
    seconds: float
    finer: Finer = ()
    switch: int = 0
    first_phase: Kept | None = None
    failure: str = ""


def fit(
    model: nn.Module,
    loss_fn: nn.Module,
    data: Parts | Sources,
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
        data: the three parts. Batches of a loader are taken as they come, all of them together with
            `batch="all"`.
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
    if isinstance(data, Parts):
        data = data.to(accelerator.device)
    entries: list[Entry] = []

    def evaluate(network: nn.Module) -> Entry:
        entries.append(_evaluate(network, loss_fn, data, metric, threshold, accelerator.device))
        return entries[-1]

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
    history, failure = run.history, ""
    kept: int | None
    try:
        kept = run.train()
    except DivergedError as error:
        kept, failure = run.restore(), str(error)
    seconds = time.perf_counter() - began
    if kept is None:
        validation, test = (constant_metric(metric, p) for p in (data.validation, data.test))
        return FitResult(history, validation, test, True, seconds, failure=failure)
    return FitResult(
        history,
        history.validation[kept],
        history.test[kept] if history.test else math.nan,
        bool(failure),
        seconds,
        (*entries[kept].finer, float(history.iteration[kept])),
        run.switch or 0,
        run.first_phase,
        failure,
    )


@torch.no_grad()
def scored(
    model: Callable[[Tensor], Tensor], source: Part | Loader, device: torch.device
) -> Scored:
    """The scores of all samples, no more than a piece of the features at a time."""
    if isinstance(source, Part):
        source = source.to(device)
        scores = [model(chunk) for chunk in torch.split(source.features, CHUNK)]
        return Scored(torch.cat(scores), source.targets, source.groups)
    parts = pieces(source, device, CHUNK)
    found = [Scored(model(p.features), p.targets, p.groups) for p in parts]
    if not found:
        raise ArgumentError("loader", "no batch", "one at least in each pass")
    return Scored.join(found)


def _evaluate(
    model: nn.Module,
    loss_fn: nn.Module,
    data: Parts | Sources,
    metric: Metric,
    threshold: Threshold | None,
    device: torch.device,
) -> Entry:
    sources = {"training": data.train, "validation": data.validation, "test": data.test}
    found = {
        name: scored(model, source, device)
        for name, source in sources.items()
        if source is not None
    }
    refuse_non_finite(
        {f"{name} score": each.scores for name, each in found.items()}, lambda: "in an evaluation"
    )
    train, validation = found["training"], found["validation"]
    fitted = None if threshold is None else threshold(train.scores, train.targets)

    def measured(part: Scored) -> float:
        # As they are where nothing is taken off: single precision sorts in half the time.
        scores = part.scores if fitted is None else part.scores.double() - fitted
        return float(metric.metric(scores, part.targets, **part.lists))

    return Entry(
        train=measured(train),
        validation=measured(validation),
        test=measured(found["test"]) if "test" in found else None,
        loss=float(loss_fn(train.scores, train.targets, **train.lists)),
        spread=float(train.scores.double().std(correction=0)),
        finer=finer(loss_fn, validation.scores, validation.targets, validation.groups),
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


def constant_metric(metric: Metric, source: Part | Loader | None) -> float:
    """The metric of scores that are all 0: NaN where it is undefined, whatever the scores."""
    if source is None:
        return math.nan
    parts = list(pieces(source, torch.device("cpu"), CHUNK))
    targets = torch.cat([part.targets for part in parts])
    groups = [part.groups for part in parts if part.groups is not None]
    constant = torch.zeros_like(targets, dtype=torch.float32)
    lists = {"groups": torch.cat(groups)} if groups else {}
    return float(metric.metric(constant, targets, **lists))


def _batches(train: Part | Loader, config: FitConfig) -> Batches:
    """Of every batch the share of this process."""
    if not isinstance(train, Part):
        if config.batch == "all":
            return OneBatch(AllSamples(lambda: pieces(train, torch.device("cpu"), CHUNK)))
        return LoaderBatches(train)
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
