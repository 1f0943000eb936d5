"""Small lists on which everything can be enumerated, the awkward ones as often as the plain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from directloss.inference.ranked import Ranking
from tests import brute_force

Floats = NDArray[np.float64]

STYLES = ("normal", "few values", "all tied", "heavy tails", "two clusters")


def wide(scores: NDArray[np.floating]) -> bool | None:
    """As kernels take it: None for float32 scores, True for float64."""
    return None if scores.itemsize == 4 else True


def one_list(
    positive: Floats,
    negative: Floats,
    rank_weights: Floats,
    discounts: Floats,
    by_position: int,
    fences: NDArray[np.int64] | None = None,
) -> Ranking:
    """A list as solvers take it; its counts are -1, and its fences leave everything open."""
    P, N = positive.size, negative.size
    if fences is None:
        fences = np.array([[0, N, 0, P]], np.int64)
    counts = np.full(P, -1, np.int32), np.full(N, -1, np.int32)
    return Ranking(positive, negative, fences, rank_weights, discounts, by_position, *counts)


@dataclass(frozen=True)
class Case:
    """Scores of the two classes, unsorted, and a weight of either sign."""

    positive: Floats
    negative: Floats
    weight: float

    @property
    def scores(self) -> Floats:
        return np.concatenate([self.positive, self.negative])

    @property
    def labels(self) -> NDArray[np.int64]:
        return np.repeat([1, 0], [len(self.positive), len(self.negative)])

    @property
    def average_precision_gain(self) -> Floats:
        return brute_force.average_precision_gain(len(self.positive), len(self.negative))

    @property
    def tolerance(self) -> float:
        """1e-12 of the largest term of the objective."""
        return 1e-12 * max(1.0, abs(self.weight), float(np.abs(self.scores).max()))


def draw_scores(rng: np.random.Generator, size: int, style: str) -> Floats:
    if style == "normal":
        return rng.normal(size=size)
    if style == "few values":
        return rng.integers(-1, 2, size=size).astype(np.float64)
    if style == "all tied":
        return np.zeros(size)
    if style == "heavy tails":
        return np.asarray(rng.standard_cauchy(size=size))
    if style == "two clusters":
        return rng.integers(0, 2, size=size) * 10.0 + rng.normal(scale=1e-3, size=size)
    raise ValueError(f"style must be one of {STYLES}, got {style!r}")


def cases(count: int, *, most: int, items: int | None = None) -> Iterator[Case]:
    """Yield `count` cases with at most `most` of each class and `items` in all."""
    rng = np.random.default_rng(0)
    for index in range(count):
        style = STYLES[index % len(STYLES)]
        positives = int(rng.integers(1, most + 1))
        room = most if items is None else min(most, items - positives)
        negatives = int(rng.integers(1, room + 1))
        weight = float(rng.choice([-1, 1]) * 10 ** rng.uniform(-3, 2))
        yield Case(draw_scores(rng, positives, style), draw_scores(rng, negatives, style), weight)


def draw_gain(rng: np.random.Generator, positives: int, negatives: int) -> tuple[str, Floats]:
    """Draw a gain table with its name: smooth, cut off, falling but not convex, arbitrary."""
    name = str(rng.choice(["average precision", "cutoff", "falling", "arbitrary"]))
    position = np.arange(1, positives + negatives + 1)
    ranks = np.arange(1, positives + 1)
    if name == "average precision":
        return name, brute_force.average_precision_gain(positives, negatives)
    if name == "cutoff":
        cutoff = rng.integers(1, len(position) + 1)
        discount = (position <= cutoff) / position
        weights = ranks / min(positives, cutoff)
        return name, brute_force.ranking_gain(weights, discount, negatives, by_position=True)
    if name == "falling":
        discount = np.sort(rng.normal(size=negatives + 1))[::-1]
        weights = rng.uniform(size=positives)
        return name, brute_force.ranking_gain(weights, discount, negatives, by_position=False)
    return name, rng.normal(size=(positives, negatives + 1))
