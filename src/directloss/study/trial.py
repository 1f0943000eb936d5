"""One training run, as a worker process does it: configuration in, numbers out."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from accelerate import Accelerator

from directloss.datasets import Problems, RankingProblem, load, prepare, prepare_ranking
from directloss.datasets.images import ImageProblem
from directloss.models import MLP, scale_to_unit_spread, start_at_log_odds
from directloss.study.assignments import Assignment
from directloss.study.config import Comparison
from directloss.study.images import load_images, problems_of_images
from directloss.study.metrics import metric_named
from directloss.study.records import finished, warnings_noted
from directloss.training import METHODS, fit
from directloss.training.search import Finished


@lru_cache(maxsize=4)
def load_data(comparison: Comparison, seed: int) -> Problems | RankingProblem | ImageProblem:
    """The data of a comparison, split by a seed; kept, since many trials share it."""
    if comparison.of_images:
        return load_images(comparison, seed)
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


def run_trial(comparison: Comparison, features: Path | None, assignment: Assignment) -> Finished:
    """Trains one network.

    The seed decides split, initial weights and mini-batches; all methods and settings of a seed
    share them.

    Args:
        comparison: everything that its numbers depend on.
        features: the file of `make_features`, of images.
        assignment: what to train.
    """
    cell, settings = assignment.cell, assignment.settings
    data = load_data(comparison, cell.seed)
    if isinstance(data, ImageProblem):
        assert features is not None
        data = problems_of_images(comparison, cell.seed, features)
    parts = data.parts(cell.column)
    model = MLP(
        parts.train.features.shape[1],
        comparison.hidden,
        generator=torch.Generator().manual_seed(cell.seed),
    )
    method = METHODS[cell.method]
    if method.small_start:
        start_at_log_odds(model, parts.train.features, parts.train.targets > 0)
    else:
        scale_to_unit_spread(model, parts.train.features)
    metric = metric_named(comparison.metric)
    task = metric.make_task()
    loss_fn = method.loss(settings, spread=1.0, metric=metric.make_task)
    with warnings_noted() as caught:
        result = fit(
            model,
            loss_fn,
            parts,
            task,
            comparison.fit_config(method, settings, cell.seed),
            threshold=metric.threshold(),
            accelerator=Accelerator(cpu=True),
        )
    return finished(assignment, result, caught, higher_is_better=task.higher_is_better)
