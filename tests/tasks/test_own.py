"""A task from two functions of one list equals the built-in one that it says again."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import directloss as dl
from directloss.errors import ArgumentError
from directloss.tasks.own import ListTask
from tests.brute_force import average_precision_gain, interleavings
from tests.harness import UPDATES, make_loss, solve_batch, value_and_gradient

Floats = NDArray[np.float64]


def keep_gainful(scores: Floats, targets: Floats, weight: float) -> Floats:
    """The 0-1 loss's argmax: an item is predicted where that raises F + weight * Delta."""
    if weight == -np.inf:
        return targets / targets.size
    return (scores + weight * np.where(targets == 1, -1.0, 1.0) > 0) / targets.size


def error_rate(y: Floats, targets: Floats) -> float:
    return float(np.mean((y > 0) != targets))


def best_interleaving(scores: Floats, targets: Floats, weight: float) -> Floats:
    """Average precision's argmax, by trying all interleavings of the two sorted classes."""
    order = [np.flatnonzero(targets == label) for label in (1, 0)]
    order = [items[np.argsort(-scores[items], kind="stable")] for items in order]
    P, N = (items.size for items in order)
    if P * N == 0:
        return np.zeros(scores.size)
    gain = average_precision_gain(P, N)

    def coefficients(above: tuple[int, ...]) -> Floats:
        y = np.empty(scores.size)
        y[order[0]] = (N - 2.0 * np.array(above)) / (P * N)
        below = [sum(n <= j for n in above) for j in range(N)]
        y[order[1]] = (P - 2.0 * np.array(below)) / (P * N)
        return y

    def worth(above: tuple[int, ...]) -> tuple[float, ...]:
        loss = 1.0 - sum(gain[i, n] for i, n in enumerate(above))
        F = float(coefficients(above) @ scores)
        return (-loss, F) if weight == -np.inf else (F + weight * loss, loss)

    return coefficients(max(interleavings(P, N), key=worth))


def missed_precision(y: Floats, targets: Floats) -> float:
    P, N = int(np.sum(targets == 1)), int(np.sum(targets == 0))
    if P * N == 0:
        return float("nan")
    above = np.sort((N - y[targets == 1] * P * N) / 2.0)
    ranks = np.arange(1, P + 1)
    return float(1.0 - np.mean(ranks / (ranks + above)))


PAIRS = {
    "0-1": (ListTask(keep_gainful, error_rate), dl.ZeroOne()),
    "average precision": (ListTask(best_interleaving, missed_precision), dl.AveragePrecision()),
}


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("name", PAIRS)
def test_it_is_the_built_in_task(name: str, update: str) -> None:
    own, built_in = PAIRS[name]
    for seed in range(10):
        rng = np.random.default_rng(seed)
        scores = torch.from_numpy(rng.normal(size=(4, 6)))
        targets = torch.from_numpy(rng.integers(0, 2, (4, 6)))
        mask = torch.from_numpy(rng.random((4, 6)) < 0.9)
        found, expected = (
            value_and_gradient(
                make_loss(update, task, reduction="none"), scores, targets, mask=mask
            )
            for task in (own, built_in)
        )
        for came, wanted in zip(found, expected, strict=True):
            torch.testing.assert_close(came, wanted, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("name", PAIRS)
def test_metric_and_protocol(name: str) -> None:
    own, built_in = PAIRS[name]
    scores, targets = torch.randn(3, 6, dtype=torch.float64), torch.tensor([[0, 1, 1, 0, 1, 0]] * 3)
    assert not own.higher_is_better
    torch.testing.assert_close(
        own.metric(scores, targets, reduction="none"),
        1.0 - built_in.metric(scores, targets, reduction="none"),
    )
    for weight in (-0.7, 0.7):
        y = own.configuration(scores, targets, weight)
        torch.testing.assert_close(y, built_in.configuration(scores, targets, weight))
        torch.testing.assert_close(own.task_loss(y, targets), built_in.task_loss(y, targets))


def test_tied_items_share_and_neighbours_do_not() -> None:
    scores, targets = [[0.0, 0.0, 0.0, 0.0]], [[1, 0, 1, 0]]
    terms = {"weights": [0.0], "coefficients": [1.0], "share_ties": True}
    shared = solve_batch(ListTask(best_interleaving, missed_precision), scores, targets, **terms)
    np.testing.assert_allclose(shared.combination, 0.0, atol=1e-15)
    # The shown loss is that of the worst order, sharing or not.
    assert shared.task_losses[0, 0] == pytest.approx(1 - (1 / 3 + 2 / 4) / 2)
    alone = ListTask(best_interleaving, missed_precision, interchangeable=False)
    plain = solve_batch(alone, scores, targets, **terms)
    np.testing.assert_allclose(plain.combination, [-0.5, 0.5, -0.5, 0.5])


def test_lists_without_a_metric_are_left_out() -> None:
    loss_fn = dl.DirectLoss(PAIRS["average precision"][0], epsilon=1.0, reduction="none")
    scores = torch.randn(3, 4, dtype=torch.float64)
    targets = torch.tensor([[0, 0, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]])
    value, gradient = value_and_gradient(loss_fn, scores, targets)
    assert value[0] == value[2] == 0.0 and value[1] > 0.0
    assert not gradient[[0, 2]].any() and gradient[1].any()


def test_graded_targets_come_as_they_are() -> None:
    def largest(scores: Floats, targets: Floats, weight: float) -> Floats:
        if weight == -np.inf:
            return np.eye(scores.size)[np.lexsort((scores, targets))[-1]]
        return np.eye(scores.size)[np.argmax(scores - weight * targets)]

    def regret(y: Floats, targets: Floats) -> float:
        return float(targets.max() - y @ targets)

    task = ListTask(largest, regret, targets="any")
    scores, targets = torch.tensor([0.3, 0.2, -1.0]), torch.tensor([0.5, 1.25, -2.0])
    value, gradient = value_and_gradient(dl.DirectLoss(task, epsilon=0.5), scores, targets)
    assert float(value) == 0.75
    # At +0.5 the first item is best still, at -0.5 the second.
    torch.testing.assert_close(gradient, torch.tensor([1.0, -1.0, 0.0]))


def test_errors_name_the_function() -> None:
    scores, targets = torch.randn(4), torch.tensor([1, 0, 1, 0])
    short = ListTask(lambda s, t, w: s[:1], error_rate)
    with pytest.raises(ArgumentError, match=r"inference: got shape \(1,\)"):
        short.metric(scores, targets)
    negative = ListTask(keep_gainful, lambda y, t: -1.0)
    with pytest.raises(ArgumentError, match=r"task_loss: got -1\.0"):
        negative.metric(scores, targets)
    with pytest.raises(ArgumentError, match="targets"):
        PAIRS["0-1"][0].metric(scores, torch.tensor([-1, 1, 1, -1]))
    for wrong in ({"direction": "up"}, {"targets": "all"}):
        with pytest.raises(ArgumentError, match=next(iter(wrong))):
            ListTask(keep_gainful, error_rate, **wrong)
    with pytest.raises(ArgumentError, match="task_loss"):
        ListTask(keep_gainful, None)  # type: ignore[arg-type]


def test_pickle() -> None:
    task = pickle.loads(pickle.dumps(PAIRS["0-1"][0]))
    scores, targets = torch.randn(9), torch.ones(9)
    assert task.metric(scores, targets) == PAIRS["0-1"][0].metric(scores, targets)
    assert repr(task) == "ListTask(error_rate)"


def divided_in_place(tp: Floats, fp: Floats, fn: Floats, tn: Floats) -> Floats:
    """The Jaccard loss, in arrays of the type that came."""
    index = np.zeros_like(tp)
    found = tp > 0
    index[found] = tp[found] / (tp + fp + fn)[found]
    return 1 - index


def test_a_function_of_counts_gets_floats_for_its_unit_too() -> None:
    labels = torch.arange(1000) < 50
    scores = torch.randn(1000, generator=torch.Generator().manual_seed(0)) + 2.5 * labels - 2
    found, wanted = (
        value_and_gradient(dl.DirectLoss(dl.CountingTask(loss), epsilon=0.5), scores, labels)
        for loss in (
            divided_in_place,
            lambda tp, fp, fn, tn: 1 - tp / np.maximum(tp + fp + fn, 1),
        )
    )
    torch.testing.assert_close(found, wanted)
    assert (found[1] != 0).sum() > 2
    dl.DirectLoss(dl.CountingTask(lambda tp, fp, fn, tn: fn * (tp + fn + 1) ** -1))(scores, labels)
