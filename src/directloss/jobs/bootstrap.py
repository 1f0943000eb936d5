"""A reported metric with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from directloss.jobs.scoring import Scored
from directloss.report.evaluation import Line
from directloss.study.metrics import metric_named
from directloss.training.bootstrap import interval, resampled


def estimate(
    name: str,
    scored: Scored,
    thresholds: Mapping[str, float],
    *,
    resamples: int,
    seed: int,
    on_resample: Callable[[int], None] = lambda _: None,
) -> Line:
    """The metric of the scored samples with a percentile bootstrap interval.

    Resamples on which it is undefined, for want of a positive, say, are left out and counted.

    Args:
        name: of the metric.
        scored: the samples.
        thresholds: of metrics of decisions, by name.
        resamples: how many to draw, see `resampled`; 0 for none, and no interval.
        seed: of the draws.
        on_resample: called with the number of resamples that were added.
    """
    metric = metric_named(name)
    threshold = thresholds.get(name) if metric.decides else None
    task = metric.make_task()
    targets = scored.targets if metric.graded else (scored.targets > 0)
    shifted = Scored(scored.scores - (threshold or 0.0), targets, scored.groups)
    value = float(task.metric(shifted.scores, targets, **scored.lists))
    drawn = resampled(task, shifted, resamples=resamples, seed=seed, on_resample=on_resample)
    defined = drawn[~np.isnan(drawn)]
    low, high = interval(defined) if defined.size else (None, None)
    return Line(
        name=name,
        words=metric.words,
        value=None if math.isnan(value) else value,
        low=low,
        high=high,
        undefined=1 - defined.size / resamples if resamples else 0.0,
        threshold=threshold,
    )
