"""The top layer: one score a class, from features that are given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LinearLR, LRScheduler

import directloss as dl
from directloss.datasets.errors import DataError
from directloss.paper.detection.rows import Rows
from directloss.training.config import FitConfig
from directloss.training.methods import METHODS, Settings
from directloss.training.optimiser import make_optimiser
from directloss.training.sampler import BalancedBatchSampler
from directloss.training.warm_start import WarmStart

SOFTMAX = "softmax"
"""The method that trains all classes and background together, by cross-entropy."""

REFINE = "refine"
"""Cross-entropy, then the direct loss of average precision with noise (`docs/refine.md`). Nothing
is held out to choose a step by, so that the last weights are kept, as of every method."""

INITIAL_SPREAD = 0.01
"""Standard deviation of untrained scores. With thousands of features and few objects, what is
random in the weights is never unlearnt, so there must be little of it."""


@dataclass(frozen=True, kw_only=True)
class HeadSettings:
    """How to train a head.

    Attributes:
        method: SOFTMAX, or a name of `METHODS`.
        learning_rate, l2: of SGD with momentum 0.9.
        epsilon: of the direct methods, in units of the scores; REFINE has its own.
        iterations: number of mini-batches.
        batch: boxes a mini-batch, whose average precision stands for that of all boxes.
        positives: share of positives in it. Average precision depends on that share.
        seed: of initial weights and mini-batches.
    """

    method: str
    learning_rate: float
    l2: float
    epsilon: float
    iterations: int
    batch: int
    positives: float
    seed: int


class Head(NamedTuple):
    """Linear scores of raw features: `features @ weight.T + bias`.

    Attributes:
        weight: `(k, d)`; k is 1, or C + 1 for SOFTMAX, background last.
        bias: `(k,)`.
        spread: standard deviation of the scores of the last mini-batch; 0 if training diverged.
    """

    weight: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    spread: float


def train_head(rows: Rows, column: int | None, settings: HeadSettings) -> Head:
    """Trains the head of one class, or with `column` None that of SOFTMAX.

    A head whose scores became NaN or infinite is returned as a constant, which ranks nothing.

    Raises:
        DataError: there is no positive, or no negative.
    """
    members, targets = rows.targets(column)
    outputs = 1 if column is not None else rows.labels.by_class.shape[1] + 1
    positive = targets != (0 if column is not None else outputs - 1)
    if not positive.any() or positive.all():
        raise DataError(
            f"{'all boxes' if positive.any() else 'no box'} of the training images "
            f"{'are positives' if positive.any() else 'is a positive'}: nothing to learn from"
        )
    model = _initial(rows, members, outputs, settings.seed)
    loss_fn = _loss(settings)
    optimiser = make_optimiser(
        model, FitConfig(learning_rate=settings.learning_rate, l2=settings.l2)
    )
    schedule = _schedule(optimiser, settings)
    phases = [module for module in loss_fn.modules() if isinstance(module, WarmStart)]
    spread = 0.0
    for step, batch in enumerate(_batches(positive, settings)):
        for phase in phases:
            phase.reach(step, settings.iterations)
        scores = model(rows.batch(members[batch]))
        if not bool(scores.isfinite().all()):
            return _constant(rows.width, outputs)
        optimiser.zero_grad()
        loss_fn(scores, torch.from_numpy(targets[batch])).backward()
        optimiser.step()
        schedule.step()
        spread = float(scores.detach().std(correction=0))
    weight, bias = (parameter.detach().numpy() for parameter in (model.weight, model.bias))
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        return _constant(rows.width, outputs)
    weight = (weight / rows.scale).astype(np.float32)
    return Head(weight, (bias - weight @ rows.mean).astype(np.float32), spread)


def class_scores(head: Head, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Scores of boxes, `(n, k)`: the head's own, or the log probabilities of C classes."""
    scores = torch.from_numpy(features @ head.weight.T + head.bias)
    if scores.shape[1] > 1:
        scores = scores.log_softmax(dim=1)[:, :-1]
    result: npt.NDArray[np.float32] = scores.numpy()
    return result


class _Joint(nn.Module):
    """Cross-entropy of the softmax over classes and background."""

    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(scores, targets)


class _OfOneClass(nn.Module):
    """A loss of scores `(n,)`, for scores `(n, 1)`."""

    def __init__(self, loss_fn: nn.Module) -> None:
        super().__init__()
        self.loss_fn = loss_fn

    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        loss: Tensor = self.loss_fn(scores.squeeze(1), targets)
        return loss


def _loss(settings: HeadSettings) -> nn.Module:
    if settings.method == SOFTMAX:
        return _Joint()
    method = METHODS[settings.method]
    # That of refining is the deviation of its noise, in spreads of the scores at the switch.
    epsilon = method.usual.epsilon if settings.method == REFINE else settings.epsilon
    point = Settings(settings.learning_rate, settings.l2, epsilon)
    return _OfOneClass(method.loss(point, 1.0, dl.AveragePrecision))


def _schedule(optimiser: Optimizer, settings: HeadSettings) -> LRScheduler:
    """Of REFINE a learning rate that falls in a line to 0, else a constant one."""
    end = 0.0 if settings.method == REFINE else 1.0
    return LinearLR(optimiser, 1.0, end, total_iters=settings.iterations)


def _initial(rows: Rows, members: npt.NDArray[np.int64], outputs: int, seed: int) -> nn.Linear:
    """Normal weights and zero biases, with scores of a small standard deviation on the rows."""
    model = nn.Linear(rows.width, outputs)
    generator = torch.Generator().manual_seed(seed)
    sample = members[torch.randperm(len(members), generator=generator)[:2048].numpy()]
    with torch.no_grad():
        model.weight.normal_(std=rows.width**-0.5, generator=generator)
        model.bias.zero_()
        spread = model(rows.batch(sample)).std(correction=0)
        if spread > 0:
            model.weight.mul_(INITIAL_SPREAD / spread)
    return model


def _batches(
    positive: npt.NDArray[np.bool_], settings: HeadSettings
) -> Iterator[npt.NDArray[np.int64]]:
    sampler = BalancedBatchSampler(
        positive, settings.batch, positives=settings.positives, seed=settings.seed
    )
    step = 0
    while True:
        for batch in sampler:
            if step == settings.iterations:
                return
            step += 1
            yield np.asarray(batch)


def _constant(width: int, outputs: int) -> Head:
    return Head(np.zeros((outputs, width), np.float32), np.zeros(outputs, np.float32), 0.0)
