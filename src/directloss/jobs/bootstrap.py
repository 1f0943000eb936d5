"""A reported metric with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from directloss.jobs.scoring import Scored
from directloss.study.metrics import ReportedMetric
from directloss.training.bootstrap import interval, resampled


@dataclass(frozen=True)
class Estimate:
    """A metric with its interval.

    Attributes:
        value: of the sample itself; NaN where the metric is undefined.
        low, high: the percentile interval of the resamples on which it is defined.
        undefined: share of the resamples on which it is not, for want of a positive, say.
    """

    value: float
    low: float
    high: float
    undefined: float


def estimate(
    metric: ReportedMetric,
    scored: Scored,
    threshold: float | None,
    *,
    resamples: int,
    seed: int,
    on_resample: Callable[[int], None] = lambda _: None,
) -> Estimate:
    """The metric of the scored samples with a percentile bootstrap interval.

    Args:
        metric: what to estimate.
        scored: the samples.
        threshold: for a metric of decisions.
        resamples: how many to draw, see `resampled`; 0 for none (the interval is then NaN).
        seed: of the draws.
        on_resample: called with the number of resamples that were added.
    """
    task = metric.make_task()
    targets = scored.targets if metric.graded else (scored.targets > 0)
    shifted = Scored(scored.scores - (threshold or 0.0), targets, scored.groups)
    value = float(task.metric(shifted.scores, targets, **scored.lists))
    drawn = resampled(task, shifted, resamples=resamples, seed=seed, on_resample=on_resample)
    defined = drawn[~np.isnan(drawn)]
    if not defined.size:
        return Estimate(value, math.nan, math.nan, float(resamples > 0))
    return Estimate(value, *interval(defined), 1 - defined.size / resamples)
