"""The top layer: one score a class, from features that are given."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, repeat
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import directloss as dl
from directloss.datasets.errors import DataError
from directloss.paper.detection.rows import Rows
from directloss.training.batches import Batch
from directloss.training.config import FitConfig
from directloss.training.data import Part
from directloss.training.history import Entry
from directloss.training.methods import METHODS, Settings
from directloss.training.run import Run
from directloss.training.sampler import BalancedBatchSampler
from directloss.training.steps import DivergedError, refuse_non_finite

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
        spread: standard deviation of the scores of some rows; 0 if training diverged.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
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
    generator = torch.Generator().manual_seed(settings.seed)
    sample = _sample(rows, members, generator)
    model = _initial(sample, outputs, generator)

    def spread(network: nn.Module) -> Entry:
        scores = network(sample.to(next(network.parameters()).device))
        refuse_non_finite({"score": scores}, lambda: "in an evaluation")
        # No box is held out: nothing is measured, and the last weights are kept.
        return Entry(validation=math.nan, spread=float(scores.std(correction=0)))

    config = FitConfig(
        learning_rate=settings.learning_rate,
        l2=settings.l2,
        schedule="linear" if settings.method == REFINE else "constant",
        epochs=1,
        evaluations=1,
    )
    batches = _BoxBatches(rows, members, targets, positive, settings)
    run = Run(model, _loss(settings), batches, spread, config, higher_is_better=True)
    try:
        run.train()
    except DivergedError:
        return Head(np.zeros((outputs, rows.width), np.float32), np.zeros(outputs, np.float32), 0.0)
    weight, bias = (each.detach().cpu().numpy() for each in (model.weight, model.bias))
    weight = (weight / rows.scale).astype(np.float32)
    return Head(weight, (bias - weight @ rows.mean).astype(np.float32), run.history.spread[-1])


def class_scores(head: Head, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores of boxes, `(n, k)`: the head's own, or the log probabilities of C classes."""
    scores = torch.from_numpy(features @ head.weight.T + head.bias)
    if scores.shape[1] > 1:
        scores = scores.log_softmax(dim=1)[:, :-1]
    result: NDArray[np.float32] = scores.numpy()
    return result


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
        return nn.CrossEntropyLoss()
    method = METHODS[settings.method]
    # That of refining is the deviation of its noise, in spreads of the scores at the switch.
    epsilon = method.usual.epsilon if settings.method == REFINE else settings.epsilon
    point = Settings(settings.learning_rate, settings.l2, epsilon)
    return _OfOneClass(method.loss(point, 1.0, dl.AveragePrecision))


def _sample(rows: Rows, members: NDArray[np.int64], generator: torch.Generator) -> Tensor:
    """Features of some of the rows, on which the spread of the scores is measured."""
    return rows.batch(members[torch.randperm(len(members), generator=generator)[:2048].numpy()])


def _initial(sample: Tensor, outputs: int, generator: torch.Generator) -> nn.Linear:
    """Normal weights and zero biases, with scores of a small standard deviation on the sample."""
    width = sample.shape[1]
    model = nn.Linear(width, outputs)
    with torch.no_grad():
        model.weight.normal_(std=width**-0.5, generator=generator)
        model.bias.zero_()
        spread = model(sample).std(correction=0)
        if spread > 0:
            model.weight.mul_(INITIAL_SPREAD / spread)
    return model


class _BoxBatches:
    """Mini-batches of boxes, with a fixed share of positives; all of a run are one epoch.

    Features are kept in half precision, too many to be widened all at once.
    """

    def __init__(
        self,
        rows: Rows,
        members: NDArray[np.int64],
        targets: NDArray[np.int64],
        positive: NDArray[np.bool_],
        settings: HeadSettings,
    ) -> None:
        self._rows, self._members, self._targets = rows, members, torch.from_numpy(targets)
        self._iterations = settings.iterations
        size = min(settings.batch, len(positive))
        self._sampler = BalancedBatchSampler(
            positive, size, positives=settings.positives, seed=settings.seed
        )

    def __len__(self) -> int:
        return self._iterations

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch]:
        """See `Batches`."""
        passes = chain.from_iterable(repeat(self._sampler))
        for batch in islice(passes, start, self._iterations):
            rows = self._members[np.asarray(batch)]
            yield Batch(Part(self._rows.batch(rows), self._targets[batch]), rows)
