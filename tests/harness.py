"""What proves a task: all of its configurations, listed from the definition of its metric.

A task joins every test by one line in `tests/cases.py`. That line names the constructor, a way to
draw targets, and a function that lists the configurations of a list: F of each, as a function of
the scores, and Delta of each. Nothing here knows how a solver works, and the coefficients of a
configuration are read off F at unit vectors rather than derived.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from math import inf

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

import directloss as dl
from directloss.lists import Lists, read_lists
from directloss.tasks import Solution, Task

Floats = NDArray[np.float64]

UPDATES = ("positive", "negative", "both", "hinge", "perceptron")
DIRECTIONS = ("positive", "negative", "both")

# Sums of the same terms in another order differ by rounding; what is equal on paper stays equal.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Configurations:
    """All K configurations of one list.

    Attributes:
        score: F of every configuration, (K,), of given scores (n,), by the definition of F.
        losses: Delta of every configuration, (K,).
        size: n.
    """

    score: Callable[[Floats], Floats]
    losses: Floats
    size: int

    @cached_property
    def coefficients(self) -> Floats:
        """dF/dscores of every configuration, (K, n), from F at unit vectors."""
        return np.stack([self.score(unit) for unit in np.eye(self.size)], axis=1)

    def best(self, scores: ArrayLike, weight: float) -> tuple[float, int]:
        """max F + weight * Delta and where it is; at -inf the F of the ground truth."""
        values = self.coefficients @ np.asarray(scores, np.float64)
        if weight == -inf:
            values = np.where(self.losses <= self.losses.min() + ROUNDING, values, -inf)
            return float(values.max()), int(values.argmax())
        objective = values + weight * self.losses
        return float(objective.max()), int(objective.argmax())

    def scalar(self, scores: ArrayLike, terms: Sequence[tuple[float, float]]) -> float:
        """Sum of coefficient * max(F + weight * Delta): piecewise linear in the scores."""
        return sum(c * self.best(scores, weight)[0] for c, weight in terms if c)

    def slopes(self, scores: Floats, terms: Sequence[tuple[float, float]], h: float) -> Floats:
        """Central differences of `scalar`, (n,), all of them at once."""
        moved = scores + h * np.concatenate([np.eye(self.size), -np.eye(self.size)])
        values = moved @ self.coefficients.T
        ideal = self.losses <= self.losses.min() + ROUNDING
        scalars = np.zeros(len(moved))
        for coefficient, weight in terms:
            objectives = values[:, ideal] if weight == -inf else values + weight * self.losses
            scalars += coefficient * objectives.max(1)
        up, down = np.split(scalars, 2)
        return (up - down) / (2 * h)

    def index_of(self, configuration: ArrayLike) -> int:
        """Which configuration these coefficients are; fails if they are none."""
        distance = np.abs(self.coefficients - np.asarray(configuration)).max(axis=1)
        found = int(distance.argmin())
        assert distance[found] < 1e-9, f"no configuration has the coefficients {configuration}"
        return found


def of_each_order(
    metric: Callable[[Floats], float], relevance: Floats, orders: NDArray[np.int64]
) -> Floats:
    """A metric of ``relevance[order]`` for all orders, (K, n) -> (K,).

    Few sequences of relevances are distinct, and a definition is slow: it is asked for each once.
    """
    grades, number = np.unique(relevance, return_inverse=True)
    sequences = number[orders] @ (grades.size ** np.arange(relevance.size))
    _, first, which = np.unique(sequences, return_index=True, return_inverse=True)
    return np.array([metric(relevance[order]) for order in orders[first]])[which]


@dataclass(frozen=True)
class TaskCase:
    """A task and what is known of it by definition.

    Attributes:
        name: as it is shown in test names.
        make: a new task.
        draw: (generator, n) -> targets of a list of n on which the metric is defined, (n,), or ()
            for a task with one target a list.
        configurations: (targets, n) -> all configurations.
        predicted_loss: (scores, targets) -> Delta of the prediction of one list, by definition;
            where scores tie, items of lower relevance come first.
        reference: (scores, targets) -> the metric of one list, ties as its best known package
            counts them.
        undefined: targets of lists on which the metric is undefined, by name.
        wrong: targets of a list of two, or of two lists of two, that must be refused.
        size: items of a list that is still quick to enumerate.
        learns: whether a ranking from equal scores must improve in every direction: a ranking task
            whose metric grows when a positive moves up.
        target_per_list: whether a list has one target, the number of an item.
        exchangeable: whether only scores and targets tell items apart, not their numbers.
    """

    name: str
    make: Callable[[], Task]
    draw: Callable[[np.random.Generator, int], Floats]
    configurations: Callable[[Floats, int], Configurations]
    predicted_loss: Callable[[Floats, Floats], float]
    reference: Callable[[Floats, Floats], float]
    undefined: dict[str, tuple[float, ...]] = field(default_factory=dict, hash=False)
    wrong: tuple[float, ...] = (-1.0, 1.0)
    size: int = 6
    learns: bool = False
    target_per_list: bool = False
    exchangeable: bool = True

    def __str__(self) -> str:
        return self.name

    def constant(self, label: float, *shape: int) -> Tensor:
        """The same target everywhere, for scores of a shape."""
        return torch.full(shape[:-1] if self.target_per_list else shape, label)

    def reordered(self, targets: Tensor, order: Tensor) -> Tensor:
        """Targets of ``scores[order]``, where `targets` are those of the scores, one list."""
        return order.argsort()[targets.long()] if self.target_per_list else targets[order]

    def perfect(self, targets: Tensor, n: int) -> Tensor:
        """Scores (n,) without ties that tell the right items from the others, at 0."""
        right = (torch.arange(n) == targets).double() if self.target_per_list else targets
        return right - 0.5 + torch.linspace(-0.1, 0.1, n)

    def tensors(
        self, rng: np.random.Generator, n: int, dtype: torch.dtype = torch.float64
    ) -> tuple[Tensor, Tensor]:
        """Normal scores of one list, and its targets."""
        scores = torch.from_numpy(rng.normal(size=n)).to(dtype)
        return scores, torch.from_numpy(self.draw(rng, n))

    def batch(
        self, rng: np.random.Generator, lists: int, n: int, dtype: torch.dtype = torch.float64
    ) -> tuple[Tensor, Tensor]:
        """Scores and targets (lists, n)."""
        drawn = [self.tensors(rng, n, dtype) for _ in range(lists)]
        return torch.stack([s for s, _ in drawn]), torch.stack([t for _, t in drawn])


def update_terms(update: str, step: float) -> list[tuple[float, float]]:
    """The (coefficient, weight) of an update, as the theorem and the definitions have them."""
    return {
        "positive": [(1 / step, step), (-1 / step, 0.0)],
        "negative": [(1 / step, 0.0), (-1 / step, -step)],
        "both": [(0.5 / step, step), (-0.5 / step, -step)],
        "hinge": [(1.0, step), (-1.0, -inf)],
        "perceptron": [(1.0, 0.0), (-1.0, -inf)],
    }[update]


def make_loss(
    update: str, task: Task, step: float | str = 0.5, *, unit: str = "loss", **options: object
) -> torch.nn.Module:
    """The module of an update; `step` is its epsilon or margin, if it has one.

    Epsilon is the weight of Delta, as in the definitions, unless `unit` says otherwise.
    """
    if update == "hinge":
        return dl.HingeLoss(task, margin=step, **options)  # type: ignore[arg-type]
    if update == "perceptron":
        return dl.PerceptronLoss(task, **options)  # type: ignore[arg-type]
    return dl.DirectLoss(task, epsilon=step, unit=unit, direction=update, **options)  # type: ignore[arg-type]


def unit_factor(task: Task, targets: Tensor) -> float:
    """By what a list's epsilon is multiplied in units of the scores: a power of two."""
    size = (int(targets) + 1,) if task.target_per_list else targets.shape
    batch = task.read(torch.zeros(size), targets)
    lists, _ = read_lists(batch.layout, task.read_targets, per_list=task.target_per_list)
    return float(2.0 ** np.floor(np.log2(np.reshape(task.unit_weights(lists), -1)[0])))


def value_and_gradient(
    loss_fn: torch.nn.Module, scores: Tensor, targets: Tensor, **options: Tensor
) -> tuple[Tensor, Tensor]:
    """What a training step sees; a vector of values is summed for the gradient."""
    leaf = scores.detach().clone().requires_grad_()
    value = loss_fn(leaf, targets, **options)
    value.sum().backward()
    assert leaf.grad is not None
    return value.detach(), leaf.grad


def solve_one(
    task: Task,
    scores: ArrayLike,
    targets: ArrayLike,
    weights: Sequence[float],
    coefficients: Sequence[float] | None = None,
    *,
    share_ties: bool = False,
    dtype: type = np.float64,
) -> Solution:
    """A task's answer for a single list; (T,) task losses and values."""
    return solve_batch(
        task, [scores], [targets], weights, coefficients, share_ties=share_ties, dtype=dtype
    )


def solve_batch(
    task: Task,
    scores: Sequence[ArrayLike],
    targets: Sequence[ArrayLike],
    weights: Sequence[float],
    coefficients: Sequence[float] | None = None,
    *,
    share_ties: bool = False,
    dtype: type = np.float64,
) -> Solution:
    """A task's answer for a ragged batch."""
    offsets = np.cumsum([0, *(len(np.atleast_1d(s)) for s in scores)]).astype(np.int64)
    lists = Lists(
        np.concatenate([np.asarray(s, dtype) for s in scores]),
        task.read_targets(np.concatenate([np.atleast_1d(t) for t in targets])),
        offsets,
    )
    shares = np.ones(len(weights)) if coefficients is None else np.asarray(coefficients, np.float64)
    return task.solve(lists, np.asarray(weights, np.float64), shares, share_ties=share_ties)


@cache
def distinct_points(
    case: TaskCase, count: int, seed: int
) -> tuple[tuple[Floats, Floats, Configurations], ...]:
    """Scores without ties, targets, and all configurations."""
    rng = np.random.default_rng(seed)
    points = []
    for index in range(count):
        n = 2 + index % (case.size - 1)
        targets = case.draw(rng, n)
        points.append((rng.normal(size=n), targets, case.configurations(targets, n)))
    return tuple(points)
