"""The experiment from photographs to results: features, search, and perhaps all layers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from directloss.datasets.voc import VOCFolder
from directloss.files import write_whole
from directloss.paper.action.config import ActionExperiment
from directloss.paper.action.features import make_table
from directloss.paper.action.fine_tune import fine_tune, keep_crops
from directloss.paper.action.methods import ACTION_METHODS
from directloss.paper.action.persons import Persons, read_persons
from directloss.paper.action.trial import load_problem, run_trial
from directloss.report import schema
from directloss.study.assignments import Assignment, assignments, cells
from directloss.study.folder import CLAIMS, SHARED, TRIALS, output_folder
from directloss.study.options import validate
from directloss.study.records import RESULTS, header, search_results
from directloss.study.sharing import Found, OnTrial, work_together
from directloss.study.stages import OnItem, OnStage, StageCost, peak_megabytes
from directloss.training.search import Cell, TrialStore

COSTS = "costs.json"
FEATURES = "features.npz"
ALL_LAYERS = "all-layers.sqlite3"

_PACKAGES = ("torch", "torchvision", "numpy", "numba", "pillow", "optuna", "accelerate")


@dataclass(frozen=True)
class Outcome:
    """What an experiment has made.

    Attributes:
        results: what `results.json` holds.
        persons: without those that could not be used.
        rankings: (method, class) -> persons of the first split's test part, highest score first.
        costs: of each stage.
    """

    results: schema.Results
    persons: Persons
    rankings: dict[tuple[str, str], list[int]]
    costs: dict[str, StageCost]


def prepare(given: Mapping[str, Any]) -> tuple[ActionExperiment, Persons]:
    """The experiment that a user describes, and the persons of its photographs.

    Raises:
        DirectLossError: configuration or data do not fit.
    """
    said = validate(ActionExperiment, {**given, "persons_sha256": "", "weights_sha256": ""})
    persons = read_persons(VOCFolder(said.voc), said.split, said.classes)
    said.check()
    known = {
        "classes": persons.classes,
        "persons_sha256": persons.fingerprint(),
        "weights_sha256": said.crops.load().fingerprint,
    }
    return said.model_copy(update=known), persons


def run_experiment(
    experiment: ActionExperiment,
    persons: Persons,
    out: Path,
    cache: Path,
    *,
    command: list[str],
    workers: int = 1,
    on_stage: OnStage = lambda *_: lambda _: None,
) -> Outcome:
    """Does what `out` and `cache` do not hold yet; writes `results.json` and `costs.json`.

    Stopped in whatever way, it goes on where it was; several processes may share the work.

    Args:
        experiment: everything that the numbers depend on.
        persons: who is classified, from `read_persons`.
        out: output folder.
        cache: folder of features, shared by all experiments.
        command: the command line, for the record.
        workers: processes.
        on_stage: for a display of progress.

    Raises:
        DirectLossError: configuration, data or folder do not fit.
    """
    experiment.check()
    with output_folder(out, experiment.model_dump(mode="json"), patience=SHARED) as folder:
        heads = TrialStore(folder / TRIALS, methods=ACTION_METHODS)
        layers = TrialStore(folder / ALL_LAYERS, methods=ACTION_METHODS)
        features = folder / FEATURES
        table, usable, cost = make_table(
            persons,
            experiment.crops,
            cache,
            workers=workers,
            on_item=on_stage("features", len(persons.photographs)),
        )
        table.save(features)
    costs = {"features": cost}
    for column in experiment.classes:
        for seed in range(experiment.splits):
            load_problem(experiment, features, column, seed)  # refused now, not hours later
    todo = assignments(
        experiment.methods,
        experiment.classes,
        experiment.splits,
        experiment.trials,
        ACTION_METHODS,
    )
    found = work_together(
        lambda _: todo,
        partial(run_trial, experiment, features),
        heads,
        folder / CLAIMS,
        workers=workers,
        on_trial=_counted(on_stage("heads", len(todo))),
    )
    costs["heads"] = _cost(found)
    reported = heads
    if experiment.train == "all":
        reported = layers
        crops = keep_crops(usable, experiment.crops, cache)
        every = cells(experiment.methods, experiment.classes, experiment.splits)
        best = [Assignment(cell, 0, heads.best(cell).settings) for cell in every]
        found = work_together(
            lambda _: best,
            partial(fine_tune, experiment, features, crops),
            layers,
            folder / "claims-all-layers",
            workers=workers,
            on_trial=_counted(on_stage("all layers", len(best))),
        )
        costs["all layers"] = _cost(found)
    trained = "top layer" if experiment.train == "head" else "all layers"
    title = f"Actions in {Path(experiment.voc).resolve().name}: {experiment.backbone}, {trained}"
    results = search_results(
        header(title, command, experiment, _PACKAGES),
        schema.Metric(name="average precision"),
        experiment.methods,
        experiment.classes,
        experiment.splits,
        searched=heads,
        reported=reported,
    )
    write_whole(folder / RESULTS, results.to_json())
    records = {name: asdict(cost) for name, cost in costs.items()}
    write_whole(folder / COSTS, json.dumps(records, indent=2) + "\n")
    rankings = {
        (method, column): reported.best(Cell(method, column, 0)).notes["ranking"]
        for method in experiment.methods
        for column in experiment.classes
    }
    return Outcome(results, usable, rankings, costs)


def _counted(on_item: OnItem) -> OnTrial:
    return lambda _, __, was_there: on_item(was_there)


def _cost(found: Found) -> StageCost:
    trials = [trial for several in found.values() for trial in several.values()]
    seconds = sum(trial.notes["seconds"] for trial in trials)
    return StageCost(len(trials), seconds=seconds, peak_megabytes=peak_megabytes())
