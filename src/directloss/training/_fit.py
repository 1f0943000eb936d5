"""The training loop for a network on arrays."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from directloss._world import World
from directloss.errors import ArgumentError
from directloss.training.config import FitConfig
from directloss.training.data import Part, Parts
from directloss.training.early_stop import EarlyStop
from directloss.training.fit_steps import CHUNK, DivergedError, backward_of, check_finite
from directloss.training.history import History
from directloss.training.metric import Metric, Threshold
from directloss.training.optimiser import make_optimiser
from directloss.training.sampler import BalancedBatchSampler

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

    Where the parts have groups, loss and metric also get `groups=`; batches are then full.

    Started on several processes (`torchrun`, `accelerate launch`), each with the same arguments, it
    takes the same steps as on one: each process computes its share of every batch.

    Args:
        model: features `(n, ...)` -> scores `(n,)`.
        loss_fn: a module of (scores, targets) that returns a scalar.
        data: the three parts.
        metric: a task; its `metric` is recorded on all parts and rules early stopping.
        config: how to train.
        threshold: for metrics of decisions (score > 0): fitted to the training part at every look,
            and taken off the scores of all parts before they are measured. Training never sees it.
        accelerator: device and precision; by default Accelerate's own choice.

    Warns:
        ScoreCollapseWarning: once, when the spread falls below `COLLAPSED` times its first value.
    """
    began = time.perf_counter()
    accelerator = accelerator or Accelerator()
    model, optimiser = accelerator.prepare_model(model), make_optimiser(model, config)
    if accelerator.scaler is not None:
        # Only a scaled precision needs Accelerate's wrapper, which searches the disk at each step.
        optimiser = accelerator.prepare_optimizer(optimiser)
    data = data.to(accelerator.device)
    observer = _Observer(model, loss_fn.to(accelerator.device), data, metric, threshold)
    backward = backward_of(model, loss_fn, config, accelerator)
    early_stop = EarlyStop(model, config.patience, higher_is_better=metric.higher_is_better)
    history = observer.history
    try:
        observer.look(0)
        early_stop.saw(history.validation[-1])
        looks = _look_steps(_count_steps(data.train, config), config.evaluations)
        for step, batch in enumerate(_batches(data.train, config), start=1):
            optimiser.zero_grad()
            observer.count(backward(batch))
            optimiser.step()
            if step in looks:
                observer.look(step)
                if early_stop.saw(history.validation[-1]):
                    break
    except DivergedError:
        validation, test = (_constant_metric(metric, p) for p in (data.validation, data.test))
        return FitResult(history, validation, test, True, time.perf_counter() - began)
    kept = early_stop.restore(last=len(history) - 1)
    seconds = time.perf_counter() - began
    return FitResult(history, history.validation[kept], history.test[kept], False, seconds)


class _Observer:
    """Takes the entries of the history."""

    def __init__(
        self,
        model: nn.Module,
        loss_fn: nn.Module,
        data: Parts,
        metric: Metric,
        threshold: Threshold | None,
    ) -> None:
        self.history = History()
        self._model = model
        self._loss_fn = loss_fn
        self._data = data
        self._metric = metric
        self._threshold = threshold
        self._zero_gradients: list[bool] = []
        self._warned = False

    def count(self, gradient: Tensor) -> None:
        """Notes whether a step's gradient with respect to the scores was exactly zero."""
        self._zero_gradients.append(not World().any(bool(gradient.any())))

    @torch.no_grad()
    def look(self, iteration: int) -> None:
        """Adds an entry for the model as it is."""
        modes = self._model.training, self._loss_fn.training
        self._model.eval()
        self._loss_fn.eval()  # an evaluation must not set an automatic epsilon
        data = self._data
        train, validation, test = (
            torch.cat([self._model(chunk) for chunk in torch.split(part.features, CHUNK)])
            for part in (data.train, data.validation, data.test)
        )
        for scores in (train, validation, test):
            check_finite(scores, World())
        steps = self._zero_gradients
        fitted = 0.0 if self._threshold is None else self._threshold(train, data.train.targets)

        def measured(scores: Tensor, part: Part) -> float:
            return float(self._metric.metric(scores.double() - fitted, part.targets, **part.lists))

        self.history.append(
            iteration=iteration,
            train=measured(train, data.train),
            validation=measured(validation, data.validation),
            test=measured(test, data.test),
            loss=float(self._loss_fn(train, data.train.targets, **data.train.lists)),
            spread=float(train.double().std(correction=0)),
            zero_gradient=sum(steps) / len(steps) if steps else 0.0,
        )
        self._zero_gradients = []
        self._model.train(modes[0])
        self._loss_fn.train(modes[1])
        self._warn_of_collapse()

    def _warn_of_collapse(self) -> None:
        spread, first = self.history.spread[-1], self.history.spread[0]
        if self._warned or spread >= COLLAPSED * first:
            return
        self._warned = True
        warnings.warn(
            f"the spread of the scores fell from {first:.3g} to {spread:.3g} at iteration "
            f"{self.history.iteration[-1]}: a fixed epsilon or margin now dwarfs every difference "
            "of scores. Try the positive direction, a smaller learning rate or a smaller epsilon",
            ScoreCollapseWarning,
            stacklevel=4,
        )


def _constant_metric(metric: Metric, part: Part) -> float:
    constant = torch.zeros_like(part.targets, dtype=torch.float32)
    return float(metric.metric(constant, part.targets, **part.lists))


def _count_steps(train: Part, config: FitConfig) -> int:
    if config.batch == "all" or config.batch_size is None:
        return config.epochs
    return config.epochs * len(_sampler(train, config, config.batch_size))


def _look_steps(steps: int, evaluations: int) -> set[int]:
    """About `evaluations` steps at equal distances, the last one among them."""
    return {max(1, round(steps * (k + 1) / evaluations)) for k in range(evaluations)}


def _batches(train: Part, config: FitConfig) -> Iterator[Part]:
    """All batches of all epochs."""
    whole = config.batch == "all" or config.batch_size is None
    if train.groups is not None and not whole:
        raise ArgumentError("batch_size", config.batch_size, "None, full batches, with groups")
    if whole:
        for _ in range(config.epochs):
            yield train
        return
    assert config.batch_size is not None, "batches are full without it"
    sampler = _sampler(train, config, config.batch_size)
    for _ in range(config.epochs):
        for batch in sampler:
            rows = torch.tensor(batch, device=train.targets.device)
            yield train[rows]


def _sampler(train: Part, config: FitConfig, batch_size: int) -> BalancedBatchSampler:
    return BalancedBatchSampler(
        train.targets, batch_size, positives=config.positives, seed=config.seed
    )
