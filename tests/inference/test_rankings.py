"""The kernel of all rankings by pairs against enumeration, the programme, and the definitions."""

from __future__ import annotations

from functools import cache
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from directloss.inference import programme
from directloss.lists import Lists
from directloss.tasks import AveragePrecision, RankingTask
from tests import brute_force
from tests.cases import average_precision, pair_rankings
from tests.harness import Floats, solve_batch, solve_one
from tests.inference.small_cases import STYLES, cases, draw_scores

WEIGHTS = np.geomspace(1e-3, 1e2, 6)


def reference(scores: Floats, labels: Floats, gain: Floats, weight: float) -> tuple[float, float]:
    """Objective of the best interleaving, and the largest |score| for its rounding."""
    objective, _ = brute_force.best_interleaving(
        scores[labels == 1], scores[labels == 0], gain, weight
    )
    finite = np.where(np.isfinite(scores), scores, 0.0)
    return objective, 1e-12 * max(1.0, abs(weight) if weight != -inf else 0.0, np.abs(finite).max())


def assert_optimal(
    task: RankingTask, gain: Floats, scores: Floats, labels: Floats, weights: list[float]
) -> None:
    """Objective, task loss, F and configuration of each term agree with each other and are best."""
    solution = solve_one(task, scores, labels, weights)
    finite = np.where(np.isfinite(scores), scores, 0.0)
    for t, weight in enumerate(weights):
        wanted, tolerance = reference(scores, labels, gain, weight)
        delta, value = solution.task_losses[0, t], solution.values[0, t]
        found = value if weight == -inf else value + weight * delta
        assert found == pytest.approx(wanted, abs=tolerance)
        y = solve_one(task, scores, labels, [weight]).combination
        above = counts_of(y, labels)
        assert finite @ y == pytest.approx(value, abs=tolerance)
        assert brute_force.ranking_task_loss(gain, above) == pytest.approx(delta, abs=1e-12)
        if weight == -inf and np.isfinite(scores).all():
            assert delta == pytest.approx(least_task_loss(gain), abs=1e-11)


def least_task_loss(gain: Floats) -> float:
    """Of all interleavings, however the scores lie."""
    positives, columns = gain.shape
    counts = all_counts(positives, columns - 1)
    return float(1.0 - gain[np.arange(positives), counts].sum(axis=1).max())


@cache
def all_counts(positives: int, negatives: int) -> NDArray[np.int64]:
    return np.array(list(brute_force.interleavings(positives, negatives)))


def counts_of(y: Floats, labels: Floats) -> Floats:
    """Negatives above each positive, ascending, from the coefficients (N - 2 n_i) / (P N)."""
    negatives = int((labels == 0).sum())
    counts = (negatives - y[labels == 1] * int(labels.sum()) * negatives) / 2
    whole = np.round(counts)
    assert np.abs(counts - whole).max(initial=0.0) <= 1e-9  # which pytest.approx takes longer for
    return np.sort(whole.astype(np.int64))


def shuffled(rng: np.random.Generator, positive: Floats, negative: Floats) -> tuple[Floats, Floats]:
    order = rng.permutation(len(positive) + len(negative))
    labels = np.repeat([1.0, 0.0], [len(positive), len(negative)])
    return np.concatenate([positive, negative])[order], labels[order]


def draw_table(
    rng: np.random.Generator, positives: int, negatives: int, by: str, kind: str
) -> tuple[RankingTask, Floats]:
    """A random task and its gain table; `kind` says what D looks like."""
    size = negatives + 1 if by == "negatives" else positives + negatives
    if kind == "convex":
        discount = np.cumsum(np.sort(-rng.exponential(size=size)))
        weights = rng.exponential(size=positives)
    elif kind == "concave":
        discount = np.cumsum(np.sort(-rng.exponential(size=size))[::-1])
        weights = rng.exponential(size=positives)
    elif kind == "cutoff":
        k = int(rng.integers(1, size + 1))
        discount = np.where(np.arange(size) < k, 1.0 / np.arange(1, size + 1), 0.0)
        weights = np.arange(1, positives + 1) / min(positives, k)
    elif kind == "alike":
        discount = rng.normal(size=size)
        weights = np.full(positives, rng.exponential())
    elif kind == "steps":
        discount = np.sort(rng.integers(0, 3, size=size))[::-1] / 2.0
        weights = rng.integers(0, 2, size=positives).astype(np.float64)
    else:
        discount = rng.normal(size=size)
        weights = rng.exponential(size=positives) * (rng.random(positives) < 0.7)
    gain = brute_force.ranking_gain(weights, discount, negatives, by_position=by == "position")
    return RankingTask(weights, discount, by=by), gain


KINDS = ("convex", "concave", "cutoff", "steps", "alike", "arbitrary")


def test_average_precision_equals_the_maximum_over_all_permutations() -> None:
    rng = np.random.default_rng(0)
    permutations = pair_rankings(average_precision)
    task = AveragePrecision()
    for case in cases(300, most=6, items=7):
        scores, labels = shuffled(rng, case.positive, case.negative)
        weights = [case.weight, -case.weight, 0.0, -inf]
        solution = solve_one(task, scores, labels, weights)
        everything = permutations(labels)
        for t, weight in enumerate(weights):
            found = solution.values[0, t]
            if weight != -inf:
                found += weight * solution.task_losses[0, t]
            wanted, _ = everything.best(scores, weight)
            assert found == pytest.approx(wanted, abs=case.tolerance)
            # The configuration is a ranking of the items, and its Delta is that ranking's.
            y = solve_one(task, scores, labels, [weight]).combination
            assert everything.losses[everything.index_of(y)] == pytest.approx(
                solution.task_losses[0, t], abs=1e-12
            )


def test_average_precision_equals_the_maximum_over_all_interleavings() -> None:
    rng = np.random.default_rng(1)
    task = AveragePrecision()
    for case in cases(2000, most=6):
        scores, labels = shuffled(rng, case.positive, case.negative)
        weights = [case.weight, -case.weight, 0.0, -inf]
        assert_optimal(task, case.average_precision_gain, scores, labels, weights)


@pytest.mark.parametrize("weight", [*WEIGHTS, *-WEIGHTS])
def test_scores_that_tie_within_and_between_the_classes(weight: float) -> None:
    rng = np.random.default_rng(2)
    task = AveragePrecision()
    for _ in range(60):
        positives, negatives = rng.integers(1, 6, size=2)
        scores, labels = shuffled(
            rng, rng.integers(0, 3, size=positives) / 4.0, rng.integers(0, 3, size=negatives) / 4.0
        )
        gain = brute_force.average_precision_gain(positives, negatives)
        assert_optimal(task, gain, scores, labels, [weight])


@pytest.mark.parametrize("by", ["position", "negatives"])
@pytest.mark.parametrize("kind", KINDS)
def test_any_rank_weights_and_discount(kind: str, by: str) -> None:
    rng = np.random.default_rng(3)
    for case in cases(250, most=5):
        positives, negatives = len(case.positive), len(case.negative)
        task, gain = draw_table(rng, positives, negatives, by, kind)
        scores, labels = shuffled(rng, case.positive, case.negative)
        assert_optimal(task, gain, scores, labels, [case.weight, -case.weight, 0.0, -inf])


@pytest.mark.parametrize("kind", ["average precision", *KINDS])
def test_infinite_scores_never_change_order_with_finite_ones_of_the_other_class(kind: str) -> None:
    rng = np.random.default_rng(4)
    for case in cases(250, most=5):
        positives, negatives = len(case.positive), len(case.negative)
        scores, labels = shuffled(rng, case.positive, case.negative)
        infinite = rng.random(scores.size) < 0.4
        scores[infinite] = rng.choice([-inf, inf], size=int(infinite.sum()))
        if kind == "average precision":
            task, gain = AveragePrecision(), case.average_precision_gain
        else:
            by = str(rng.choice(["position", "negatives"]))
            task, gain = draw_table(rng, positives, negatives, by, kind)
        weights = [case.weight, -case.weight, 0.0, -inf]
        assert_optimal(task, gain, scores, labels, weights)
        for weight in weights:
            y = solve_one(task, scores, labels, [weight]).combination
            pinned(counts_of(y, labels), scores, labels)


def pinned(above: Floats, scores: Floats, labels: Floats) -> None:
    """Checks n_i of each infinite positive, and of each finite one against infinite negatives."""
    positive, negative = -np.sort(-scores[labels == 1]), scores[labels == 0]
    for n, phi in zip(above, positive, strict=True):
        if phi == inf:
            assert n <= (negative == inf).sum()
        elif phi == -inf:
            assert n >= (negative > -inf).sum()
        else:
            assert (negative == inf).sum() <= n <= (negative > -inf).sum()


ADVERSARIAL = {
    "normal": lambda rng, n: rng.normal(size=n),
    "all tied": lambda rng, n: np.zeros(n),
    "few values": lambda rng, n: rng.integers(0, 4, size=n).astype(np.float64),
    "clusters": lambda rng, n: rng.integers(0, 3, size=n) + rng.normal(scale=1e-6, size=n),
    "heavy tails": lambda rng, n: np.asarray(rng.standard_cauchy(size=n)),
    "one outlier": lambda rng, n: np.append(rng.normal(size=n - 1), rng.choice([-1e4, 1e4])),
    "inverted": lambda rng, n: np.linspace(-1, 1, n),
}
SIZES = [(400, 1200), (1, 1200), (400, 1), (399, 64), (64, 63), (3, 1000), (120, 700)]


@pytest.mark.parametrize("style", ADVERSARIAL)
def test_average_precision_equals_the_programme_on_long_lists(style: str) -> None:
    rng = np.random.default_rng(5)
    task = AveragePrecision()
    for positives, negatives in SIZES:
        positive = ADVERSARIAL[style](rng, positives)
        negative = ADVERSARIAL[style](rng, negatives)
        if style != "all tied":
            positive = positive + rng.choice([0.0, 0.5, 3.0])
        scores, labels = shuffled(rng, positive, negative)
        size = max(1.0, np.abs(scores).max())
        for epsilon in (1e-6, 1e-3, 0.1, 1.0, 30.0, 1e6):
            solution = solve_one(task, scores, labels, [epsilon, -epsilon])
            for t, weight in enumerate((epsilon, -epsilon)):
                wanted, _ = programme.average_precision(positive, negative, weight)
                found = solution.values[0, t] + weight * solution.task_losses[0, t]
                assert found == pytest.approx(wanted, abs=1e-12 * max(size, epsilon))


@pytest.mark.parametrize("by", ["position", "negatives"])
@pytest.mark.parametrize("kind", KINDS)
def test_any_table_equals_the_programme_on_long_lists(kind: str, by: str) -> None:
    rng = np.random.default_rng(6)
    for positives, negatives in ((60, 200), (1, 150), (90, 1), (33, 129)):
        task, gain = draw_table(rng, positives, negatives, by, kind)
        style = STYLES[int(rng.integers(len(STYLES)))]
        positive = draw_scores(rng, positives, style)
        negative = draw_scores(rng, negatives, style)
        scores, labels = shuffled(rng, positive, negative)
        size = max(1.0, np.abs(scores).max())
        for epsilon in (1e-3, 0.1, 3.0, 1e3):
            solution = solve_one(task, scores, labels, [epsilon, -epsilon])
            for t, weight in enumerate((epsilon, -epsilon)):
                wanted, _ = programme.ranking(positive, negative, gain, weight)
                found = solution.values[0, t] + weight * solution.task_losses[0, t]
                # Sums of gains are as large as the gains, which are no probabilities here.
                rounding = 1e-12 * max(size, epsilon * max(1.0, np.abs(gain).sum()))
                assert found == pytest.approx(wanted, abs=rounding)


finite = st.floats(-1e3, 1e3, allow_nan=False, width=32)
score = st.one_of(finite, st.sampled_from([0.0, -0.0, 1.0, inf, -inf]))


@settings(max_examples=200)
@given(
    positive=st.lists(score, min_size=1, max_size=5),
    negative=st.lists(score, min_size=1, max_size=5),
    epsilon=st.floats(1e-3, 1e2),
)
def test_no_list_of_scores_beats_the_solver_of_average_precision(
    positive: list[float], negative: list[float], epsilon: float
) -> None:
    labels = np.repeat([1.0, 0.0], [len(positive), len(negative)])
    gain = brute_force.average_precision_gain(len(positive), len(negative))
    weights = [epsilon, -epsilon, 0.0, -inf]
    assert_optimal(AveragePrecision(), gain, np.array(positive + negative), labels, weights)


@settings(max_examples=200)
@given(data=st.data(), by=st.sampled_from(["position", "negatives"]))
def test_no_task_beats_its_solver(data: st.DataObject, by: str) -> None:
    positives, negatives = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    size = negatives + 1 if by == "negatives" else positives + negatives
    # Eighths: two sums of them are equal or clearly different, so that the least Delta is one set.
    worth = st.integers(-16, 16).map(lambda eighths: eighths / 8)
    discount = data.draw(st.lists(worth, min_size=size, max_size=size))
    weights = data.draw(st.lists(worth.map(abs), min_size=positives, max_size=positives))
    total = positives + negatives
    scores = np.array(data.draw(st.lists(score, min_size=total, max_size=total)))
    labels = np.repeat([1.0, 0.0], [positives, negatives])
    epsilon = data.draw(st.floats(1e-3, 1e2))
    gain = brute_force.ranking_gain(weights, discount, negatives, by_position=by == "position")
    task = RankingTask(np.array(weights), np.array(discount), by=by)
    assert_optimal(task, gain, scores, labels, [epsilon, -epsilon, 0.0, -inf])


def test_the_prediction_counts_ties_against_us_and_its_coefficients_share_them() -> None:
    rng = np.random.default_rng(7)
    for case in cases(100, most=6):
        scores, labels = shuffled(rng, np.round(case.positive), np.round(case.negative))
        solution = solve_one(AveragePrecision(), scores, labels, [0.0], share_ties=True)
        pessimistic = labels[np.lexsort((labels, -scores))]
        assert solution.task_losses[0, 0] == pytest.approx(1 - average_precision(pessimistic))
        # y_ij = sign(phi_i - phi_j): +1, -1, and 0 where the pair ties.
        positive, negative = scores[labels == 1], scores[labels == 0]
        signs = np.sign(positive[:, None] - negative)
        wanted = np.zeros(scores.size)
        wanted[labels == 1] = signs.sum(axis=1) / signs.size
        wanted[labels == 0] = -signs.sum(axis=0) / signs.size
        assert solution.combination == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_combination_is_the_sum_of_its_terms(dtype: type) -> None:
    rng = np.random.default_rng(8)
    weights, coefficients = [0.0, 0.3, -0.3, -inf], [0.5, -2.0, 1.5, 1.0]
    for positives, negatives in ((5, 7), (1, 30), (200, 900), (900, 1100)):
        scores, labels = shuffled(rng, rng.normal(size=positives), rng.normal(size=negatives))
        scores = scores.astype(dtype).astype(np.float64)  # so that both types hold the same numbers
        together = solve_one(AveragePrecision(), scores, labels, weights, coefficients, dtype=dtype)
        alone = [
            solve_one(AveragePrecision(), scores, labels, [w], [c]).combination
            for w, c in zip(weights, coefficients, strict=True)
        ]
        assert together.combination.dtype == dtype
        size = np.abs(alone).sum(axis=0).max()
        assert together.combination == pytest.approx(
            np.sum(alone, axis=0), abs=4 * size * np.finfo(dtype).eps
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_ragged_batch_is_its_lists_one_by_one(dtype: type) -> None:
    rng = np.random.default_rng(9)
    weights = [0.0, 0.3, -0.3, -inf]
    scores = [rng.integers(-3, 3, size=n).astype(dtype) for n in (3, 1, 0, 40, 7, 2000, 2)]
    targets = [(rng.random(s.size) < 0.3).astype(np.float64) for s in scores]
    for task in (AveragePrecision(), RankingTask(np.ones(900), rng.normal(size=3000))):
        batch = solve_batch(task, scores, targets, weights, share_ties=True, dtype=dtype)
        begin = 0
        for number, (s, t) in enumerate(zip(scores, targets, strict=True)):
            alone = solve_one(task, s, t, weights, share_ties=True, dtype=dtype)
            both = 0 < t.sum() < t.size
            assert batch.defined[number] == alone.defined[0] == both
            np.testing.assert_array_equal(batch.task_losses[number], alone.task_losses[0])
            np.testing.assert_array_equal(batch.values[number], alone.values[0])
            mine = batch.combination[begin : begin + s.size]
            np.testing.assert_array_equal(mine, alone.combination)
            if not both:
                assert not mine.any() and not batch.task_losses[number].any()
            begin += s.size


@pytest.mark.parametrize("k", [None, 3])
@pytest.mark.parametrize("weight", [0.4, -0.4, -inf])
def test_what_a_table_holds_past_a_list_does_not_enter(k: int | None, weight: float) -> None:
    fresh, seen = AveragePrecision(k=k), AveragePrecision(k=k)
    solve_one(seen, np.arange(500.0), np.arange(500) % 2, [0.0, weight])
    table = seen._discount.up_to(0)
    assert table.size > 500
    entries = table.copy()
    rng = np.random.default_rng(13)
    for case in cases(40, most=6):
        scores, labels = shuffled(rng, case.positive, case.negative)
        alone = solve_one(fresh, scores, labels, [0.0, weight])
        own = scores.size + 1
        table[:own], table[own:] = entries[:own], rng.normal(size=table.size - own)
        after = solve_one(seen, scores, labels, [0.0, weight])
        np.testing.assert_array_equal(after.combination, alone.combination)
        np.testing.assert_array_equal(after.task_losses, alone.task_losses)


def test_the_order_of_storage_does_not_enter() -> None:
    rng = np.random.default_rng(10)
    weights = [0.0, 0.5, -0.5, -inf]
    for case in cases(60, most=6):
        scores, labels = shuffled(rng, np.round(case.positive), np.round(case.negative))
        first = solve_one(AveragePrecision(), scores, labels, weights, share_ties=True)
        order = rng.permutation(scores.size)
        second = solve_one(
            AveragePrecision(), scores[order], labels[order], weights, share_ties=True
        )
        np.testing.assert_array_equal(first.task_losses, second.task_losses)
        np.testing.assert_array_equal(first.values, second.values)
        predicted = [
            solve_one(AveragePrecision(), s, t, [0.0], share_ties=True).combination
            for s, t in ((scores, labels), (scores[order], labels[order]))
        ]
        np.testing.assert_array_equal(predicted[0][order], predicted[1])


def test_the_task_loss_of_a_configuration_is_that_of_its_ranking() -> None:
    rng = np.random.default_rng(11)
    for case in cases(100, most=5):
        positives, negatives = len(case.positive), len(case.negative)
        by = str(rng.choice(["position", "negatives"]))
        task, _ = draw_table(rng, positives, negatives, by, "arbitrary")
        scores, labels = shuffled(rng, case.positive, case.negative)
        for weight in (0.0, case.weight, -inf):
            solution = solve_one(task, scores, labels, [weight])
            offsets = np.array([0, scores.size])
            y = Lists(solution.combination, task.read_targets(labels), offsets)
            assert task.loss_of(y)[0] == pytest.approx(solution.task_losses[0, 0], abs=1e-12)
