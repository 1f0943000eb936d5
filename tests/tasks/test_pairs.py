"""Rankings by pairs as a user meets them: the metric, the protocol, a metric of one's own."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

import directloss as dl
from directloss.errors import ArgumentError
from tests.cases import TASKS, both_classes
from tests.harness import TaskCase, distinct_points, make_loss

PAIRS = [case for case in TASKS if isinstance(case.make(), dl.RankingTask)]
every_pair_task = pytest.mark.parametrize("case", PAIRS, ids=str)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["raw logits", "all negative", "ties", "all tied", "huge", "tiny"])
def test_average_precision_is_that_of_scikit_learn(kind: str, dtype: torch.dtype) -> None:
    rng = np.random.default_rng(0)
    task = dl.AveragePrecision()
    for n in (2, 3, 17, 300, 2500):
        targets = both_classes(rng, n)
        scores = {
            "raw logits": lambda n=n: 3 * rng.normal(size=n),
            "all negative": lambda n=n: -5 - rng.exponential(size=n),
            "ties": lambda n=n: rng.integers(-3, 3, size=n) / 2,
            "all tied": lambda n=n: np.full(n, -0.25),
            "huge": lambda n=n: 6e4 * rng.uniform(-1, 1, size=n),
            "tiny": lambda n=n: 1e-4 * rng.normal(size=n),
        }[kind]()
        rounded = torch.tensor(scores).to(dtype)
        wanted = average_precision_score(targets, rounded.double().numpy())
        found = task.metric(rounded, torch.tensor(targets))
        assert found.dtype == torch.float64 and found.shape == ()
        assert float(found) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("labels", [torch.bool, torch.uint8, torch.int64, torch.float32])
def test_targets_may_be_of_any_type(labels: torch.dtype) -> None:
    scores, targets = torch.tensor([0.1, -0.3, 0.2]), torch.tensor([0, 1, 0])
    assert dl.AveragePrecision().metric(scores, targets.to(labels)) == pytest.approx(1 / 3)


@every_pair_task
def test_the_metric_equals_its_reference_with_ties(case: TaskCase) -> None:
    rng = np.random.default_rng(1)
    task = case.make()
    for n in (2, 3, 8, 60, 200):
        for scores in (rng.normal(size=n), rng.integers(-2, 2, size=n) / 1.0):
            targets = case.draw(rng, n)
            found = float(task.metric(torch.tensor(scores), torch.tensor(targets)))
            assert found == pytest.approx(case.reference(scores, targets), abs=1e-12)


def test_a_users_roc_auc_is_that_of_scikit_learn_without_ties() -> None:
    rng = np.random.default_rng(2)
    task = dl.RankingTask(lambda i, P, N: 1.0 / P, lambda n, P, N: 1.0 - n / N, by="negatives")
    for n in (2, 9, 400):
        scores, targets = rng.normal(size=n), both_classes(rng, n)
        found = float(task.metric(torch.tensor(scores), torch.tensor(targets)))
        assert found == pytest.approx(roc_auc_score(targets, scores), abs=1e-12)


@every_pair_task
def test_the_protocol_answers_with_configurations(case: TaskCase) -> None:
    task = case.make()
    for scores, targets, everything in distinct_points(case, 40, seed=3):
        s, t = torch.tensor(scores), torch.tensor(targets)
        answers = {
            0.0: task.configuration(s, t, 0.0),
            0.6: task.configuration(s, t, 0.6),
            -0.6: task.configuration(s, t, -0.6),
            -inf: task.configuration(s, t, -inf),
        }
        for weight, y in answers.items():
            assert y.shape == s.shape and y.dtype == torch.float64
            found = everything.index_of(y.numpy())
            value = float((y * s).sum())
            delta = float(task.task_loss(y, t))
            assert delta == pytest.approx(everything.losses[found], abs=1e-12)
            wanted, _ = everything.best(scores, weight)
            objective = value if weight == -inf else value + weight * delta
            assert objective == pytest.approx(wanted, abs=1e-12)
        assert float(task.task_loss(answers[-inf], t)) == pytest.approx(
            everything.losses.min(), abs=1e-12
        )


@every_pair_task
def test_the_protocol_takes_lists_in_rows(case: TaskCase) -> None:
    scores, targets = case.batch(np.random.default_rng(4), 6, 7)
    task = case.make()
    s, t = scores.reshape(2, 3, 7), targets.reshape(2, 3, 7)
    y = task.configuration(s, t, -0.5)
    assert y.shape == s.shape
    assert torch.equal(
        y.reshape(6, 7),
        torch.stack([task.configuration(a, b, -0.5) for a, b in zip(scores, targets, strict=True)]),
    )
    losses = task.task_loss(y, t)
    assert losses.shape == (2, 3) and losses.dtype == torch.float64


def test_inference_puts_tied_negatives_first_and_ignores_the_order_of_storage() -> None:
    task, scores = dl.AveragePrecision(), torch.zeros(4)
    for order in ([1, 1, 0, 0], [0, 0, 1, 1], [0, 1, 0, 1]):
        targets = torch.tensor(order)
        y = task.configuration(scores, targets, 0.0)
        assert y.tolist() == [-0.5 if label else 0.5 for label in order]
        assert float(task.task_loss(y, targets)) == pytest.approx(1 - (1 / 3 + 2 / 4) / 2)


def test_half_precision_scores_of_the_protocol_are_read_exactly() -> None:
    scores, targets = TASKS[0].tensors(np.random.default_rng(5), 30, torch.bfloat16)
    task = dl.AveragePrecision()
    found = task.configuration(scores, targets, 0.1)
    assert torch.equal(found, task.configuration(scores.double(), targets, 0.1))


def test_an_array_is_zero_past_its_end() -> None:
    scores, targets = torch.tensor([3.0, 2.0, 1.0]), torch.tensor([0, 1, 1])
    # Precision at the first two positions; only the first positive counts.
    task = dl.RankingTask([1.0], [1.0, 0.5], by="position")
    assert float(task.metric(scores, targets)) == 0.5
    by_negatives = dl.RankingTask([0.5, 0.5], [1.0], by="negatives")
    assert float(by_negatives.metric(scores, targets)) == 0.0
    assert float(by_negatives.metric(-scores, targets)) == 1.0


def test_functions_are_asked_with_arrays_and_only_for_lists_of_both_classes() -> None:
    seen: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def rank_weights(i: np.ndarray, P: np.ndarray, N: np.ndarray) -> np.ndarray:
        seen.append((i, P, N))
        return 1.0 / P

    task = dl.RankingTask(rank_weights, lambda n, P, N: 1.0 - n / N, by="negatives")
    targets = torch.tensor([[1, 1, 0], [0, 0, 0], [1, 1, 1], [1, 0, 0]])
    value = task.metric(torch.rand(4, 3), targets, reduction="none")
    assert value.isnan().tolist() == [False, True, True, False]
    for i, P, N in seen:
        assert i.shape == P.shape == N.shape
        assert (P > 0).all() and (N > 0).all() and (P + N == 3).all() and (i >= 0).all()


def test_tables_grow_and_are_shared_without_mixing_lists_up() -> None:
    """Lists of other lengths, earlier and later, leave no trace."""
    rng = np.random.default_rng(6)
    used = dl.AveragePrecision()
    for n in (5, 300, 7, 2000, 3):
        scores, targets = torch.tensor(rng.normal(size=n)), torch.tensor(both_classes(rng, n))
        for weight in (0.2, -0.2):
            assert torch.equal(
                used.configuration(scores, targets, weight),
                dl.AveragePrecision().configuration(scores, targets, weight),
            )


@pytest.mark.parametrize(
    ("argument", "rank_weights", "discount", "by"),
    [
        ("by", [1.0], [1.0], "rank"),
        ("rank_weights", [1.0, -0.5], [1.0], "position"),
        ("rank_weights", [inf], [1.0], "position"),
        ("rank_weights", [[1.0]], [1.0], "position"),
        ("rank_weights", [], [1.0], "position"),
        ("discount", [1.0], [nan], "position"),
        ("discount", [1.0], True, "position"),
        ("discount", [1.0], "1/p", "position"),
    ],
    ids=str,
)
def test_tables_that_make_no_sense_are_named(
    argument: str, rank_weights: object, discount: object, by: str
) -> None:
    with pytest.raises(ArgumentError, match=rf"^{argument}: got"):
        dl.RankingTask(rank_weights, discount, by=by)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [-1.0, inf, nan])
def test_functions_that_make_no_sense_are_named(bad: float) -> None:
    scores, targets = torch.tensor([1.0, 0.0]), torch.tensor([1, 0])
    task = dl.RankingTask(lambda i, P, N: np.full(i.shape, bad), np.ones(4))
    with pytest.raises(ArgumentError, match=r"^rank_weights: got"):
        task.metric(scores, targets)
    if bad != -1.0:
        task = dl.RankingTask(np.ones(4), lambda p, P, N: np.full(p.shape, bad))
        with pytest.raises(ArgumentError, match=r"^discount: got"):
            task.metric(scores, targets)


def test_reductions_of_the_metric() -> None:
    scores = torch.tensor([[2.0, 1.0], [1.0, 2.0], [0.0, 0.0]])
    targets = torch.tensor([[1, 0], [1, 0], [0, 0]])
    task = dl.AveragePrecision()
    each = task.metric(scores, targets, reduction="none")
    assert each[:2].tolist() == [1.0, 0.5] and each[2].isnan()
    assert task.metric(scores, targets) == 0.75
    assert task.metric(scores, targets, reduction="sum") == 1.5
    assert task.metric(scores[2], targets[2]).isnan()
    assert task.metric(scores[2], targets[2], reduction="sum") == 0.0
    with pytest.raises(ArgumentError, match=r"^reduction: got 'median'"):
        task.metric(scores, targets, reduction="median")  # type: ignore[arg-type]


def test_a_task_says_which_way_is_better_and_what_it_is() -> None:
    assert dl.AveragePrecision().higher_is_better
    assert repr(dl.AveragePrecision()) == "AveragePrecision()"
    assert repr(dl.RankingTask([1.0, 0.5], 1 / np.arange(1.0, 90.0))) == (
        "RankingTask(rank_weights=[1, 0.5], discount=[1, 0.5, 0.333, ... 89 in all], by='position')"
    )
    task = dl.RankingTask(Halves(), discount_of_dcg, by="negatives")
    assert repr(task) == (
        "RankingTask(rank_weights=Halves, discount=discount_of_dcg, by='negatives')"
    )


class Halves:
    """A function that is an object."""

    def __call__(self, i: np.ndarray, P: np.ndarray, N: np.ndarray) -> np.ndarray:
        return np.full(i.size, 0.5)


def discount_of_dcg(n: np.ndarray, P: np.ndarray, N: np.ndarray) -> np.ndarray:
    return 1.0 / np.log2(n + 2.0)


@pytest.mark.parametrize("by", ["position", "negatives"])
@pytest.mark.parametrize("update", ["hinge", "perceptron"])
def test_the_ground_truth_of_a_discount_that_grows_refuses_lists_too_long_for_its_table(
    update: str, by: str
) -> None:
    scores, targets = torch.zeros(30_000), torch.arange(30_000) % 2
    falls, grows = np.array([1.0, 0.5, 0.5, 0.2]), np.array([1.0, 0.5, 0.6, 0.2])
    value = make_loss(update, dl.RankingTask([1.0], falls, by=by))(scores, targets)
    assert value.isfinite()
    with pytest.raises(ArgumentError, match=r"^scores: got a list of 15000 positives and 15000 "):
        make_loss(update, dl.RankingTask([1.0], grows, by=by))(scores, targets)
    small = slice(0, 100)
    assert make_loss(update, dl.RankingTask([1.0], grows, by=by))(
        scores[small], targets[small]
    ).isfinite()
