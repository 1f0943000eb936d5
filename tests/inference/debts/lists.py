"""Lists to solve by debts, and what a solution of one earns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from directloss.inference.debts.rectangle import Rectangle
from directloss.inference.debts.solver import solve_by_debts

Floats = NDArray[np.float64]
Counts = NDArray[np.int32]
Draw = Callable[[np.random.Generator, int], Floats]


def _clusters(rng: np.random.Generator, n: int) -> Floats:
    return rng.choice([-1.0, 1.0], n) + rng.normal(scale=0.1, size=n)


STYLES: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "rounded": lambda rng, n: np.round(rng.normal(size=n), 1),
    "heavy tails": lambda rng, n: np.asarray(rng.standard_cauchy(size=n)),
    "three values": lambda rng, n: rng.choice([0.0, 1.0, 2.0], n),
    "two clusters": _clusters,
    "all tied": lambda rng, n: np.zeros(n),
}

NO_BUDGET = 1 << 60


def descending(scores: Floats) -> Floats:
    return np.ascontiguousarray(np.sort(scores)[::-1])


def whole(positive: Floats, negative: Floats, epsilon: float) -> Rectangle:
    """A list as one rectangle."""
    a, b = descending(positive), descending(negative)
    return Rectangle(a, b, 0, b.size, 0, a.size, 0.5 * epsilon * b.size, a[a.size // 2])


def solve(rectangle: Rectangle, budget: int = NO_BUDGET) -> Counts | None:
    """n_i of the rectangle's positives; None where the budget did not suffice."""
    above = np.full(rectangle.positives.size, -1, np.int32)
    high = np.full(rectangle.positives.size, rectangle.right, np.int32)
    solved = solve_by_debts(rectangle, high, budget, above)
    mine = above[rectangle.first : rectangle.last]
    assert (np.delete(above, slice(rectangle.first, rectangle.last)) == -1).all()
    if not solved:
        assert (mine == -1).all()
        return None
    assert (np.diff(mine) >= 0).all()
    assert mine[0] >= rectangle.left and mine[-1] <= rectangle.right
    return mine


def gains(rectangle: Rectangle) -> Floats:
    """v_i(n) - v_i(left), a row for each positive, a column for each n of left .. right."""
    i = np.arange(rectangle.first, rectangle.last)[:, None] + 1.0
    n = np.arange(rectangle.left, rectangle.right + 1)
    negative = rectangle.negatives[rectangle.left : rectangle.right]
    steps = negative - rectangle.positives[rectangle.first : rectangle.last, None]
    sums = np.pad(np.cumsum(steps, axis=1), ((0, 0), (1, 0)))
    rewards = rectangle.reward * i / (i + n)
    return np.asarray(sums + (rewards - rewards[:, :1]))


def best(v: Floats) -> float:
    """The most that rows with these gains can earn together, by the programme over all cells."""
    f = v[0]
    for row in v[1:]:
        f = row + np.maximum.accumulate(f)
    return float(f.max())


def earned(v: Floats, rectangle: Rectangle, above: Counts) -> float:
    return float(np.take_along_axis(v, above[:, None] - np.int64(rectangle.left), axis=1).sum())


def rounding(v: Floats) -> float:
    return 1e-12 * max(1.0, float(np.abs(v).max()) * len(v))
