"""One training run, as a worker process does it: configuration in, numbers out."""

from __future__ import annotations

import warnings
from functools import lru_cache

import torch
from accelerate import Accelerator

from directloss.datasets import Problems, RankingProblem, load, prepare, prepare_ranking
from directloss.experiments.assignments import Assignment
from directloss.experiments.config import Comparison
from directloss.experiments.metrics import metric_named
from directloss.models import MLP, scale_to_unit_spread
from directloss.training import METHODS, fit
from directloss.training.search import Finished


@lru_cache(maxsize=4)
def load_problems(comparison: Comparison, seed: int) -> Problems | RankingProblem:
    """The data of a comparison, split by a seed; kept, since many trials share it."""
    source = load(
        comparison.data,
        target=comparison.target,
        split_column=comparison.split_column,
        group_column=comparison.group,
        rules=comparison,
    )
    if comparison.group is not None:
        graded = metric_named(comparison.metric).graded
        return prepare_ranking(source, graded=graded, rules=comparison, seed=seed)
    return prepare(source, positive=comparison.positive, rules=comparison, seed=seed)


def run_trial(comparison: Comparison, assignment: Assignment) -> Finished:
    """Trains one network.

    The seed decides split, initial weights and mini-batches; all methods and settings of a seed
    share them.
    """
    cell, settings = assignment.cell, assignment.settings
    parts = load_problems(comparison, cell.seed).parts(cell.column)
    model = MLP(
        parts.train.features.shape[1],
        comparison.hidden,
        generator=torch.Generator().manual_seed(cell.seed),
    )
    scale_to_unit_spread(model, parts.train.features)
    metric = metric_named(comparison.metric)
    task = metric.make_task()
    loss_fn = METHODS[cell.method].loss(settings, spread=1.0, metric=metric.make_task)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = fit(
            model,
            loss_fn,
            parts,
            task,
            comparison.fit_config(settings, cell.seed),
            threshold=metric.threshold(),
            accelerator=Accelerator(cpu=True),
        )
    best = max if task.higher_is_better else min
    return Finished(
        number=assignment.number,
        settings=settings,
        validation=result.validation,
        diverged=result.diverged,
        notes={
            "test": result.test,
            "test_peak": best(result.history.test, default=result.test),
            "spread_final": result.history.spread[-1] if len(result.history) else 0.0,
            "seconds": round(result.seconds, 3),
            # Warnings become part of the record, which the report shows.
            "warnings": sorted({str(warning.message) for warning in caught}),
            "history": result.history.record(),
        },
    )
