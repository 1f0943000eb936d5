"""The corridor holds an optimum, and the programme inside it finds one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from directloss.inference import coarse_to_fine, programme
from directloss.inference.coarse_to_fine import narrow
from directloss.inference.corridor import (
    _largest_run,
    bounds,
    corridor,
    end_of_run,
    running_sums,
)
from directloss.inference.ranked import Ranking
from tests import brute_force
from tests.inference.small_cases import STYLES, Case, Floats, cases, draw_scores, one_list

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

    def sums(self) -> tuple[Floats, Floats]:
        center = self.positive[self.positive.size // 2]
        return running_sums(self.positive, center), running_sums(self.negative, center)

    def one(self, fences: NDArray[np.int64] | None = None) -> Ranking:
        return one_list(self.positive, self.negative, *self.tables, fences)

    def bounds(
        self, weight: float, fences: NDArray[np.int64] | None = None
    ) -> tuple[Counts, Counts]:
        low, high = np.full((2, self.positive.size), -1, np.int32)
        bounds(self.one(fences), weight, low, high)
        return low, high

    def narrow(self, weight: float, fence: NDArray[np.int64], low: Counts, high: Counts) -> None:
        narrow(self.one(), self.sums(), fence, weight, low, high)

    def solve(self, weight: float, low: Counts, high: Counts) -> Counts:
        apart = self.one()
        corridor(apart, weight, low, high)
        in_place = self.one()
        in_place.negatives_above[:] = high
        corridor(in_place, weight, low, in_place.negatives_above)
        assert (in_place.negatives_above == apart.negatives_above).all()
        return apart.negatives_above

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
    elif kind == "settled":
        last = int(rng.integers(size))
        discount = rng.normal(size=size)
        discount[last:] = discount[last]
    elif kind == "convex":
        discount = np.cumsum(np.sort(rng.normal(size=size)))
    else:
        discount = rng.normal(size=size)
    return Problem(case, ranks, discount, step)


def problems(count: int, most: int, kind: str) -> Iterator[tuple[Problem, float]]:
    rng = np.random.default_rng(0)
    for case in cases(count, most=most):
        yield draw(rng, case, kind), case.weight


KINDS = ("average precision", "cutoff", "settled", "convex", "arbitrary")


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


def test_the_bounds_of_average_precision_in_the_negative_direction_are_tight() -> None:
    """D is convex, so -D is concave: both searches tend to the crossing itself."""
    rng = np.random.default_rng(1)
    left, needed = 0, 0
    for _ in range(200):
        positives, negatives = rng.integers(1, 60, size=2)
        case = Case(rng.normal(size=positives), rng.normal(size=negatives), 0.0)
        problem = draw(rng, case, "average precision")
        weight = -float(10 ** rng.uniform(-3, 2))
        w = problem.cell_gains(weight)
        first = [next((j for j, cell in enumerate(row) if cell > 0), negatives) for row in w]
        last = [max((j + 1 for j, cell in enumerate(row) if cell <= 0), default=0) for row in w]
        low, high = problem.bounds(weight)
        left += int((high - low).sum())
        needed += int(np.maximum.accumulate(last).sum())
        needed -= int(np.minimum.accumulate(first[::-1]).sum())
    assert needed <= left < 2.5 * needed


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("weight", [1.0, -1.0])
def test_past_the_last_place_that_counts_a_positive_follows_the_scores(
    weight: float, step: int
) -> None:
    rng = np.random.default_rng(10)
    positives, negatives, k = 300, 900, 20
    case = Case(rng.normal(size=positives), rng.normal(size=negatives), 0.0)
    discount = np.zeros(negatives + (positives if step else 1))
    discount[:k] = 1 / np.arange(1, k + 1)
    problem = Problem(case, np.ones(positives) / k, discount, step)
    low, high = problem.bounds(weight)
    natural = (problem.negative > problem.positive[:, None]).sum(axis=1)
    assert (high <= np.maximum(natural, k)).all()
    if step:
        assert (low[k:] == natural[k:]).all() and (high[k:] == natural[k:]).sum() > 250
    elif weight > 0:
        assert (low == natural).all()


def test_indifferent_pairs_stand_where_an_update_does_not_unlearn_them() -> None:
    """All scores equal and only the first place counts: the rest is a tie of the objective.

    Moving away from y(+eps), its negatives stand above; moving towards y(-eps), its positives do.
    """
    case = Case(np.zeros(4), np.zeros(5), 0.0)
    problem = Problem(case, np.array([1.0, 0.0, 0.0, 0.0]), np.eye(1, 9)[0], 1)
    for weight, wanted in ((1.0, [5, 5, 5, 5]), (-1.0, [0, 0, 0, 0])):
        assert problem.solve(weight, *problem.bounds(weight)).tolist() == wanted


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


def test_each_run_is_solved_as_if_it_were_alone() -> None:
    """Rows of one run do not hear of others, whose scratch memory they take over."""
    rng = np.random.default_rng(11)
    several = 0
    for problem, drawn in problems(300, 14, "arbitrary"):
        low, high = problem.bounds(drawn)
        found = problem.solve(drawn, low, high)
        first, sizes = 0, []
        while first < low.size:
            last = end_of_run(low, high, first)
            assert last == low.size or high[last - 1] <= low[last]
            assert (low[first + 1 : last] < high[first : last - 1]).all()
            cells = (high[first:last] - low[first:last] + 1).sum()
            sizes.append((high[last - 1] - low[first], cells))
            # Other rows are left one cell each: never below the one before it.
            cells = np.where(rng.random(low.size) < 0.5, low, high)
            cells[:first] = np.maximum.accumulate(cells[:first])
            cells[last:] = np.maximum.accumulate(cells[last:])
            here = (np.arange(low.size) >= first) & (np.arange(low.size) < last)
            alone = np.where(here, low, cells), np.where(here, high, cells)
            assert (problem.solve(drawn, *alone)[first:last] == found[first:last]).all()
            first = last
        assert _largest_run(low, high) == tuple(np.max(sizes, axis=0))
        several += len(sizes) > 1
    assert several > 50


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


def narrowed(problem: Problem, weight: float) -> tuple[Counts, Counts, Counts, Counts]:
    """The bounds before and after the look at blocks."""
    low, high = problem.bounds(weight)
    before = low.copy(), high.copy()
    block = np.array([0, problem.negative.size, 0, problem.positive.size], np.int64)
    problem.narrow(weight, block, low, high)
    return *before, low, high


# Scores that decide little against the weight leave a wide corridor, which is worth a look.
WIDE = {
    "all tied": lambda rng, n: np.zeros(n),
    "normal": lambda rng, n: rng.normal(size=n),
    "few values": lambda rng, n: rng.integers(-1, 2, size=n).astype(np.float64),
    "heavy tails": lambda rng, n: np.asarray(rng.standard_cauchy(size=n)),
    "inverted": lambda rng, n: np.linspace(0, 1, n),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("style", WIDE)
def test_narrowing_keeps_an_optimum(style: str, kind: str) -> None:
    rng = np.random.default_rng(5)
    looked = 0
    for positives, negatives in ((200, 500), (500, 130), (97, 801)):
        case = Case(WIDE[style](rng, positives), WIDE[style](rng, negatives), 0.0)
        problem = draw(rng, case, kind)
        for weight in (0.3, -0.3, 5.0, -5.0, 200.0, -200.0):
            before_low, before_high, low, high = narrowed(problem, weight)
            assert (before_low <= low).all() and (high <= before_high).all()
            assert (low <= high).all()
            assert (np.diff(low) >= 0).all() and (np.diff(high) >= 0).all()
            looked += int((high - low).sum() < (before_high - before_low).sum())
            found = problem.objective(problem.solve(weight, low, high), weight)
            wanted, _ = programme.ranking(problem.positive, problem.negative, problem.gain, weight)
            assert found == pytest.approx(wanted, abs=problem.tolerance(weight))
    # Elsewhere the crossings leave too little for a look, or the blocks of a wild D are all alike.
    assert looked > 0 or kind != "average precision" or style == "all tied"


@pytest.mark.parametrize("kind", KINDS)
def test_one_look_at_blocks_of_any_size_keeps_an_optimum(kind: str) -> None:
    """Lists so short that a look would not pay, where each kind of block has its turn."""
    rng = np.random.default_rng(8)
    dropped = 0
    for problem, drawn in problems(400, 14, kind):
        for weight in (drawn, -drawn):
            low, high = problem.bounds(weight)
            if rng.random() < 0.5:  # the whole table
                low[:], high[:] = 0, problem.negative.size
            width_before = int((high - low).sum())
            look(problem, weight, 1 << rng.integers(0, 3), 1 << rng.integers(0, 3), low, high)
            assert (low <= high).all()
            assert (np.diff(low) >= 0).all() and (np.diff(high) >= 0).all()
            dropped += width_before - int((high - low).sum())
            found = problem.objective(problem.solve(weight, low, high), weight)
            wanted, _ = programme.ranking(problem.positive, problem.negative, problem.gain, weight)
            assert found == pytest.approx(wanted, abs=problem.tolerance(weight))
    assert dropped > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_look_at_single_cells_keeps_an_optimum(kind: str) -> None:
    """There the bounds are the gains themselves."""
    rng = np.random.default_rng(9)
    left, table = 0, 0
    for _ in range(200):
        positives, negatives = rng.integers(2, 9, size=2)
        case = Case(rng.normal(size=positives), rng.normal(size=negatives), 0.0)
        problem = draw(rng, case, kind)
        weight = float(rng.choice([-1, 1]) * 10 ** rng.uniform(-1, 1))
        low, high = np.zeros(positives, np.int32), np.full(positives, negatives, np.int32)
        look(problem, weight, 1, 1, low, high)
        wanted, _ = programme.ranking(problem.positive, problem.negative, problem.gain, weight)
        found = problem.objective(problem.solve(weight, low, high), weight)
        assert found == pytest.approx(wanted, abs=problem.tolerance(weight))
        left += int((high - low).sum())
        table += positives * negatives
    assert left < 0.9 * table


def look(
    problem: Problem, weight: float, height: int, width: int, low: Counts, high: Counts
) -> None:
    """One round of `narrow` with blocks of this size, whether it pays or not."""
    positives, negatives = problem.positive.size, problem.negative.size
    _, discounts, step = problem.tables
    tops = np.arange(0, positives, height)
    bottoms = np.minimum(tops + height, positives)
    begin = np.minimum(low[tops], negatives - 1) // width
    spans = np.stack([begin, np.maximum(begin, (high[bottoms - 1] - 1) // width)], axis=1)
    drops = discounts[step:-1] - discounts[step + 1 :]
    block = np.array([0, negatives, 0, positives])
    spans = np.ascontiguousarray(spans, np.int64)
    sums = (
        np.append(0.0, np.cumsum(problem.positive)),
        np.append(0.0, np.cumsum(problem.negative)),
    )
    falls = bool((np.diff(drops) <= 0).all())
    starts, wins, crossed = coarse_to_fine._look(
        problem.one(), sums, block, weight, falls, height, width, spans
    )
    coarse_to_fine._keep_promising(
        starts, spans, wins, crossed, weight, height, width, block, low, high
    )


def test_narrowing_leaves_infinite_scores_in_their_blocks() -> None:
    """What is fenced off is another list: only the rows and columns of the block may change."""
    rng = np.random.default_rng(6)
    case = Case(np.linspace(0, 1, 300), np.linspace(0, 1, 700), 0.0)
    problem = draw(rng, case, "average precision")
    blocks = np.array([[0, 100, 0, 60], [100, 600, 60, 290], [600, 700, 290, 300]], np.int64)
    low, high = problem.bounds(-1.0, blocks)
    before = low.copy(), high.copy()
    problem.narrow(-1.0, blocks[1], low, high)
    for old, new in zip(before, (low, high), strict=True):
        np.testing.assert_array_equal(old[:60], new[:60])
        np.testing.assert_array_equal(old[290:], new[290:])
    assert (low[60:290] >= 100).all() and (high[60:290] <= 600).all() and (low <= high).all()
    assert (high - low).sum() < (before[1] - before[0]).sum()


def test_narrowing_never_leaves_an_empty_corridor() -> None:
    """Where outliers take all digits of the sums, what is left is still a corridor."""
    rng = np.random.default_rng(7)
    for _ in range(40):
        positive, negative = rng.normal(size=300), rng.normal(size=900)
        outlier = 10.0 ** rng.uniform(8, 300)
        positive[:: rng.integers(2, 200)] = outlier
        negative[:: rng.integers(2, 400)] *= -outlier
        problem = draw(rng, Case(positive, negative, 0.0), "average precision")
        for weight in (-1.0, -30.0):
            _, _, low, high = narrowed(problem, weight)
            assert (low <= high).all()
            assert (np.diff(low) >= 0).all() and (np.diff(high) >= 0).all()
