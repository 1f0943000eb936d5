"""One small experiment on drawn photographs, shared by the tests that only look at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from directloss.datasets.voc import VOCFolder
from directloss.paper.action.config import ActionExperiment
from directloss.paper.action.persons import Persons, read_persons
from directloss.paper.action.run import Outcome, run_experiment
from tests.voc_folders import draw_actions

METHODS = ("logistic", "pos-ap", "softmax")


def experiment_on(folder: Path, persons: Persons, **changes: Any) -> ActionExperiment:
    """Few steps of few heads on a network with random weights."""
    options = {
        "voc": str(folder),
        "classes": persons.classes,
        "persons_sha256": persons.fingerprint(),
        "methods": METHODS,
        "weights": "random",
        "weights_sha256": "",
        "size": 64,
        "trials": 2,
        "splits": 2,
        "iterations": 20,
    }
    return ActionExperiment.model_validate(options | changes)


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_actions(tmp_path_factory.mktemp("voc"))


@pytest.fixture(scope="package")
def persons(folder: Path) -> Persons:
    return read_persons(VOCFolder(folder), "trainval")


@pytest.fixture(scope="package")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="package")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="package")
def outcome(folder: Path, persons: Persons, cache: Path, out: Path) -> Outcome:
    return run_experiment(experiment_on(folder, persons), persons, out, cache, command=["test"])
