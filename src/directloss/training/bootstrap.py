"""Percentile bootstrap (Efron, 1979): how far a metric of samples may be from the population's."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from directloss.tasks import Task
from directloss.training._rows import Scored

LEVEL = 0.95
"""The share of the resamples that an interval holds."""

_ENDS = (0.025, 0.975)

_AT_A_TIME = 2_000_000  # entries of resampled scores in memory

Values = NDArray[np.float64]


def interval(resampled: ArrayLike) -> tuple[float, float]:
    """The interval that leaves out `(1 - LEVEL) / 2` of the resamples' values at each end."""
    low, high = np.quantile(np.asarray(resampled), _ENDS)
    return float(low), float(high)


def resamples_for(samples: int) -> int:
    """How many are worth their time: fewer of larger samples, whose intervals are narrow."""
    return min(1000, max(100, 20_000_000 // max(samples, 1)))


def resampled(
    task: Task,
    scored: Scored,
    *,
    resamples: int,
    seed: int,
    on_resample: Callable[[int], None] = lambda _: None,
) -> Values:
    """The metric of resamples, float64 (resamples,); NaN where it is undefined.

    Samples are drawn with replacement, as many as there are; where they have groups, whole groups
    are drawn, and the metric is their mean. All metrics and scores with one seed see the same
    resamples.

    Args:
        task: the metric.
        scored: the samples.
        resamples: how many to draw.
        seed: of the draws.
        on_resample: called with the number of resamples that were added.
    """
    generator = np.random.default_rng(seed)
    scores, targets, groups = scored.scores, scored.targets, scored.groups
    if groups is not None:
        of_lists = task.metric(scores, targets, groups=groups, reduction="none").numpy()
        drawn = _means_of_lists(of_lists, resamples, generator)
        on_resample(resamples)
        return drawn
    drawn = np.empty(resamples)
    size = len(scores)
    piece = max(1, _AT_A_TIME // max(size, 1))
    for first in range(0, resamples, piece):
        last = min(first + piece, resamples)
        rows = torch.from_numpy(generator.integers(0, size, (last - first, size)))
        drawn[first:last] = _of_rows(task.metric, scores[rows], targets[rows])
        on_resample(last - first)
    return drawn


@dataclass(frozen=True)
class Difference:
    """How much better one model is than another on the same samples.

    Attributes:
        value: of the samples themselves; above 0 where the metric has become better.
        low, high: the interval of the resamples on which both metrics are defined; NaN without any.
    """

    value: float
    low: float
    high: float

    @property
    def resolved(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0.0 or self.high < 0.0

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "undefined"
        value, low, high = (100 * each for each in (self.value, self.low, self.high))
        text = f"{value:+.2f} points [{low:+.2f}, {high:+.2f}]"
        return text if self.resolved else f"{text}, not resolved"


def difference(task: Task, before: Scored, after: Scored, *, seed: int = 0) -> Difference:
    """The paired bootstrap of two models' scores of the same samples."""
    sign = 1.0 if task.higher_is_better else -1.0
    count = resamples_for(len(before))
    drawn = [resampled(task, each, resamples=count, seed=seed) for each in (before, after)]
    values = [float(task.metric(s.scores, s.targets, groups=s.groups)) for s in (before, after)]
    better = sign * (drawn[1] - drawn[0])
    defined = better[~np.isnan(better)]
    ends = interval(defined) if defined.size else (math.nan, math.nan)
    return Difference(sign * (values[1] - values[0]), *ends)


def _of_rows(metric: Callable[..., Tensor], scores: Tensor, targets: Tensor) -> Values:
    values: Values = metric(scores, targets, reduction="none").numpy()
    return values


def _means_of_lists(values: Values, resamples: int, generator: np.random.Generator) -> Values:
    drawn = np.empty(resamples)
    for k in range(resamples):  # one at a time: lists may be many
        some = values[generator.integers(0, len(values), len(values))]
        defined = some[~np.isnan(some)]
        drawn[k] = defined.mean() if defined.size else np.nan
    return drawn
