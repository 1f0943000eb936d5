"""The corridor holds an optimum, and the programme inside it finds one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from directloss.inference import brute_force, programme
from directloss.inference.corridor import bounds, corridor
from tests.inference.small_cases import STYLES, Case, Floats, cases, draw_scores

Counts = NDArray[np.int32]


def descending(scores: Floats) -> Floats:
    return np.ascontiguousarray(np.sort(scores)[::-1])


class Problem:
    """One list in the form the kernels take, with its gain table."""

    def __init__(self, case: Case, ranks: Floats, discount: Floats, step: int) -> None:
        self.case = case
        self.positive, self.negative = descending(case.positive), descending(case.negative)
        self.gain = brute_force.ranking_gain(
            ranks, discount, self.negative.size, by_position=step == 1
        )
        table = np.append(0.0, discount) if step else discount
        self.tables = ranks, table, step

    def bounds(self, weight: float) -> tuple[Counts, Counts]:
        low, high = np.full((2, self.positive.size), -1, np.int32)
        everything = np.array([[0, self.negative.size, 0, self.positive.size]], np.int64)
        bounds(self.positive, self.negative, everything, *self.tables, weight, low, high)
        return low, high

    def solve(self, weight: float, low: Counts, high: Counts) -> Counts:
        above = np.full(self.positive.size, -1, np.int32)
        corridor(self.positive, self.negative, *self.tables, weight, low, high, above)
        return above

    def objective(self, n: Counts, weight: float) -> float:
        score = brute_force.pairwise_score(self.positive, self.negative, n)
        return score + weight * brute_force.ranking_task_loss(self.gain, n)

    def cell_gains(self, weight: float) -> Floats:
        """w(i, j): what placing positive i above negative j earns."""
        margins = self.positive[:, None] - self.negative
        return 2 * margins / margins.size - weight * (self.gain[:, :-1] - self.gain[:, 1:])

    def tolerance(self, weight: float) -> float:
        largest = max(1.0, float(np.abs(self.gain).sum())) * abs(weight)
        return 1e-12 * max(1.0, largest, float(np.abs(self.case.scores).max()))


def draw(rng: np.random.Generator, case: Case, kind: str) -> Problem:
    positives, negatives = len(case.positive), len(case.negative)
    step = 1 if kind == "average precision" else int(rng.integers(2))
    size = negatives + (positives if step else 1)
    ranks = rng.exponential(size=positives) * (rng.random(positives) < 0.8)
    if kind == "average precision":
        return Problem(case, np.arange(1, positives + 1) / positives, 1 / np.arange(1, size + 1), 1)
    if kind == "cutoff":
        discount = np.where(np.arange(size) < rng.integers(1, size + 1), 1.0, 0.0)
    elif kind == "convex":
        discount = np.cumsum(np.sort(rng.normal(size=size)))
    else:
        discount = rng.normal(size=size)
    return Problem(case, ranks, discount, step)


def problems(count: int, most: int, kind: str) -> Iterator[tuple[Problem, float]]:
    rng = np.random.default_rng(0)
    for case in cases(count, most=most):
        yield draw(rng, case, kind), case.weight


KINDS = ("average precision", "cutoff", "convex", "arbitrary")


@pytest.mark.parametrize("kind", KINDS)
def test_some_optimum_lies_between_the_bounds(kind: str) -> None:
    for problem, drawn in problems(300, 5, kind):
        for weight in (drawn, -drawn):
            low, high = problem.bounds(weight)
            assert (np.diff(low) >= 0).all() and (np.diff(high) >= 0).all()
            assert (low >= 0).all() and (high <= problem.negative.size).all()
            assert (low <= high).all()
            wanted, _ = brute_force.best_interleaving(
                problem.positive, problem.negative, problem.gain, weight
            )
            inside = max(
                problem.objective(np.array(n), weight)
                for n in brute_force.interleavings(*problem.cell_gains(weight).shape)
                if (low <= n).all() and (n <= high).all()
            )
            assert inside == pytest.approx(wanted, abs=problem.tolerance(weight))


@pytest.mark.parametrize("kind", KINDS)
def test_the_bounds_enclose_the_single_crossings_of_every_row(kind: str) -> None:
    """lo_i = (first j with w > 0) - 1, hi_i = last j with w <= 0, up to rounding of a cell."""
    for problem, drawn in problems(300, 8, kind):
        for weight in (drawn, -drawn):
            w = problem.cell_gains(weight)
            low, high = problem.bounds(weight)
            rounding = problem.tolerance(weight)
            for i, row in enumerate(w):
                surely_positive = np.flatnonzero(row > rounding)
                surely_negative = np.flatnonzero(row <= -rounding)
                if surely_positive.size:
                    assert low[i] <= surely_positive[0]
                if surely_negative.size:
                    assert high[i] >= surely_negative[-1] + 1


def test_the_bounds_of_average_precision_in_the_negative_direction_are_exact() -> None:
    """D is convex, so -D is concave: both searches end at the crossing itself."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        positives, negatives = rng.integers(1, 30, size=2)
        case = Case(rng.normal(size=positives), rng.normal(size=negatives), 0.0)
        problem = draw(rng, case, "average precision")
        weight = -float(10 ** rng.uniform(-3, 2))
        w = problem.cell_gains(weight)
        first = [next((j for j, cell in enumerate(row) if cell > 0), negatives) for row in w]
        last = [max((j + 1 for j, cell in enumerate(row) if cell <= 0), default=0) for row in w]
        low, high = problem.bounds(weight)
        assert low.tolist() == np.minimum.accumulate(first[::-1])[::-1].tolist()
        assert high.tolist() == np.maximum.accumulate(last).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_the_programme_finds_the_best_inside_any_corridor(kind: str) -> None:
    rng = np.random.default_rng(2)
    for problem, weight in problems(300, 5, kind):
        positives, negatives = problem.positive.size, problem.negative.size
        two = np.sort(rng.integers(0, negatives + 1, size=(2, positives)), axis=1)
        low, high = two.min(axis=0).astype(np.int32), two.max(axis=0).astype(np.int32)
        found = problem.solve(weight, low, high)
        assert (np.diff(found) >= 0).all() and (low <= found).all() and (found <= high).all()
        wanted = max(
            problem.objective(np.array(n), weight)
            for n in brute_force.interleavings(positives, negatives)
            if (low <= n).all() and (n <= high).all()
        )
        assert problem.objective(found, weight) == pytest.approx(
            wanted, abs=problem.tolerance(weight)
        )


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", KINDS)
def test_long_rows_cross_the_words_in_which_the_bits_are_kept(kind: str, style: str) -> None:
    rng = np.random.default_rng(3)
    for positives, negatives in ((3, 63), (4, 64), (3, 65), (40, 127), (25, 300), (1, 200)):
        case = Case(draw_scores(rng, positives, style), draw_scores(rng, negatives, style), 0.0)
        problem = draw(rng, case, kind)
        for weight in (0.05, -0.05, 2.0, -2.0, 50.0, -50.0):
            wanted, _ = programme.ranking(problem.positive, problem.negative, problem.gain, weight)
            low, high = problem.bounds(weight)
            everything = np.zeros_like(low), np.full_like(high, negatives)
            for corridor_bounds in ((low, high), everything):
                found = problem.objective(problem.solve(weight, *corridor_bounds), weight)
                assert found == pytest.approx(wanted, abs=problem.tolerance(weight))


def test_the_corridor_is_narrow_where_scores_decide() -> None:
    """Not only right but useful: well separated scores leave little of the table."""
    rng = np.random.default_rng(4)
    case = Case(rng.normal(1.0, 1.0, size=200), rng.normal(size=800), 0.0)
    problem = draw(rng, case, "average precision")
    low, high = problem.bounds(-0.01)
    assert (high - low).sum() < 0.1 * 200 * 800
