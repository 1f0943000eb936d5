"""One training run, as a worker process does it: features in, numbers out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

import directloss as dl
from directloss.models import MLP, scale_to_unit_spread
from directloss.paper.action.config import ActionExperiment
from directloss.paper.action.features import Table
from directloss.paper.action.methods import ACTION_METHODS, SOFTMAX
from directloss.paper.action.problem import Problem, make_problem
from directloss.paper.action.softmax import ClassPrecision, SoftmaxHead
from directloss.study.assignments import Assignment
from directloss.study.records import finished, warnings_noted
from directloss.training import FitResult, Metric, fit
from directloss.training.data import Parts
from directloss.training.methods import Settings
from directloss.training.search import Cell, Finished


@dataclass(frozen=True, eq=False)
class TrainedHead:
    """A head on standardised features, with how it was trained."""

    model: nn.Module
    parts: Parts
    result: FitResult


@lru_cache(maxsize=2)
def load_table(file: Path) -> Table:
    """The features; kept, since all trials share them."""
    return Table.load(file)


@lru_cache(maxsize=4)
def load_problem(experiment: ActionExperiment, file: Path, column: str, seed: int) -> Problem:
    """The parts of a class and seed; kept, since the methods and trials share them."""
    return make_problem(
        load_table(file),
        column,
        seed,
        ambiguous=experiment.ambiguous,
        flips=experiment.label_flips,
    )


@lru_cache(maxsize=4)
def _load_parts(
    experiment: ActionExperiment, file: Path, column: str, seed: int, joint: bool
) -> Parts:
    problem = load_problem(experiment, file, column, seed)
    return problem.parts(load_table(file).features, joint=joint)


def train_head(
    experiment: ActionExperiment, file: Path, cell: Cell, settings: Settings
) -> TrainedHead:
    """Trains the top layer on features; split and initial weights follow from the seed."""
    problem = load_problem(experiment, file, cell.column, cell.seed)
    joint = cell.method == SOFTMAX
    parts = _load_parts(experiment, file, cell.column, cell.seed, joint)
    generator = torch.Generator().manual_seed(cell.seed)
    features = parts.train.features
    model: nn.Module
    if joint:
        model = SoftmaxHead(features, len(experiment.classes), generator)
    else:
        model = MLP(features.shape[1], (), generator=generator)
        scale_to_unit_spread(model, features)
    method = ACTION_METHODS[cell.method]
    result = fit(
        model,
        method.loss(settings, spread=1.0),
        parts,
        metric_of(cell.method, problem),
        method.config(experiment.fit_config(settings, cell.seed), settings),
        accelerator=Accelerator(cpu=True),
    )
    return TrainedHead(model, parts, result)


def metric_of(method: str, problem: Problem) -> Metric:
    """What a method's scores are rated by, on its targets."""
    return ClassPrecision(problem.number) if method == SOFTMAX else dl.AveragePrecision()


def test_ranking(problem: Problem, outputs: Tensor) -> list[int]:
    """Persons of the test part (rows of the table), highest score first."""
    scores = ClassPrecision(problem.number).scores(outputs)
    order = scores.argsort(descending=True, stable=True)
    ranked: list[int] = problem.test[order.numpy()].tolist()
    return ranked


def run_trial(experiment: ActionExperiment, file: Path, assignment: Assignment) -> Finished:
    """Trains one network."""
    cell, settings = assignment.cell, assignment.settings
    with warnings_noted() as caught:
        trained = train_head(experiment, file, cell, settings)
    problem = load_problem(experiment, file, cell.column, cell.seed)
    with torch.no_grad():
        outputs = trained.model(trained.parts.test.features)
    return finished(assignment, trained.result, caught, ranking=test_ranking(problem, outputs))
