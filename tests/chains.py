"""Linear chains under test: their losses, random batches, and all labellings by definition."""

from __future__ import annotations

import math
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from directloss.losses import DirectLoss, HingeLoss, PerceptronLoss
from directloss.tasks.chain import Chain
from directloss.tasks.structured import LinearChain

Floats = NDArray[np.float64]
ChainLoss = DirectLoss | HingeLoss | PerceptronLoss

IGNORED = -100
STEP = 2.0


def make(update: Any, step: Any = STEP, cost: Tensor | None = None, **options: Any) -> ChainLoss:
    """The loss of an update; `step` is its epsilon or margin, if it has one."""
    if update == "hinge":
        return HingeLoss(Chain(cost), margin=step, **options)
    if update == "perceptron":
        return PerceptronLoss(Chain(cost), **options)
    return DirectLoss(Chain(cost), epsilon=step, direction=update, **options)


class Case(NamedTuple):
    """A ragged batch, and what its updates are given."""

    chain: LinearChain
    targets: Tensor
    cost: Tensor | None


def random_case(rng: np.random.Generator, *, ties: bool, infinite: bool = False) -> Case:
    sequences, longest, classes = rng.integers(1, 6), rng.integers(1, 6), rng.integers(1, 5)

    def scores(*shape: int) -> Tensor:
        draws = rng.integers(-2, 3, shape) if ties else rng.normal(size=shape)
        if infinite:
            draws = np.where(rng.random(shape) < 0.2, rng.choice([-np.inf, np.inf], shape), draws)
        return torch.from_numpy(draws.astype(float))

    lengths = rng.integers(0, longest + 1, sequences)
    emissions = scores(sequences, longest, classes)
    emissions[torch.arange(longest) >= torch.from_numpy(lengths)[:, None]] = math.nan
    per_step = (sequences, longest - 1, classes, classes)
    chain = LinearChain(
        emissions,
        scores(*(per_step if rng.random() < 0.5 else (classes, classes))),
        start=scores(classes) if rng.random() < 0.5 else None,
        end=scores(classes) if rng.random() < 0.5 else None,
        lengths=torch.from_numpy(lengths),
    )
    targets = rng.integers(0, classes, (sequences, longest))
    kind = rng.choice(["hamming", "matrix", "labels"])
    if kind == "labels":
        costs = rng.choice([0.0, 0.25, 1.0, 3.0], (sequences, longest, classes))
        return Case(chain, torch.from_numpy(costs), None)
    targets[rng.random(targets.shape) < 0.1] = IGNORED
    matrix = rng.choice([0.0, 0.5, 2.0], (classes, classes)) if kind == "matrix" else None
    return Case(
        chain, torch.from_numpy(targets), None if matrix is None else torch.from_numpy(matrix)
    )


class Listed(NamedTuple):
    """All labellings of one sequence: S with infinite scores as 0, their balance, C, and m."""

    labellings: list[tuple[int, ...]]
    scores: Floats
    infinite: Floats
    costs: Floats
    counted: int


def listed(case: Case, s: int) -> Listed:
    """Every labelling of sequence s, scored by the definition."""
    chain, targets, cost = case
    emissions = chain.emissions.detach().numpy()
    transitions = chain.transitions.detach().numpy()
    length = emissions.shape[1] if chain.lengths is None else int(chain.lengths[s])
    labellings = list(product(range(emissions.shape[2]), repeat=length))
    y = np.array(labellings, dtype=int).reshape(len(labellings), length)
    parts = [emissions[s, t, y[:, t]] for t in range(length)]
    for t in range(1, length):
        step = transitions if transitions.ndim == 2 else transitions[s, t - 1]
        parts.append(step[y[:, t - 1], y[:, t]])
    for side, t in ((chain.start, 0), (chain.end, -1)):
        if length and side is not None:
            parts.append(side.detach().numpy()[y[:, t]])
    scores, infinite, costs = np.zeros((3, len(labellings)))
    for part in parts:
        scores += np.where(np.isfinite(part), part, 0.0)
        infinite += np.where(np.isinf(part), np.sign(part), 0.0)
    counted = 0
    for t in range(length):
        if targets.ndim == 3:
            costs += targets[s, t].numpy()[y[:, t]]
        elif (target := int(targets[s, t])) == IGNORED:
            continue
        elif cost is None:
            costs += y[:, t] != target
        else:
            costs += cost[target].numpy()[y[:, t]]
        counted += 1
    return Listed(labellings, scores, infinite, costs, counted)


def best(all_: Listed, weight: float) -> tuple[float, float, float]:
    """The three criteria of the best labelling: infinities, objective, tie-break."""
    if weight == -math.inf:
        keys = zip(all_.infinite, -all_.costs, all_.scores, strict=True)
    else:
        tie = all_.costs if weight >= 0 else -all_.costs
        keys = zip(all_.infinite, (all_.scores + weight * all_.costs).round(9), tie, strict=True)
    return max(keys)


def mean_objective(case: Case, weight: float) -> Tensor:
    """max F + weight * Delta of each sequence (at -inf the F of the ground truth), by listing."""
    values = []
    for s in range(len(case.targets)):
        all_ = listed(case, s)
        key = best(all_, weight)
        value = key[2] if weight == -math.inf else (all_.scores + weight * all_.costs).max()
        values.append(value / all_.counted if all_.counted else 0.0)
    return torch.tensor(values, dtype=torch.float64)


def scalar(case: Case, update: str, step: float = STEP) -> Tensor:
    """The scalar of an update, whose derivative its gradient is; one a sequence, by listing."""
    if update == "positive":
        return (mean_objective(case, step) - mean_objective(case, 0.0)) / step
    if update == "negative":
        return (mean_objective(case, 0.0) - mean_objective(case, -step)) / step
    if update == "both":
        return (mean_objective(case, step) - mean_objective(case, -step)) / (2 * step)
    first = mean_objective(case, step if update == "hinge" else 0.0)
    return first - mean_objective(case, -math.inf)
