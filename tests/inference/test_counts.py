"""Counting metrics: exact against all subsets, the claims behind the speed, hard inputs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import sqrt
from typing import NamedTuple

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from directloss.inference.counts import (
    BALANCED_ERROR,
    ERROR_RATE,
    GMEAN,
    MATTHEWS,
    TABLE,
    TVERSKY,
    ByCounts,
    Metric,
    solver_of,
    task_loss,
)
from directloss.inference.counts import solve as solve_lists

Loss = Callable[[int, int, int, int], float]
"""Delta from tp, fp, fn, tn, written from the definition."""


def error_rate(tp: int, fp: int, fn: int, tn: int) -> float:
    return (fp + fn) / (tp + fp + fn + tn)


def balanced_error(tp: int, fp: int, fn: int, tn: int) -> float:
    return 1 - (tp / (tp + fn) + tn / (tn + fp)) / 2


def gmean(tp: int, fp: int, fn: int, tn: int) -> float:
    return 1 - sqrt(tp / (tp + fn)) * sqrt(tn / (tn + fp))


def matthews(tp: int, fp: int, fn: int, tn: int) -> float:
    scale = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return (1 - (tp * tn - fp * fn) / sqrt(scale)) / 2 if scale else 0.5


def f_beta(beta: float) -> Loss:
    def loss(tp: int, fp: int, fn: int, tn: int) -> float:
        if tp == 0:
            return float(tp + fn > 0 or fp > 0)
        return 1 - (1 + beta**2) * tp / ((1 + beta**2) * tp + beta**2 * fn + fp)

    return loss


def tversky(alpha: float, beta: float) -> Loss:
    def loss(tp: int, fp: int, fn: int, tn: int) -> float:
        if tp == 0:
            return float(tp + fn > 0 or fp > 0)
        return 1 - tp / (tp + alpha * fp + beta * fn)

    return loss


class Task(NamedTuple):
    kind: int
    parameters: tuple[float, float]
    loss: Loss
    two_classes: bool = False


def f_beta_task(beta: float) -> Task:
    return Task(TVERSKY, (1 / (1 + beta**2), beta**2 / (1 + beta**2)), f_beta(beta))


TASKS = {
    "error rate": Task(ERROR_RATE, (0, 0), error_rate),
    "balanced error": Task(BALANCED_ERROR, (0, 0), balanced_error, two_classes=True),
    "jaccard": Task(TVERSKY, (1, 1), tversky(1, 1)),
    "dice": Task(TVERSKY, (0.5, 0.5), f_beta(1)),
    "f 0.5": f_beta_task(0.5),
    "f 2": f_beta_task(2.0),
    "precision": Task(TVERSKY, (1, 0), tversky(1, 0)),
    "recall": Task(TVERSKY, (0, 1), tversky(0, 1)),
    "any hit": Task(TVERSKY, (0, 0), tversky(0, 0)),
    "tversky .3 .7": Task(TVERSKY, (0.3, 0.7), tversky(0.3, 0.7)),
    "tversky 2 .6": Task(TVERSKY, (2, 0.6), tversky(2, 0.6)),
    "tversky .2 1.5": Task(TVERSKY, (0.2, 1.5), tversky(0.2, 1.5)),
    "tversky 0 4": Task(TVERSKY, (0, 4), tversky(0, 4)),
    "gmean": Task(GMEAN, (0, 0), gmean, two_classes=True),
    "matthews": Task(MATTHEWS, (0, 0), matthews, two_classes=True),
}
MAGNITUDES = (1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
each_task = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())


class Batch(NamedTuple):
    scores: np.ndarray
    labels: np.ndarray
    offsets: np.ndarray

    def lists(self) -> list[tuple[np.ndarray, np.ndarray]]:
        bounds = zip(self.offsets[:-1], self.offsets[1:], strict=True)
        return [(self.scores[a:b], self.labels[a:b]) for a, b in bounds]


class Solution(NamedTuple):
    combination: np.ndarray
    task_losses: np.ndarray
    values: np.ndarray
    defined: np.ndarray


def batch_of(lists: list[tuple[np.ndarray, np.ndarray]], dtype: type = np.float64) -> Batch:
    offsets = np.cumsum([0, *(len(scores) for scores, _ in lists)])
    scores = np.concatenate([scores for scores, _ in lists]).astype(dtype)
    return Batch(scores, np.concatenate([labels for _, labels in lists]), offsets)


@cache
def small_batch(seed: int, size: int, largest: int = 9) -> Batch:
    """Short lists of all sorts: few score levels, all equal, one class only, infinities."""
    rng, lists = np.random.default_rng(seed), []
    for _ in range(size):
        n = rng.integers(1, largest + 1)
        labels = rng.random(n) < rng.choice([0, 0.2, 0.5, 0.8, 1], p=[0.05, 0.3, 0.3, 0.3, 0.05])
        match rng.integers(5):
            case 0:
                scores = rng.normal(size=n)
            case 1:
                scores = rng.integers(-2, 3, n).astype(float)
            case 2:
                scores = np.full(n, rng.integers(-1, 2), float)
            case 3:
                scores = rng.integers(-2, 3, n) * 0.1 + labels
            case _:
                scores = rng.choice([-np.inf, -1, 0, 0.5, 1.25, np.inf], n)
        lists.append((scores * rng.choice([0.03, 1, 1, 10]), labels.astype(np.uint8)))
    return batch_of(lists)


def buffers(batch: Batch, terms: int) -> Solution:
    lists = len(batch.offsets) - 1
    return Solution(
        np.full_like(batch.scores, np.nan),
        np.full((lists, terms), np.nan),
        np.full((lists, terms), np.nan),
        np.zeros(lists, bool),
    )


def by_counts(
    batch: Batch,
    metric: Metric,
    weights: list[float],
    coefficients: list[float],
    out: Solution,
) -> ByCounts:
    solvers = tuple(solver_of(*metric[:2], weight) for weight in weights)
    terms = np.array(weights, float), np.array(coefficients, float)
    return ByCounts(*batch, metric, solvers, *terms, *out)


def solve(
    task: Task, batch: Batch, weights: list[float], coefficients: list[float] | None = None
) -> Solution:
    out = buffers(batch, len(weights))
    coefficients = [1.0] * len(weights) if coefficients is None else coefficients
    metric = Metric(task.kind, np.array(task.parameters, float))
    solve_lists(0, len(batch.offsets) - 1, by_counts(batch, metric, weights, coefficients, out))
    return out


def solve_table(
    batch: Batch, tables: list[np.ndarray], weights: list[float], coefficients: list[float]
) -> Solution:
    out = buffers(batch, len(weights))
    starts = np.cumsum([0, *(table.size for table in tables)])[:-1]
    flat = np.concatenate([table.ravel() for table in tables])
    metric = Metric(TABLE, np.empty(0), flat, starts)
    solve_lists(0, len(tables), by_counts(batch, metric, weights, coefficients, out))
    return out


def table_of(loss: Loss, P: int, N: int) -> np.ndarray:
    return np.array([[loss(tp, fp, P - tp, N - fp) for fp in range(N + 1)] for tp in range(P + 1)])


_table_of_short_list = cache(table_of)


def tables_of(task: Task, batch: Batch) -> list[np.ndarray | None]:
    """Delta at [tp, fp] for each list; None where the metric is undefined."""
    tables: list[np.ndarray | None] = []
    for _, labels in batch.lists():
        P, N = int(labels.sum()), int((1 - labels).sum())
        undefined = task.two_classes and P * N == 0
        tables.append(None if undefined else _table_of_short_list(task.loss, P, N))
    return tables


class Subsets(NamedTuple):
    """All 2^n configurations of a list, K of them.

    Attributes:
        scores, labels: of the list.
        finite, infinite: the scores with infinite ones as 0; and 1, -1 or 0.
        F: of the finite scores, (K,).
        infinities: those taken, +inf less -inf, (K,).
        counts: tp and fp, (K,) each.
        equal: items of equal score and label, if there are several.
    """

    scores: np.ndarray
    labels: np.ndarray
    finite: np.ndarray
    infinite: np.ndarray
    F: np.ndarray
    infinities: np.ndarray
    counts: tuple[np.ndarray, np.ndarray]
    equal: list[np.ndarray]

    @classmethod
    def of(cls, scores: np.ndarray, labels: np.ndarray) -> Subsets:
        n = len(scores)
        subsets = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        finite = np.where(np.isfinite(scores), scores, 0.0)
        infinite = np.where(np.isfinite(scores), 0.0, np.sign(scores))
        of_pair = [
            np.flatnonzero((scores == score) & (labels == label))
            for score, label in {*zip(scores.tolist(), labels.tolist(), strict=True)}
        ]
        return cls(
            scores,
            labels,
            finite,
            infinite,
            subsets @ finite / n,
            subsets @ infinite,
            (subsets @ labels, subsets @ (1 - labels)),
            [items for items in of_pair if items.size > 1],
        )


@cache
def subsets_of(seed: int, size: int, largest: int = 9) -> list[Subsets]:
    """Those of each list of `small_batch`."""
    return [Subsets.of(*each) for each in small_batch(seed, size, largest).lists()]


def assert_best_of_all_subsets(
    every: Subsets, table: np.ndarray, weight: float, got: tuple[np.ndarray, float, float]
) -> None:
    """Compare one solved list with its 2^n configurations.

    Args:
        table: Delta at [tp, fp].
        got: n * dF/dscores, Delta and F of the solver.
    """
    members, task_loss_got, value = got
    scores, F, delta = every.scores, every.F, table[every.counts]

    # The solution is a configuration, or the mean of those that swap equal items.
    tp, fp = float(members @ every.labels), float(members @ (1.0 - every.labels))
    assert abs(tp - round(tp)) < 1e-9 and abs(fp - round(fp)) < 1e-9
    assert members.min() >= 0 and members.max() <= 1
    for items in every.equal:
        assert (members[items] == members[items[0]]).all()
    assert abs(table[round(tp), round(fp)] - task_loss_got) < 1e-14
    assert abs(members @ every.finite / len(scores) - value) < 1e-12

    if weight == -np.inf:
        assert task_loss_got <= delta.min() + 1e-14
        ideal = delta <= delta.min() + 1e-14
        most = every.infinities[ideal].max()
        assert abs(members @ every.infinite - most) < 1e-9
        assert abs(value - F[ideal & (every.infinities == most)].max()) < 1e-12
        return
    assert (members[scores == np.inf] == 1).all() and (members[scores == -np.inf] == 0).all()
    if weight == 0:
        assert (members == (scores > 0)).all()
    allowed = every.infinities == every.infinities.max()
    best = (F + weight * delta)[allowed].max()
    assert abs(value + weight * task_loss_got - best) <= 1e-12 * max(1, abs(weight))


def check_batch(
    everything: list[Subsets], tables: list[np.ndarray | None], weight: float, out: Solution
) -> int:
    """Check every list of a solved batch; returns how many were defined."""
    start = 0
    for index, every in enumerate(everything):
        size = len(every.scores)
        written = out.combination[start : start + size]
        start += size
        table = tables[index]
        assert out.defined[index] == (table is not None)
        if table is None:
            assert not written.any()
            assert out.task_losses[index, 0] == 0 and out.values[index, 0] == 0
            continue
        got = written * size, out.task_losses[index, 0], out.values[index, 0]
        assert_best_of_all_subsets(every, table, weight, got)
    return int(out.defined.sum())


@pytest.mark.parametrize("sign", [1, -1], ids=["positive", "negative"])
@each_task
def test_best_of_all_subsets(task: Task, sign: int) -> None:
    checked = 0
    for seed, magnitude in enumerate(MAGNITUDES):
        batch, weight = small_batch(seed, 250), sign * magnitude
        out = solve(task, batch, [weight])
        checked += check_batch(subsets_of(seed, 250), tables_of(task, batch), weight, out)
    assert checked >= 1000


@pytest.mark.parametrize("weight", [0.0, -np.inf], ids=["prediction", "ground truth"])
@each_task
def test_prediction_and_ground_truth(task: Task, weight: float) -> None:
    batch = small_batch(8, 1700)
    tables, out = tables_of(task, batch), solve(task, batch, [weight])
    assert check_batch(subsets_of(8, 1700), tables, weight, out) >= 1000


@pytest.mark.parametrize("weight", [1e-3, 0.1, 1, 30, -1e-3, -0.1, -1, -30, 0, -np.inf])
def test_any_table(weight: float) -> None:
    rng = np.random.default_rng(9)
    batch = small_batch(9, 300, largest=8)
    tables = [
        np.round(rng.random((int(y.sum()) + 1, int((1 - y).sum()) + 1)), rng.integers(1, 9))
        for _, y in batch.lists()
    ]
    out = solve_table(batch, tables, [weight], [1.0])
    assert check_batch(subsets_of(9, 300, largest=8), tables, weight, out) == 300


def test_lists_may_share_a_table_or_have_none() -> None:
    scores = np.array([1.0, -1, 2, 0.5, 3, 3, 4, 4])
    labels = np.array([1, 0, 1, 0, 1, 0, 1, 0], np.uint8)
    batch = Batch(scores, labels, np.array([0, 2, 4, 6, 8]))
    out = buffers(batch, 1)
    table = table_of(error_rate, 1, 1).ravel()
    metric = Metric(TABLE, np.empty(0), table, np.array([0, 0, -1, 0]))
    solve_lists(0, 4, by_counts(batch, metric, [0.0], [1.0], out))
    assert out.defined.tolist() == [True, True, False, True]
    assert out.task_losses.ravel().tolist() == [0, 0.5, 0, 0.5]
    assert out.values.ravel().tolist() == [0.5, 1.25, 0, 4]


@each_task
def test_longer_lists_against_every_pair_of_counts(task: Task) -> None:
    rng = np.random.default_rng(10)
    for _ in range(60):
        P, N = rng.integers(1, 61), rng.integers(1, 201)
        labels = rng.permutation(np.repeat(np.array([1, 0], np.uint8), [P, N]))
        scores = rng.normal(size=P + N) + rng.uniform(-1, 2) * labels + rng.uniform(-1, 1)
        if rng.random() < 0.5:
            scores = np.round(scores, 1)
        batch = batch_of([(scores, labels)])
        table = table_of(task.loss, P, N)
        weights = [*rng.choice([1, -1], 5) * 10 ** rng.uniform(-3, 2, 5)]
        out = solve(task, batch, weights)
        expected = solve_table(batch, [table], weights, [1.0] * 5)
        for t, weight in enumerate(weights):
            objective = out.values[0, t] + weight * out.task_losses[0, t]
            best = expected.values[0, t] + weight * expected.task_losses[0, t]
            assert abs(objective - best) <= 1e-12 * max(1, abs(weight))


@each_task
def test_task_loss_is_the_definition(task: Task) -> None:
    parameters = np.array(task.parameters, float)
    for P, N in [(1, 1), (3, 5), (6, 2), (4, 0), (0, 4)]:
        if task.two_classes and P * N == 0:
            continue
        table = table_of(
            lambda tp, fp, fn, tn: task_loss(task.kind, parameters, tp, fp, tp + fn, fp + tn), P, N
        )
        np.testing.assert_allclose(table, table_of(task.loss, P, N), rtol=0, atol=1e-15)
        assert table[P, 0] == 0


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("error rate", sklearn_metrics.zero_one_loss),
        ("balanced error", lambda y, p: 1 - sklearn_metrics.balanced_accuracy_score(y, p)),
        ("jaccard", lambda y, p: 1 - sklearn_metrics.jaccard_score(y, p)),
        ("dice", lambda y, p: 1 - sklearn_metrics.f1_score(y, p)),
        ("f 2", lambda y, p: 1 - sklearn_metrics.fbeta_score(y, p, beta=2)),
        ("recall", lambda y, p: 1 - sklearn_metrics.recall_score(y, p)),
        ("matthews", lambda y, p: (1 - sklearn_metrics.matthews_corrcoef(y, p)) / 2),
    ],
)
def test_prediction_has_the_metric_of_scikit_learn(
    name: str, reference: Callable[[np.ndarray, np.ndarray], float]
) -> None:
    rng = np.random.default_rng(11)
    for _ in range(40):
        labels = (rng.random(rng.integers(4, 40)) < 0.4).astype(np.uint8)
        labels[:2] = 0, 1
        scores = np.round(rng.normal(size=labels.size), 1)
        scores[:2] = 1
        out = solve(TASKS[name], batch_of([(scores, labels)]), [0.0])
        assert abs(out.task_losses[0, 0] - reference(labels, (scores > 0).astype(int))) < 1e-14


# --- the claims behind the speed ------------------------------------------------------------------


def counts_of(rng: np.random.Generator) -> tuple[int, int]:
    return int(rng.integers(1, 25)), int(rng.integers(1, 40))


def descending_sums(rng: np.random.Generator, size: int) -> np.ndarray:
    scores = np.sort(rng.normal(rng.uniform(-1, 1), 1, size))[::-1]
    return np.concatenate([[0.0], np.cumsum(scores)])


def turns(path: np.ndarray) -> int:
    """How often a sequence changes between rising and falling."""
    directions = np.sign(np.diff(path))
    directions = directions[directions != 0]
    return int((directions[1:] != directions[:-1]).sum())


TVERSKY_TASKS = [(alpha, beta) for alpha in (0, 0.2, 0.5, 1, 3) for beta in (0, 0.3, 0.5, 1, 2, 5)]


def test_tversky_is_convex_in_fp_and_its_best_fp_turns_once() -> None:
    rng = np.random.default_rng(12)
    turned = 0
    for alpha, beta in TVERSKY_TASKS:
        for _ in range(20):
            P, N = counts_of(rng)
            table = table_of(tversky(alpha, beta), P, N)
            assert (np.diff(table, 2, axis=1) <= 1e-12).all()
            weight = 10 ** rng.uniform(-2, 1)
            objective = descending_sums(rng, N) / (P + N) + weight * table
            path = objective.argmax(axis=1)
            assert turns(path) <= 1
            turned += turns(path)
    assert turned > 0  # so a rule of one direction only would be wrong


def test_tversky_is_convex_in_tp_up_to_beta_1_and_its_best_tp_turns_once() -> None:
    rng = np.random.default_rng(13)
    turned = 0
    for alpha, beta in TVERSKY_TASKS:
        for _ in range(20):
            P, N = counts_of(rng)
            table = table_of(tversky(alpha, beta), P, N)
            if beta > 1:
                assert P < 3 or np.diff(table, 2, axis=0).min() < 0
                continue
            assert (np.diff(table, 2, axis=0) >= -1e-12).all()
            weight = -(10 ** rng.uniform(-2, 1))
            objective = descending_sums(rng, P)[:, None] / (P + N) + weight * table
            path = objective.argmax(axis=0)
            assert turns(path) <= 1
            turned += turns(path)
    assert turned > 0


def test_signs_of_the_mixed_differences() -> None:
    rng = np.random.default_rng(14)
    for _ in range(50):
        P, N = counts_of(rng)
        for loss in (gmean, tversky(1, 1), tversky(0.4, 2), tversky(3, 5)):
            mixed = np.diff(np.diff(table_of(loss, P, N), axis=0), axis=1)
            assert (mixed >= -1e-12).all()


def test_gmean_is_convex_in_fp_and_its_best_fp_never_rises_in_the_negative_direction() -> None:
    rng = np.random.default_rng(15)
    for _ in range(200):
        P, N = counts_of(rng)
        table = table_of(gmean, P, N)
        assert (np.diff(table, 2, axis=1) >= -1e-12).all()
        objective = descending_sums(rng, N) / (P + N) - 10 ** rng.uniform(-2, 1) * table
        assert (np.diff(objective.argmax(axis=1)) <= 0).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_matthews_is_linear_on_exchanges_and_its_best_counts_move_one_way_on_each_half(
    sign: int,
) -> None:
    rng = np.random.default_rng(16)
    for _ in range(200):
        P, N = counts_of(rng)
        n = P + N
        table = table_of(matthews, P, N)
        sums = descending_sums(rng, P)[:, None] + descending_sums(rng, N)
        objective = sums / n + sign * 10 ** rng.uniform(-2, 1) * table
        path = []
        for k in range(n + 1):
            tp = np.arange(max(0, k - N), min(P, k) + 1)
            assert (np.abs(np.diff(table[tp, k - tp], 2)) < 1e-12).all()
            path.append(tp[objective[tp, k - tp].argmax()])
        steps = np.diff(path)
        # Where exchanges get cheaper tp never falls, where dearer fp = k - tp never does.
        first, second = np.arange(1, n - 1) < (n - 1) / 2, np.arange(1, n - 1) > (n - 1) / 2
        cheaper, dearer = (first, second) if sign > 0 else (second, first)
        assert (steps[1:-1][cheaper] >= 0).all()
        assert (steps[1:-1][dearer] <= 1).all()


# --- the contract of a kernel ---------------------------------------------------------------------


@each_task
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_terms_add_up(task: Task, dtype: type) -> None:
    batch = small_batch(17, 200)
    batch = batch._replace(scores=batch.scores.astype(dtype))
    weights, coefficients = [0.4, -0.4, -np.inf], [2.5, -2.5, 1.0]
    out = solve(task, batch, weights, coefficients)
    assert out.combination.dtype == dtype
    wide = batch._replace(scores=batch.scores.astype(np.float64))
    parts = [solve(task, wide, [weight]) for weight in weights]
    total = sum(c * part.combination for c, part in zip(coefficients, parts, strict=True))
    np.testing.assert_allclose(out.combination, total, rtol=1e-6, atol=1e-12)
    np.testing.assert_array_equal(out.task_losses, np.hstack([p.task_losses for p in parts]))
    np.testing.assert_array_equal(out.values, np.hstack([p.values for p in parts]))


@each_task
def test_the_order_of_storage_does_not_matter(task: Task) -> None:
    rng = np.random.default_rng(18)
    for scores, labels in small_batch(18, 100).lists():
        order = rng.permutation(scores.size)
        for weight in (0.7, -0.7, 0.0, -np.inf):
            one = solve(task, batch_of([(scores, labels)]), [weight])
            other = solve(task, batch_of([(scores[order], labels[order])]), [weight])
            np.testing.assert_array_equal(one.combination[order], other.combination)
            np.testing.assert_array_equal(one.task_losses, other.task_losses)


@each_task
def test_a_range_of_lists_leaves_the_others_alone(task: Task) -> None:
    batch = small_batch(19, 12)
    whole = solve(task, batch, [0.3])
    part = buffers(batch, 1)
    metric = Metric(task.kind, np.array(task.parameters, float))
    solve_lists(4, 9, by_counts(batch, metric, [0.3], [1.0], part))
    inside = slice(batch.offsets[4], batch.offsets[9])
    np.testing.assert_array_equal(part.combination[inside], whole.combination[inside])
    np.testing.assert_array_equal(part.task_losses[4:9], whole.task_losses[4:9])
    outside = np.delete(part.combination, np.r_[inside])
    assert np.isnan(outside).all() and np.isnan(part.task_losses[[3, 9]]).all()


@each_task
def test_an_empty_list_is_undefined(task: Task) -> None:
    empty = np.empty(0), np.empty(0, np.uint8)
    pair = np.array([1.0, -1.0]), np.array([1, 0], np.uint8)
    for weight in (0.5, -0.5, 0.0, -np.inf):
        out = solve(task, batch_of([empty, pair, empty]), [weight])
        assert out.defined.tolist() == [False, True, False]
        assert out.task_losses[[0, 2]].tolist() == [[0], [0]]


def test_closed_form_thresholds() -> None:
    scores = np.array([0.3, -0.2, 0.1, -0.5])
    labels = np.array([1, 1, 0, 0], np.uint8)
    out = solve(TASKS["error rate"], batch_of([(scores, labels)]), [0.4])
    assert (out.combination * 4).tolist() == [0, 0, 1, 0]  # positives above 0.4, negatives -0.4
    out = solve(TASKS["error rate"], batch_of([(scores, labels)]), [-0.4])
    assert (out.combination * 4).tolist() == [1, 1, 0, 0]


def test_tied_positives_share_the_places() -> None:
    # Predicting one of the two gains 1/4 - weight/2 and 1/4 - weight/2 again: weight decides.
    scores, labels = np.array([0.0, 0.0, 3.0]), np.array([1, 1, 1], np.uint8)
    table = np.array([[1.0], [1.0], [0.0], [1.0]])
    out = solve_table(batch_of([(scores, labels)]), [table], [-3.0], [1.0])
    assert (out.combination * 3).tolist() == [0.5, 0.5, 1.0]
    assert out.task_losses[0, 0] == 0 and out.values[0, 0] == 1
