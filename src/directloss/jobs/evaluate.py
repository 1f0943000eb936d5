"""`directloss evaluate`: every metric of a trained model, on its test part or on other data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from directloss.datasets import DataError
from directloss.datasets.cells import Coded, Encoder, present
from directloss.datasets.images import ImageRecipe, find_images
from directloss.datasets.ranking import MOST_RELEVANT, relevances
from directloss.datasets.recipe import Recipe
from directloss.datasets.source import groups_of
from directloss.experiments.metrics import metric_named
from directloss.jobs.bootstrap import LEVEL, estimate, resamples_for
from directloss.jobs.data import content_digest, open_data
from directloss.jobs.model import Model
from directloss.jobs.scoring import DECISIONS, Scored, score
from directloss.jobs.tables import read_table
from directloss.report.evaluation import Evaluation, Line, precision_recall, roc
from directloss.training.data import Part
from directloss.training.model_folder import installed_versions

RANKING = (
    "average-precision",
    "roc-auc",
    "partial-auc",
    "ndcg",
    "reciprocal-rank",
    "r-precision",
    "precision-at-k:10",
    "recall-at-k:10",
    "bedroc",
)

_IMAGES = 64  # that are in memory at a time


def evaluate(
    model: Model,
    *,
    data: str | None = None,
    part: str = "test",
    resamples: int | None = None,
    seed: int = 0,
    command: list[str],
    on_start: Callable[[int], None] = lambda _: None,
    on_resample: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Scores the data and measures everything.

    Args:
        model: see `open_model`.
        data: a table with the model's columns and its target, or an image folder: all of it is
            used. None: `part` of the data that it was trained with.
        part: "train", "validation" or "test".
        resamples: of the bootstrap; by default 1000, fewer of more than 20,000 rows.
        seed: of the bootstrap.
        command: the command line, for the record.
        on_start: called with the number of resamples to come, of all metrics together.
        on_resample: called with the number of resamples that were added.

    Raises:
        DataError: the data do not fit, or are not those of the training any more.
    """
    if data is None:
        scored, words = _own_part(model, part), f"the {part} part of {_trained_on(model)}"
    else:
        scored, words = _other_data(model, data), data
    count = resamples_for(len(scored.scores)) if resamples is None else resamples
    own = model.configuration.training.metric
    names = list(dict.fromkeys((own, *RANKING, *(DECISIONS if scored.groups is None else ()))))
    most = float(scored.targets.max())
    if most > MOST_RELEVANT:  # no gain is that large
        names = [name for name in names if not metric_named(name).graded]
    on_start(count * len(names))
    lines = [_line(model, name, scored, count, seed, on_resample) for name in names]
    positive = (scored.targets > 0).numpy()
    one_list = scored.groups is None
    drawable = one_list and 0 < positive.sum() < len(positive)
    scores = scored.scores.numpy()
    return Evaluation(
        title=f"Evaluation of {model.folder.resolve().name}",
        command=command,
        created=datetime.now().astimezone().isoformat(timespec="seconds"),
        versions=installed_versions(),
        model=str(model.folder),
        data=words,
        rows=len(positive),
        positives=int(positive.sum()),
        lists=None if scored.groups is None else len(torch.unique(scored.groups)),
        resamples=count,
        level=LEVEL,
        seed=seed,
        graded=most > 1,
        lines=lines,
        precision_recall=precision_recall(scores, positive) if drawable else None,
        roc=roc(scores, positive) if drawable else None,
    )


def _line(
    model: Model,
    name: str,
    scored: Scored,
    resamples: int,
    seed: int,
    on_resample: Callable[[int], None],
) -> Line:
    metric = metric_named(name)
    threshold = model.about.thresholds.get(name) if metric.decides else None
    found = estimate(
        metric, scored, threshold, resamples=resamples, seed=seed, on_resample=on_resample
    )
    return Line(
        name=name,
        words=metric.words,
        value=_number(found.value),
        low=_number(found.low),
        high=_number(found.high),
        undefined=found.undefined,
        threshold=threshold,
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _trained_on(model: Model) -> str:
    return Path(model.configuration.data.path).name


def _own_part(model: Model, part: str) -> Scored:
    section = model.configuration.data
    if section.sha256 != content_digest(section.path):
        raise DataError(
            f"--data: {section.path} has changed since the training; name data to evaluate on"
        )
    # Relevances as they are: a row such as that of NDCG means one thing, whatever was trained on.
    data = open_data(model.configuration, as_they_are=True)
    return Scored.join([score(model.network, data.chunks(part))])


def _other_data(model: Model, data: str) -> Scored:
    recipe = model.recipe
    if isinstance(recipe, ImageRecipe):
        return _scored(model, data, _labelled_images(model, recipe, Path(data)))
    group = model.configuration.data.group
    if group is None:
        return _scored(model, data, _labelled(model, recipe, data))
    encoder = Encoder(recipe.reading)
    scored = _scored(model, data, _labelled(model, recipe, data, encoder))
    assert scored.groups is not None
    groups = groups_of(Coded(scored.groups.numpy(), encoder.cells), group)
    return replace(scored, groups=torch.from_numpy(groups))


def _scored(model: Model, data: str, parts: Iterator[Part]) -> Scored:
    found = score(model.network, parts)
    if found is None:
        raise DataError(f"--data: {data} has no rows")
    return found


def _labelled(
    model: Model, recipe: Recipe, data: str, groups: Encoder | None = None
) -> Iterator[Part]:
    """The rows with their targets and, by `groups`, a number of each one's query."""
    section, target = model.configuration.data, model.about.target
    others = [target] if section.group is None else [target, section.group]
    rows = read_table(recipe, data, others)
    for piece in rows.pieces:
        frame = piece.values
        if section.drop_missing_target:
            frame = frame[present(frame[target], recipe.reading).is_valid().to_numpy(False)]
        if not len(frame):
            continue
        features = torch.from_numpy(recipe.apply(frame))
        targets = torch.from_numpy(_targets(model, recipe, frame[target]))
        if section.group is None or groups is None:
            yield Part(features, targets)
        else:
            yield Part(features, targets, torch.from_numpy(groups.codes(frame[section.group])))


def _targets(
    model: Model, recipe: Recipe, column: pd.Series
) -> npt.NDArray[np.float32] | npt.NDArray[np.bool_]:
    positive = model.about.positive
    if positive is not None:
        return recipe.positives(column, positive)
    graded = model.metric.graded
    return relevances(column, str(column.name), recipe.reading, graded=graded)


def _labelled_images(model: Model, recipe: ImageRecipe, path: Path) -> Iterator[Part]:
    folder = find_images(path)
    if folder.target is None:
        raise DataError(f"--data: {path} has no folders that name the classes of its images")
    positive = (folder.target == model.about.positive).to_numpy(bool, copy=True)
    for first in range(0, len(folder.files), _IMAGES):
        some = slice(first, first + _IMAGES)
        yield Part(recipe.load(folder.files[some]), torch.from_numpy(positive[some]))
