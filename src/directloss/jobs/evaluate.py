"""`directloss evaluate`: every metric of a trained model, on its test part or on other data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import torch

from directloss.datasets import DataError
from directloss.datasets.ranking import MOST_RELEVANT
from directloss.errors import ArgumentError
from directloss.jobs.bootstrap import estimate
from directloss.jobs.curves import Ranked, bands, precision_recall, roc
from directloss.jobs.decisions import Wanted, decision, wanted_thresholds
from directloss.jobs.kinds import kind_at, open_data
from directloss.jobs.model import Model
from directloss.jobs.reliability import reliability
from directloss.jobs.scoring import DECISIONS, Scored, score
from directloss.report.evaluation import Curve, Decision, Evaluation
from directloss.study.metrics import metric_named
from directloss.training.bootstrap import LEVEL, resamples_for
from directloss.training.model_folder import CONFIGURATION, installed_versions

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


NOTHING = Wanted()


def evaluate(
    model: Model,
    *,
    data: str | None = None,
    part: str | None = None,
    resamples: int | None = None,
    seed: int = 0,
    wanted: Wanted = NOTHING,
    command: list[str],
    on_start: Callable[[int], None] = lambda _: None,
    on_resample: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Scores the data and measures everything.

    Args:
        model: see `open_model`.
        data: a table with the model's columns and its target, or an image folder: all of it is
            used. None: `part` of the data that it was trained with.
        part: one of `SPLITS`, without `data`; None: "test".
        resamples: of the bootstrap; by default 1000, fewer of more than 20,000 rows.
        seed: of the bootstrap.
        wanted: of decisions; their thresholds are chosen on the validation part of the training,
            and measured on the data.
        command: the command line, for the record.
        on_start: called with the number of resamples to come, of all metrics together.
        on_resample: called with the number of resamples that were added.

    Raises:
        DataError: the data do not fit, or are not those of the training any more.
        ArgumentError: what is wanted is not to be had.
    """
    if data is not None and part is not None:
        raise ArgumentError("part", repr(part), "nothing beside data, of which all is used")
    thresholds = _thresholds(model, wanted)
    if data is None:
        part = part or "test"
        scored, words = _own_split(model, part), f"the {part} part of {_trained_on(model)}"
    else:
        scored, words = _other_data(model, data), data
        if kind_at(data).digest(data) == model.configuration.data.sha256:
            words += ", on which the model was trained"
    count = resamples_for(len(scored.scores)) if resamples is None else resamples
    own = model.configuration.training.metric
    names = list(dict.fromkeys((own, *RANKING, *(DECISIONS if scored.groups is None else ()))))
    most = float(scored.targets.max())
    if most > MOST_RELEVANT:  # no gain is that large
        names = [name for name in names if not metric_named(name).graded]
    on_start(count * len(names))
    lines = [
        estimate(
            name,
            scored,
            model.about.thresholds,
            resamples=count,
            seed=seed,
            on_resample=on_resample,
        )
        for name in names
    ]
    positive = (scored.targets > 0).numpy()
    one_list = scored.groups is None
    drawable = one_list and 0 < positive.sum() < len(positive)
    scores = scored.scores.numpy()
    curves: tuple[Curve, Curve] | None = None
    if drawable:
        ranked = Ranked.of(scores, positive)
        found = bands(ranked, resamples=count, seed=seed)
        curves = (
            precision_recall(ranked).model_copy(update={"band": found[0]}),
            roc(ranked).model_copy(update={"band": found[1]}),
        )
    decisions: list[Decision] = []
    if one_list:
        decisions = [
            decision(*each, scores, positive, cost=wanted.cost, resamples=count, seed=seed)
            for each in thresholds.items()
        ]
    calibration = model.calibration if one_list else None
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
        precision_recall=None if curves is None else curves[0],
        roc=None if curves is None else curves[1],
        costs=wanted.cost,
        decisions=decisions,
        reliability=None
        if calibration is None
        else reliability(calibration, scores, positive, resamples=count, seed=seed),
    )


def _thresholds(model: Model, wanted: Wanted) -> dict[str, float]:
    """The threshold of the model's own metric, or of F1, and those that are wanted, by words."""
    own = model.configuration.training.metric
    name = own if own in model.about.thresholds else "f1"
    fitted = model.about.thresholds.get(name)
    words = f"best {metric_named(name).words} (training part)"
    found = {} if fitted is None else {words: fitted}
    if not wanted:
        return found
    name, value = next((name, value) for name, value in vars(wanted).items() if value is not None)
    if model.configuration.data.group is not None:
        raise ArgumentError(name, value, "nothing, for lists of queries")
    try:
        validation = _own_split(model, "validation")
    except DataError as error:  # the user may have named other data, which are not at fault
        wish = "the data of the training as they were, in which the threshold is chosen"
        raise ArgumentError(name, value, f"{wish} ({error})") from error
    positive = (validation.targets > 0).numpy()
    chosen = wanted_thresholds(wanted, validation.scores.numpy(), positive)
    return found | {f"{words} (validation part)": each for words, each in chosen.items()}


def _trained_on(model: Model) -> str:
    return Path(model.configuration.data.path).name


def _own_split(model: Model, split: str) -> Scored:
    section = model.configuration.data
    try:
        found = kind_at(section.path).digest(section.path)
    except DataError as error:
        where = model.folder / CONFIGURATION
        words = f"where {where} says that the data of the training are; name data to evaluate on"
        raise DataError(f"{error}, {words}") from error
    if section.sha256 != found:
        raise DataError(
            f"data: {section.path} has changed since the training; name data to evaluate on"
        )
    # Relevances as they are: a row such as that of NDCG means one thing, whatever was trained on.
    data = open_data(model.configuration, as_they_are=True)
    scored = score(model.network, data.chunks(split))
    assert scored is not None, "every split has samples"
    return scored


def _other_data(model: Model, data: str) -> Scored:
    given = model.kind.labelled(
        model.recipe,
        data,
        model.configuration.data,
        model.about,
        graded=model.metric.graded,
    )
    scored = score(model.network, given.pieces)
    if scored is None:
        raise DataError(f"data: {data} has no rows")
    return scored if scored.groups is None else replace(scored, groups=given.lists(scored.groups))
