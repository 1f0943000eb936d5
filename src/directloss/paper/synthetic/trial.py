"""One training run of a study, as a worker process does it: configuration in, numbers out."""

from __future__ import annotations

from functools import lru_cache, partial

import torch
from accelerate import Accelerator
from torch import Tensor

import directloss as dl
from directloss.datasets import synthetic as data
from directloss.paper.synthetic.candidates import SMALL_START, Candidate, candidate
from directloss.paper.synthetic.columns import Column
from directloss.paper.synthetic.config import StudyConfig
from directloss.paper.synthetic.student import Student
from directloss.study.assignments import Assignment
from directloss.study.records import finished, warnings_noted
from directloss.thresholds import fit_threshold
from directloss.training import FitConfig, Part, Parts, fit
from directloss.training.search import Finished


@lru_cache(maxsize=4)
def draw(config: StudyConfig, flips: float, seed: int) -> Parts:
    """The data of a seed: half of the points train, half test.

    Training labels are flipped. Of the held-out half, "test" has clean labels and "validation" the
    same points with flipped ones, which is what there would be to choose by, and the test data of
    the case that flips both.
    """
    points = torch.Generator().manual_seed(10 * seed)
    features = data.gaussian_features(config.points, config.features, points)
    if config.kind == "linear":
        labels = data.linear_labels(features)
    else:
        generator = torch.Generator().manual_seed(10 * seed + 1)
        labels = data.network_labels(features, config.hidden, config.positives, generator)
    noise = torch.Generator().manual_seed(10 * seed + 2)
    half = config.points // 2
    flipped = [data.flip_labels(part, flips, noise) for part in (labels[:half], labels[half:])]
    # Rows of the transpose lie together, as the student reads them.
    train, held_out = (part.t().contiguous().t() for part in (features[:half], features[half:]))
    return Parts(Part(train, flipped[0]), Part(held_out, flipped[1]), Part(held_out, labels[half:]))


class _PrecisionAndAccuracy:
    """Average precision as the metric; the accuracy on the held-out half is noted by the way."""

    higher_is_better = True

    def __init__(self, parts: Parts) -> None:
        self._ap = dl.AveragePrecision()
        self._parts = parts
        self.clean: list[float] = []
        self.flipped: list[float] = []

    def metric(self, scores: Tensor, targets: Tensor, *, groups: Tensor | None = None) -> Tensor:
        """AP; scores come with the threshold that suits the training part taken off."""
        for part, notes in (
            (self._parts.test, self.clean),
            (self._parts.validation, self.flipped),
        ):
            if targets is part.targets:
                notes.append(float(((scores > 0) == (targets > 0)).double().mean()))
        return self._ap.metric(scores, targets, groups=groups)


def make_student(config: StudyConfig, column: Column, entrant: Candidate, seed: int) -> Student:
    """The untrained network: the same for all methods of a seed, but for the control's scale."""
    student = Student(
        config.features,
        () if config.kind == "linear" else config.hidden,
        biases=column.biases,
        start=column.start,
        generator=torch.Generator().manual_seed(10 * seed + 3),
    )
    train = draw(config, column.flips, seed).train.features
    if entrant.small_start or column.unit_spread:
        student.scale_spread(train, SMALL_START if entrant.small_start else 1.0)
    return student


def run_trial(config: StudyConfig, assignment: Assignment) -> Finished:
    """Trains one network."""
    cell, settings = assignment.cell, assignment.settings
    column = next(each for each in config.columns() if each.name == cell.column)
    entrant = candidate(cell.method, column.grid)
    parts = draw(config, column.flips, cell.seed)
    student = make_student(config, column, entrant, cell.seed)
    with torch.no_grad():
        spread = float(student(parts.train.features).double().std(correction=0))
    metric = _PrecisionAndAccuracy(parts)
    with warnings_noted() as caught:
        result = fit(
            student,
            entrant.method.loss(settings, spread),
            parts,
            metric,
            FitConfig(
                learning_rate=settings.learning_rate
                * entrant.rate_factor(settings.epsilon, spread),
                l2=settings.l2,
                momentum=column.momentum,
                epochs=column.iterations,
                seed=cell.seed,
            ),
            threshold=partial(fit_threshold, task=dl.ZeroOne()),
            accelerator=Accelerator(cpu=True),
        )
    looks = len(result.history)
    return finished(
        assignment,
        result,
        caught,
        train=0.0 if result.diverged else result.history.train[-1],
        accuracy=metric.clean[:looks],
        accuracy_flipped=metric.flipped[:looks],
    )
