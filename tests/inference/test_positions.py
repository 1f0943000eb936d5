"""Rankings scored by position, against the enumeration of all rankings and against references."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import ndcg_score, precision_score, recall_score

from directloss.inference import positions
from directloss.inference.positions import (
    CUTOFF_RELEVANT,
    NO_CUTOFF,
    ByPosition,
    Divisor,
)
from directloss.tasks._grades import Gains
from tests.harness import of_each_order

Floats = NDArray[np.float64]

LONGEST = 6
CASES = 400
# Beyond every finite score and its shift here, yet small enough to add up without rounding.
HUGE = 1e4


def dcg(gains: Floats, k: int) -> float:
    """Discounted gain of items in ranked order."""
    return math.fsum(g / math.log2(p + 1) for p, g in enumerate(gains, start=1) if p <= k)


def ndcg(k: int) -> Callable[[Floats], float]:
    return lambda gains: dcg(gains, k) / dcg(np.sort(gains)[::-1], k)


def precision(k: int) -> Callable[[Floats], float]:
    return lambda gains: gains[:k].sum() / k


def recall(k: int) -> Callable[[Floats], float]:
    return lambda gains: gains[:k].sum() / gains.sum()


def r_precision(gains: Floats) -> float:
    return float(gains[: int(gains.sum())].mean())


def bedroc(alpha: float) -> Callable[[Floats], float]:
    """Truchon and Bayly (2007), equation 36: the RIE scaled to reach from 0 to 1."""

    def metric(gains: Floats) -> float:
        n, share = gains.size, gains.mean()
        ranks = np.flatnonzero(gains) + 1
        uniform = (1 - math.exp(-alpha)) / (math.exp(alpha / n) - 1) / n
        rie = np.exp(-alpha * ranks / n).mean() / uniform
        largest = (1 - math.exp(-alpha * share)) / (share * (1 - math.exp(-alpha)))
        smallest = (1 - math.exp(alpha * share)) / (share * (1 - math.exp(alpha)))
        return float((rie - smallest) / (largest - smallest))

    return metric


@dataclass(frozen=True)
class Family:
    """A metric by its definition, beside the kernel's arguments that should give it."""

    name: str
    metric: Callable[[Floats], float]
    table: Floats
    cutoff: int = NO_CUTOFF
    decay: float = 0.0
    divisor: Divisor = Divisor.IDEAL
    graded: bool = False

    def discount(self, position: int, n: int, relevant: int) -> float:
        """D, from the definition."""
        if self.name.startswith("BEDROC"):
            return math.exp(-self.decay * position / n) - math.exp(-self.decay)
        if self.name.startswith("NDCG"):
            return 1 / math.log2(position + 1) if position <= self.cutoff else 0.0
        return float(position <= (relevant if self.name == "R-precision" else self.cutoff))

    def scale(self, gains: Floats) -> float:
        """S, from the definition."""
        n, positives = gains.size, int((gains > 0).sum())
        if self.name.startswith("BEDROC"):
            weights = np.array([self.discount(p, n, positives) for p in range(1, n + 1)])
            return float(weights[:positives].sum() - weights[n - positives :].sum())
        if self.name.startswith("NDCG"):
            return dcg(np.sort(gains)[::-1], self.cutoff) / float(gains.max())
        return float(self.cutoff if self.name.startswith("precision") else positives)


LOG = 1 / np.log2(np.arange(2.0, 2002.0))
STEP = np.ones(1)
FAMILIES = [
    Family("NDCG", ndcg(NO_CUTOFF), LOG),
    Family("NDCG@3", ndcg(3), LOG[:3], cutoff=3),
    Family("NDCG graded", ndcg(NO_CUTOFF), LOG, graded=True),
    Family("NDCG@2 graded", ndcg(2), LOG[:2], cutoff=2, graded=True),
    Family("precision@1", precision(1), STEP, cutoff=1, divisor=Divisor.CUTOFF),
    Family("precision@3", precision(3), STEP, cutoff=3, divisor=Divisor.CUTOFF),
    Family("recall@2", recall(2), STEP, cutoff=2, divisor=Divisor.TOTAL),
    Family("R-precision", r_precision, STEP, cutoff=CUTOFF_RELEVANT, divisor=Divisor.CUTOFF),
    Family("BEDROC(20)", bedroc(20.0), STEP, decay=20.0, divisor=Divisor.RANGE),
    Family("BEDROC(0.5)", bedroc(0.5), STEP, decay=0.5, divisor=Divisor.RANGE),
]
every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@dataclass(frozen=True)
class Solution:
    combination: NDArray[np.floating]
    losses: Floats
    values: Floats
    defined: NDArray[np.bool_]


def solve(
    family: Family,
    scores: list[NDArray[np.floating]],
    gains: list[Floats],
    terms: list[tuple[float, float]],
    *,
    share_ties: bool = True,
) -> Solution:
    """Solve a batch; outputs start as NaN, so that an entry that nobody wrote shows."""
    offsets = np.cumsum([0] + [s.size for s in scores])
    flat = np.concatenate(scores)
    shape = len(scores), len(terms)
    solution = Solution(
        np.full_like(flat, np.nan), np.full(shape, np.nan), np.full(shape, np.nan),
        np.zeros(len(scores), np.bool_),
    )  # fmt: skip
    outputs = solution.combination, solution.losses, solution.values, solution.defined
    factors, weights = map(np.array, zip(*terms, strict=True))
    batch = by_position(family, flat, np.concatenate(gains), offsets)
    positions.solve(0, len(scores), batch, share_ties, weights, factors, outputs)
    return solution


def by_position(
    family: Family, scores: NDArray[np.floating], gains: Floats, offsets: NDArray[np.int64]
) -> ByPosition:
    found = Gains.of(gains, lambda values: values)
    metric = family.table, family.cutoff, family.decay, int(family.divisor)
    return ByPosition(scores, found.grades, found.gains, offsets, *metric)


def evaluate(
    family: Family, scores: list[NDArray[np.floating]], gains: list[Floats]
) -> tuple[Floats, NDArray[np.bool_]]:
    offsets = np.cumsum([0] + [s.size for s in scores])
    flat = np.concatenate(scores)
    metrics, defined = np.full(len(scores), np.nan), np.zeros(len(scores), np.bool_)
    batch = by_position(family, flat, np.concatenate(gains), offsets)
    positions.evaluate(0, len(scores), batch, metrics, defined)
    return metrics, defined


@cache
def positions_of_all_rankings(n: int) -> NDArray[np.int64]:
    return np.array(list(itertools.permutations(range(n))))


@cache
def orders_of_all_rankings(n: int) -> NDArray[np.int64]:
    """Items from the top of each to its bottom."""
    return positions_of_all_rankings(n).argsort(axis=1)


@dataclass(frozen=True)
class Enumeration:
    """F, Delta and dF/dphi of every ranking of one list."""

    coefficients: Floats
    values: Floats
    losses: Floats

    @classmethod
    def of(cls, family: Family, scores: Floats, gains: Floats) -> Enumeration:
        n, relevant = gains.size, int((gains > 0).sum())
        positions = positions_of_all_rankings(n)
        table = np.array([family.discount(p, n, relevant) for p in range(1, n + 1)])
        coefficients = table[positions] / family.scale(gains)
        losses = 1 - of_each_order(family.metric, gains, orders_of_all_rankings(n))
        return cls(coefficients, coefficients @ scores, losses)

    def best(self, weight: float) -> NDArray[np.bool_]:
        """Which rankings are argmax F + weight * Delta."""
        if weight == -math.inf:
            least = self.losses < self.losses.min() + 1e-9
            return least & (self.values > self.values[least].max() - 1e-9)
        objective = self.values + weight * self.losses
        return objective > objective.max() - 1e-9 * max(1.0, abs(weight))


def random_gains(rng: np.random.Generator, family: Family, n: int) -> Floats:
    if family.graded:
        gains = 2.0 ** rng.integers(0, 4, n) - 1
    else:
        gains = (rng.random(n) < rng.choice([0.2, 0.5, 0.8])).astype(float)
    gains[rng.integers(n)] = 1.0
    return gains


def random_scores(rng: np.random.Generator, n: int) -> Floats:
    """Half of the lists with many ties, among and between gains."""
    if rng.random() < 0.5:
        return rng.integers(-2, 3, n) / 2.0
    return rng.normal(size=n) * 10 ** rng.uniform(-1, 1)


def is_defined(family: Family, gains: Floats) -> bool:
    return bool(gains.any()) and not (family.divisor == Divisor.RANGE and gains.all())


def random_lists(family: Family, seed: int, count: int) -> Iterator[tuple[Floats, Floats]]:
    rng = np.random.default_rng(seed)
    while count > 0:
        n = int(rng.integers(1, LONGEST + 1))
        gains = random_gains(rng, family, n)
        if is_defined(family, gains):
            yield random_scores(rng, n), gains
            count -= 1


def weights_to_try() -> list[float]:
    rng = np.random.default_rng(7)
    sizes = 10 ** rng.uniform(-3, 2, size=2)
    return [*sizes, *-sizes, 1.0, -1.0, 0.0, -math.inf]


@every_family
def test_every_term_is_an_argmax_over_all_rankings(family: Family) -> None:
    scores, gains = map(list, zip(*random_lists(family, 0, CASES), strict=True))
    offsets = np.cumsum([0] + [s.size for s in scores])
    everything = [Enumeration.of(family, s, g) for s, g in zip(scores, gains, strict=True)]
    for weight in weights_to_try():
        solution = solve(family, scores, gains, [(1.0, weight)])
        assert solution.defined.all()
        tolerance = 1e-12 * max(1.0, abs(weight)) if math.isfinite(weight) else 1e-12
        for index, every in enumerate(everything):
            value, loss = solution.values[index, 0], solution.losses[index, 0]
            y = solution.combination[offsets[index] : offsets[index + 1]]
            best = every.best(weight)
            scale = max(1.0, np.abs(every.values).max())
            if math.isfinite(weight):
                objective = (every.values + weight * every.losses).max()
                assert abs(value + weight * loss - objective) <= tolerance * scale
            # Some optimal ranking has this very F and this very Delta ...
            gap = np.abs(every.values[best] - value) / scale + np.abs(every.losses[best] - loss)
            assert gap.min() < 1e-11
            # ... and y is a mean of optimal rankings, with the same F and, but for ties at
            # weight 0, the same Delta (which is affine in y).
            assert abs(scores[index] @ y - value) < 1e-12 * scale
            if weight == 0.0:
                assert loss == pytest.approx(every.losses[best].max(), abs=1e-12)
                np.testing.assert_allclose(y, every.coefficients[best].mean(axis=0), atol=1e-12)
            else:
                same = best & (np.abs(every.losses - loss) < 1e-9)
                gain_of_y = gains[index] @ y
                gain_of_best = every.coefficients[same] @ gains[index]
                np.testing.assert_allclose(gain_of_best, gain_of_y, rtol=1e-11, atol=1e-11)
            assert_in_permutahedron(y, every.coefficients[0])


def assert_in_permutahedron(y: Floats, coefficients: Floats) -> None:
    """y is a mean of rankings: its k largest entries never exceed the k largest discounts."""
    excess = np.cumsum(np.sort(y)[::-1]) - np.cumsum(np.sort(coefficients)[::-1])
    assert excess.max() < 1e-12
    assert abs(excess[-1]) < 1e-12


@every_family
def test_plain_configurations_are_rankings_with_the_loss_reported(family: Family) -> None:
    scores, gains = map(list, zip(*random_lists(family, 8, 300), strict=True))
    offsets = np.cumsum([0] + [s.size for s in scores])
    everything = [Enumeration.of(family, s, g) for s, g in zip(scores, gains, strict=True)]
    for weight in (0.4, -0.4, 0.0, -math.inf):
        plain = solve(family, scores, gains, [(1.0, weight)], share_ties=False)
        shared = solve(family, scores, gains, [(1.0, weight)])
        np.testing.assert_array_equal(plain.losses, shared.losses)
        np.testing.assert_array_equal(plain.values, shared.values)
        for index, every in enumerate(everything):
            y = plain.combination[offsets[index] : offsets[index + 1]]
            this = np.abs(every.coefficients - y).max(axis=1) < 1e-12
            assert this.any()
            assert every.losses[this] == pytest.approx(plain.losses[index, 0], abs=1e-12)
        losses = np.full(len(scores), np.nan)
        batch = by_position(family, plain.combination, np.concatenate(gains), offsets)
        positions.price(0, len(scores), batch, losses)
        np.testing.assert_allclose(losses, plain.losses[:, 0], atol=1e-12)


@every_family
def test_combination_is_the_sum_of_its_terms(family: Family) -> None:
    scores, gains = map(list, zip(*random_lists(family, 1, 50), strict=True))
    terms = [(2.0, 0.3), (-0.5, 0.0), (3.0, -math.inf)]
    whole = solve(family, scores, gains, terms)
    parts = [solve(family, scores, gains, [term]) for term in terms]
    np.testing.assert_allclose(whole.combination, sum(p.combination for p in parts), atol=1e-12)
    np.testing.assert_array_equal(whole.losses, np.hstack([p.losses for p in parts]))
    np.testing.assert_array_equal(whole.values, np.hstack([p.values for p in parts]))


@every_family
def test_infinite_scores_are_huge_ones(family: Family) -> None:
    rng = np.random.default_rng(2)
    for scores, gains in random_lists(family, 2, 200):
        infinite = rng.random(scores.size) < 0.4
        with_infinities = np.where(infinite, rng.choice([-1, 1], scores.size) * math.inf, scores)
        huge = np.clip(with_infinities, -HUGE, HUGE)
        every = Enumeration.of(family, huge, gains)
        finite_values = every.coefficients @ np.where(infinite, 0.0, scores)
        for weight in (0.3, -0.3, 20.0, -20.0, 0.0, -math.inf):
            solution = solve(family, [with_infinities], [gains], [(1.0, weight)])
            best = every.best(weight)
            gap = np.abs(finite_values[best] - solution.values[0, 0])
            gap += np.abs(every.losses[best] - solution.losses[0, 0])
            assert gap.min() < 1e-11
            assert np.isfinite(solution.combination).all()
            if weight == 0.0:
                assert solution.losses[0, 0] == pytest.approx(every.losses[best].max(), abs=1e-12)
                mean = every.coefficients[best].mean(axis=0)
                np.testing.assert_allclose(solution.combination, mean, atol=1e-12)


@every_family
def test_nothing_depends_on_the_order_of_storage(family: Family) -> None:
    rng = np.random.default_rng(3)
    terms = [(1.0, 0.5), (-1.0, -0.5), (2.0, 0.0), (1.0, -math.inf)]
    for scores, gains in random_lists(family, 3, 100):
        shuffle = rng.permutation(scores.size)
        stored = solve(family, [scores], [gains], terms)
        shuffled = solve(family, [scores[shuffle]], [gains[shuffle]], terms)
        np.testing.assert_allclose(shuffled.combination, stored.combination[shuffle], atol=1e-12)
        np.testing.assert_allclose(shuffled.losses, stored.losses, atol=1e-12)


@pytest.mark.parametrize("distinct", [2, 3, 5, 16, 17, 40, 1000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_long_lists_with_any_number_of_distinct_gains(distinct: int, dtype: type) -> None:
    """Shifted scores tie only where score and gain do, so that a plain sort is the truth."""
    rng = np.random.default_rng(distinct)
    family = FAMILIES[0]
    n = 2000
    gains = rng.choice(np.arange(distinct) / 64.0, n)
    gains[0] = (distinct - 1) / 64.0
    scores = rng.integers(-50, 50, n).astype(dtype)
    ideal = dcg(np.sort(gains)[::-1], n)
    for weight in (0.7, -0.7, 0.0, -math.inf):
        # The last key counts most, and at weight 0 lower gains come first.
        if weight == -math.inf:
            ranking = np.lexsort((scores, gains))[::-1]
        else:
            ranking = np.lexsort((-gains, scores - weight * gains / gains.max()))[::-1]
        solution = solve(family, [scores], [gains], [(1.0, weight)])
        value = scores[ranking].astype(float) @ LOG[:n] * gains.max() / ideal
        assert solution.losses[0, 0] == pytest.approx(1 - dcg(gains[ranking], n) / ideal, abs=1e-12)
        assert solution.values[0, 0] == pytest.approx(value, rel=1e-11)
        y = solution.combination.astype(float)
        assert y @ scores == pytest.approx(value, rel=1e-11 if dtype is np.float64 else 1e-4)
        assert solution.combination.dtype == dtype


def test_equal_gains_beyond_counting_keep_their_scores_in_order() -> None:
    gains = np.repeat(np.arange(1.0, 31.0), 3)
    scores = np.tile([1.0, 3.0, 2.0], 30)
    truth = solve(FAMILIES[0], [scores], [gains], [(1.0, -math.inf)])
    assert truth.losses[0, 0] == 0.0
    highest_gain = truth.combination[-3:]
    assert highest_gain[1] > highest_gain[2] > highest_gain[0]


@pytest.mark.parametrize("weight", [1e-20, -1e-20])
def test_a_weight_below_the_rounding_of_the_scores_still_decides_ties(weight: float) -> None:
    scores = np.full(4, 1e6)
    gains = np.array([0.0, 1.0, 1.0, 0.0])
    solution = solve(FAMILIES[0], [scores], [gains], [(1.0, weight)])
    extreme = 1 - ndcg(4)(np.sort(gains) if weight > 0 else np.sort(gains)[::-1])
    assert solution.losses[0, 0] == pytest.approx(extreme, abs=1e-15)


@every_family
def test_metric_is_the_mean_over_all_orders_of_ties(family: Family) -> None:
    scores, gains = map(list, zip(*random_lists(family, 4, 300), strict=True))
    metrics, defined = evaluate(family, scores, gains)
    assert defined.all()
    for index, (s, g) in enumerate(zip(scores, gains, strict=True)):
        every = Enumeration.of(family, s, g)
        # Rankings that sort the scores, not all argmaxes: a step leaves other ones free.
        positions = positions_of_all_rankings(s.size)
        ordered = np.empty(positions.shape)
        np.put_along_axis(ordered, positions, np.broadcast_to(s, positions.shape), axis=1)
        sorted_ones = (np.diff(ordered, axis=1) <= 0).all(axis=1)
        assert metrics[index] == pytest.approx((1 - every.losses[sorted_ones]).mean(), abs=1e-12)


@pytest.mark.parametrize("k", [None, 1, 5, 50])
@pytest.mark.parametrize("decimals", [0, 1, 9])
@pytest.mark.parametrize("grades", [2, 5])
def test_ndcg_is_that_of_scikit_learn(k: int | None, decimals: int, grades: int) -> None:
    rng = np.random.default_rng(grades)
    cutoff = NO_CUTOFF if k is None else k
    family = Family("NDCG", ndcg(cutoff), LOG, cutoff=cutoff)
    scores = [np.round(rng.normal(-3, 2, 40), decimals) for _ in range(20)]
    gains = [2.0 ** rng.integers(0, grades, 40) - 1 for _ in range(20)]
    metrics, _ = evaluate(family, scores, gains)
    expected = [ndcg_score([g], [s], k=k) for s, g in zip(scores, gains, strict=True)]
    np.testing.assert_allclose(metrics, expected, atol=1e-12)


def test_precision_and_recall_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    for k in (1, 4, 10):
        labels = (rng.random(30) < 0.3).astype(float)
        scores = rng.normal(-2, 1, 30)
        retrieved = scores >= np.sort(scores)[-k]
        at_k = Family("precision", precision(k), STEP, cutoff=k, divisor=Divisor.CUTOFF)
        assert evaluate(at_k, [scores], [labels])[0][0] == precision_score(labels, retrieved)
        at_k = Family("recall", recall(k), STEP, cutoff=k, divisor=Divisor.TOTAL)
        assert evaluate(at_k, [scores], [labels])[0][0] == recall_score(labels, retrieved)


@pytest.mark.parametrize("alpha", [0.1, 20.0, 100.0])
def test_bedroc_is_that_of_its_paper_on_a_long_list(alpha: float) -> None:
    rng = np.random.default_rng(6)
    labels = (rng.random(1000) < 0.03).astype(float)
    scores = rng.normal(size=1000)
    family = Family("BEDROC", bedroc(alpha), STEP, decay=alpha, divisor=Divisor.RANGE)
    expected = bedroc(alpha)(labels[np.argsort(-scores)])
    assert evaluate(family, [scores], [labels])[0][0] == pytest.approx(expected, abs=1e-10)
    loss = solve(family, [scores], [labels], [(1.0, 0.0)]).losses[0, 0]
    assert loss == pytest.approx(1 - expected, abs=1e-10)


@every_family
def test_undefined_lists_are_zero_and_harm_no_neighbour(family: Family) -> None:
    terms = [(1.0, 0.5), (-1.0, 0.0)]
    good = np.array([0.3, 0.1, 0.2]), np.array([1.0, 0.0, 1.0])
    lists = [
        (np.empty(0), np.empty(0)),
        (np.array([1.0, 2.0]), np.zeros(2)),
        good,
        (np.array([1.0, 2.0, 3.0]), np.ones(3)),
        (np.array([5.0]), np.zeros(1)),
        (np.array([5.0]), np.ones(1)),
    ]
    solution = solve(family, [s for s, _ in lists], [g for _, g in lists], terms)
    only_positives = family.divisor != Divisor.RANGE
    expected = [False, False, True, only_positives, False, only_positives]
    assert solution.defined.tolist() == expected
    assert not solution.losses[~solution.defined].any()
    assert not solution.values[~solution.defined].any()
    assert not solution.combination[:2].any()
    alone = solve(family, [good[0]], [good[1]], terms)
    np.testing.assert_array_equal(solution.combination[2:5], alone.combination)
    np.testing.assert_array_equal(solution.losses[2], alone.losses[0])
    # A metric that no order changes has no gradient.
    np.testing.assert_allclose(solution.combination[5:8], 0.0, atol=1e-15)
    metrics, defined = evaluate(family, [s for s, _ in lists], [g for _, g in lists])
    assert defined.tolist() == expected
    assert not metrics[~defined].any()


def test_precision_of_a_list_shorter_than_k_keeps_its_divisor() -> None:
    family = Family("precision", precision(10), STEP, cutoff=10, divisor=Divisor.CUTOFF)
    solution = solve(family, [np.array([1.0, 2.0])], [np.ones(2)], [(1.0, -math.inf)])
    assert solution.losses[0, 0] == pytest.approx(0.8)


def test_only_the_lists_asked_for_are_written() -> None:
    scores = np.arange(6.0)
    gains = np.tile([0.0, 1.0], 3)
    combination = np.full(6, np.nan)
    losses, values = np.full((3, 1), np.nan), np.full((3, 1), np.nan)
    defined = np.zeros(3, np.bool_)
    found = Gains.of(gains, lambda values: values)
    metric = LOG, NO_CUTOFF, 0.0, int(Divisor.IDEAL)
    batch = ByPosition(scores, found.grades, found.gains, np.array([0, 2, 4, 6]), *metric)
    outputs = combination, losses, values, defined
    positions.solve(1, 2, batch, True, np.array([0.0]), np.array([1.0]), outputs)
    assert np.isnan(combination).tolist() == [True, True, False, False, True, True]
    assert np.isnan(losses[:, 0]).tolist() == [True, False, True]
    assert np.isnan(values[:, 0]).tolist() == [True, False, True]
    assert defined.tolist() == [False, True, False]


@pytest.mark.parametrize("sign", [1.0, -1.0])
@every_family
def test_from_all_scores_equal_no_direction_is_dead(family: Family, sign: float) -> None:
    """The difference of the two configurations pulls the gains apart the right way."""
    if family.name == "precision@1":
        gains = np.array([1.0, 0.0, 0.0, 0.0])
    else:
        gains = np.array([1.0, 0.0, 0.0, 1.0, 0.0])
    scores = np.zeros(gains.size)
    solution = solve(family, [scores], [gains], [(sign, sign * 0.1), (-sign, 0.0)])
    gradient = solution.combination
    assert gradient[gains > 0].max() < -1e-6
    assert gradient[gains == 0].min() > 1e-6
