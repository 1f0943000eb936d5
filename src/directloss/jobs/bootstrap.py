"""Percentile bootstrap: how far a metric of a sample may be from that of what it was drawn from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from directloss.jobs.scoring import Scored
from directloss.study.bootstrap import interval
from directloss.study.metrics import ReportedMetric

_AT_A_TIME = 2_000_000  # entries of resampled scores in memory

_Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A metric with its interval.

    Attributes:
        value: of the sample itself; NaN where the metric is undefined.
        low, high: the `percentile_interval` of the resamples on which it is defined.
        undefined: share of the resamples on which it is not, for want of a positive, say.
    """

    value: float
    low: float
    high: float
    undefined: float


def resamples_for(samples: int) -> int:
    """How many are worth their time: fewer of larger samples, whose intervals are narrow."""
    return min(1000, max(100, 20_000_000 // max(samples, 1)))


def estimate(
    metric: ReportedMetric,
    scored: Scored,
    threshold: float | None,
    *,
    resamples: int,
    seed: int,
    on_resample: Callable[[int], None] = lambda _: None,
) -> Estimate:
    """The metric of the scored samples with a percentile bootstrap interval (Efron, 1979).

    Samples are drawn with replacement, as many as there are; where they have groups, whole groups
    are drawn, and the metric is their mean. All metrics with one seed see the same resamples.

    Args:
        metric: what to estimate.
        scored: the samples.
        threshold: for a metric of decisions.
        resamples: how many to draw; 0 for none (the interval is then NaN).
        seed: of the draws.
        on_resample: called with the number of resamples that were added.
    """
    task = metric.make_task()
    scores = scored.scores - (threshold or 0.0)
    targets = scored.targets if metric.graded else (scored.targets > 0)
    value = float(task.metric(scores, targets, **scored.lists))
    generator = np.random.default_rng(seed)
    if scored.groups is not None:
        of_lists = task.metric(scores, targets, groups=scored.groups, reduction="none").numpy()
        drawn = _means_of_lists(of_lists, resamples, generator)
        on_resample(resamples)
    else:
        drawn = np.empty(resamples)
        size = len(scores)
        piece = max(1, _AT_A_TIME // max(size, 1))
        for first in range(0, resamples, piece):
            last = min(first + piece, resamples)
            rows = torch.from_numpy(generator.integers(0, size, (last - first, size)))
            drawn[first:last] = _of_rows(task.metric, scores[rows], targets[rows])
            on_resample(last - first)
    defined = drawn[~np.isnan(drawn)]
    if not defined.size:
        return Estimate(value, math.nan, math.nan, float(resamples > 0))
    return Estimate(value, *interval(defined), 1 - defined.size / resamples)


def _of_rows(metric: Callable[..., Tensor], scores: Tensor, targets: Tensor) -> _Values:
    values: _Values = metric(scores, targets, reduction="none").numpy()
    return values


def _means_of_lists(values: _Values, resamples: int, generator: np.random.Generator) -> _Values:
    drawn = np.empty(resamples)
    for k in range(resamples):  # one at a time: lists may be many
        some = values[generator.integers(0, len(values), len(values))]
        defined = some[~np.isnan(some)]
        drawn[k] = defined.mean() if defined.size else np.nan
    return drawn
