"""All settings of a method trained at once on one split; the best step of the best is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from directloss.inference._kernel import Array
from directloss.study.tables.methods import METHODS, SETTINGS, SWITCH, Loss, Method, Problem
from directloss.study.tables.metrics import METRICS
from directloss.study.tables.networks import Adam, Networks
from directloss.training.data import Parts

__all__ = ["EVERY", "STEPS", "Chosen", "train"]

STEPS = 150
"""Full-batch steps of a run; those of a longer one are a multiple."""

EVERY = 10
"""Steps between two evaluations."""


@dataclass(frozen=True)
class Chosen:
    """What validation chose among settings and steps.

    Attributes:
        validation, test: the metric there.
        train: the same of the training part; None where nobody asks for it.
        setting: number of the setting.
        step: the step.
    """

    validation: float
    test: float
    train: float | None
    setting: int
    step: int


def train(name: str, split: Parts, hidden: int, seed: int, metric: str | None) -> dict[str, Chosen]:
    """A method trained for one metric; for a method that knows none, what each metric chooses.

    Args:
        name: of the method.
        split: standardised features and labels, float32.
        hidden: units of the hidden layer, 0 for a linear model.
        seed: of the first weights.
        metric: what to train for; None for a method that knows none.
    """
    method = METHODS[name]
    rated = tuple(METRICS) if metric is None else (metric,)
    history = _History(split, rated, with_train=name == "logistic")
    labels = split.train.targets
    problem = Problem(labels, METRICS[metric or rated[0]])
    networks = Networks(
        split.train.features.shape[1],
        hidden,
        len(SETTINGS),
        prior=float(labels.mean()),
        seed=seed,
    )
    optimiser = Adam(networks, [each.rate for each in SETTINGS], [each.l2 for each in SETTINGS])
    steps = STEPS * method.longer
    switch = round(SWITCH * steps)
    loss = _first_loss(method, problem, networks, split.train.features)
    for step in range(1, steps + 1):
        if step == switch + 1 and (method.warm or method.restarted):
            optimiser.restart()
            if method.warm:
                loss = _in_spreads(method, problem, networks, split.train.features)
        loss(networks(split.train.features)).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step(1.0 - (step - 1) / steps)
        if step % EVERY == 0:
            history.add(step, networks)
    return {each: history.best(each) for each in rated}


def _first_loss(method: Method, problem: Problem, networks: Networks, features: Tensor) -> Loss:
    if method.warm:
        return METHODS["logistic"].loss(problem)
    if method.metrics:
        return _in_spreads(method, problem, networks, features)
    return method.loss(problem)


def _in_spreads(method: Method, problem: Problem, networks: Networks, features: Tensor) -> Loss:
    """The loss of the scores from their threshold, in their spreads as they are now."""
    with torch.no_grad():
        scores = networks(features)
        spreads = scores.std(1, correction=0, keepdim=True).clamp_min(1e-6)
        thresholds = problem.metric.thresholds(scores, problem.labels)
    offsets = torch.zeros(len(scores)) if thresholds is None else torch.from_numpy(thresholds)
    offsets = offsets.to(scores)[:, None]
    loss = method.loss(problem)
    return lambda scores: loss((scores - offsets) / spreads)


class _History:
    """The metrics of all settings at every evaluation."""

    def __init__(self, split: Parts, metrics: Sequence[str], *, with_train: bool) -> None:
        self._split, self._with_train = split, with_train
        self._values: dict[str, list[Array]] = {metric: [] for metric in metrics}
        self._ties: list[Array] = []
        self._steps: list[int] = []

    @torch.no_grad()
    def add(self, step: int, networks: Networks) -> None:
        """Rates the networks: validation decides, by AP among equals."""
        split = self._split
        scores = [networks(p.features) for p in (split.validation, split.test)]
        parts = [split.validation, split.test]
        if self._with_train:
            scores.append(networks(split.train.features))
            parts.append(split.train)
        self._steps.append(step)
        self._ties.append(METRICS["AP"].of(scores[0], parts[0].targets, None))
        for name, values in self._values.items():
            metric = METRICS[name]
            thresholds = metric.thresholds(scores[0], parts[0].targets)
            rows = [
                metric.of(each, part.targets, thresholds)
                for each, part in zip(scores, parts, strict=True)
            ]
            values.append(np.stack(rows))

    def best(self, metric: str) -> Chosen:
        """The best on validation; among equals the best AP, then the latest."""
        values = np.stack(self._values[metric])  # (evaluations, parts, settings)
        evaluations, _, settings = values.shape
        places = [(e, s) for e in range(evaluations) for s in range(settings)]
        e, s = max(
            places, key=lambda at: (values[at[0], 0, at[1]], self._ties[at[0]][at[1]], at[0])
        )
        found = values[e, :, s].tolist()
        train = found[2] if self._with_train else None
        return Chosen(found[0], found[1], train, s, self._steps[e])
