"""The numbers of `diagnostics`, each against its definition."""

from __future__ import annotations

from math import inf, isnan, nan

import numpy as np
import pytest
import torch

import directloss as dl
from directloss.errors import ArgumentError
from tests.cases import TASKS
from tests.harness import DIRECTIONS, TaskCase, distinct_points, make_loss, value_and_gradient

every_direction = pytest.mark.parametrize("direction", DIRECTIONS)
AP = TASKS[0]


@pytest.mark.parametrize("case", TASKS, ids=str)
@every_direction
def test_losses_and_bounds_are_those_of_the_enumeration(case: TaskCase, direction: str) -> None:
    epsilon = 0.4
    for scores, targets, everything in distinct_points(case, 30, seed=0):
        loss_fn = make_loss(direction, case.make(), epsilon)
        found = loss_fn.diagnostics(torch.tensor(scores), torch.tensor(targets))
        predicted = case.predicted_loss(scores, targets)
        plain, _ = everything.best(scores, 0.0)
        up, worse = everything.best(scores, epsilon)
        down, better = everything.best(scores, -epsilon)
        assert found.task_loss == pytest.approx(predicted, abs=1e-12)
        assert found.upper == pytest.approx((up - plain) / epsilon, abs=1e-9)
        assert found.lower == pytest.approx((plain - down) / epsilon, abs=1e-9)
        ends = {
            "positive": [everything.losses[worse]],
            "negative": [everything.losses[better]],
            "both": [everything.losses[worse], everything.losses[better]],
        }
        assert found.task_loss_direct == pytest.approx(np.mean(ends[direction]), abs=1e-12)
        assert found.epsilon == epsilon
        spread = scores.std()
        assert found.spread == pytest.approx(spread)
        assert found.epsilon_over_spread == pytest.approx(epsilon / spread)
        _, gradient = value_and_gradient(loss_fn, torch.tensor(scores), torch.tensor(targets))
        assert found.zero_gradient_share == float(not gradient.any())


@every_direction
def test_pairs_flipped_counts_pairs(direction: str) -> None:
    """Read off the pairs of the two configurations, for average precision."""
    task = dl.AveragePrecision()
    flips = set()
    for scores, targets, _ in distinct_points(AP, 60, seed=1):
        s, t = torch.tensor(scores), torch.tensor(targets)
        epsilon = 0.8
        found = make_loss(direction, task, epsilon).diagnostics(s, t).pairs_flipped
        weights = {"positive": (epsilon, 0.0), "negative": (0.0, -epsilon),
                   "both": (epsilon, -epsilon)}[direction]  # fmt: skip
        above = []
        for weight in weights:
            y = task.configuration(s, t, weight).numpy()
            P, N = int(targets.sum()), int((targets == 0).sum())
            counts = np.sort(np.round((N - y[targets == 1] * P * N) / 2))
            above.append(np.arange(N) >= counts[:, None])
        assert found == pytest.approx((above[0] != above[1]).mean(), abs=1e-12)
        flips.add(round(found, 6))
    assert len(flips) > 3


def test_means_are_over_the_lists_on_which_the_metric_is_defined() -> None:
    rng = np.random.default_rng(2)
    scores, targets = AP.batch(rng, 4, 8)
    targets[1] = 0
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.4)
    each = [loss_fn.diagnostics(scores[k], targets[k]) for k in (0, 2, 3)]
    found = loss_fn.diagnostics(scores, targets)
    for name in (
        "pairs_flipped", "task_loss", "task_loss_direct", "lower", "upper", "zero_gradient_share",
    ):  # fmt: skip
        wanted = np.mean([getattr(one, name) for one in each])
        assert getattr(found, name) == pytest.approx(wanted, abs=1e-12), name
    deviations = scores - scores.mean(1, keepdim=True)
    assert found.spread == pytest.approx(float(deviations.square().mean().sqrt()))


def test_layouts_are_read_as_by_the_loss() -> None:
    rng = np.random.default_rng(3)
    scores, targets = AP.batch(rng, 2, 9)
    rows = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.4)
    columns = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.4, dim=0)
    assert columns.diagnostics(scores.T, targets.T) == rows.diagnostics(scores, targets)
    mask = torch.ones(2, 9, dtype=torch.bool)
    mask[:, 6:] = False
    targets[:, :2] = torch.tensor([0.0, 1.0]).double()
    cut = rows.diagnostics(scores[:, :6].contiguous(), targets[:, :6].contiguous())
    spoiled = scores.clone()
    spoiled[:, 6:] = float("nan")
    assert rows.diagnostics(spoiled, targets, mask=mask) == cut


def test_a_share_of_lists_without_gradient() -> None:
    far, close = [9.0, 0.0, -9.0], [0.1, 0.05, 0.0]
    scores = torch.tensor([far, close, far, far])
    targets = torch.tensor([[1, 0, 0]] * 4)
    found = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.5).diagnostics(scores, targets)
    assert found.zero_gradient_share == 0.75


def test_lists_without_entries_between_others() -> None:
    scores = torch.tensor([[0.1, 0.05, 0.0]]).repeat(4, 1)
    targets = torch.tensor([[1, 0, 0]]).repeat(4, 1)
    mask = torch.tensor([True, False, True, False])[:, None].expand(4, 3)
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.5)
    found = loss_fn.diagnostics(scores, targets, mask=mask)
    assert found == loss_fn.diagnostics(scores[:2], targets[:2])


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3), (2, 3)])
def test_nothing_to_look_at(shape: tuple[int, ...]) -> None:
    """No entries, or no list with both classes."""
    loss_fn = dl.DirectLoss(dl.AveragePrecision())
    found = loss_fn.diagnostics(torch.zeros(shape), torch.zeros(shape))
    assert found.task_loss == found.lower == found.upper == found.spread == 0.0
    assert found.epsilon == 1.0 and found.epsilon_over_spread == inf


def test_looking_changes_nothing() -> None:
    scores, targets = AP.batch(np.random.default_rng(4), 3, 8)
    loss_fn = dl.DirectLoss(dl.AveragePrecision())
    found = loss_fn.diagnostics(scores, targets)
    assert isnan(float(loss_fn.epsilon))
    assert found.epsilon == pytest.approx(found.spread)
    leaf = scores.clone().requires_grad_()
    loss_fn.diagnostics(leaf, targets)
    assert leaf.grad is None


@every_direction
def test_one_call_of_the_solver_says_it_all(
    direction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    solve = dl.AveragePrecision.solve

    def counted(task: dl.AveragePrecision, *arguments: object, **options: object) -> object:
        calls.append(arguments)
        return solve(task, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(dl.AveragePrecision, "solve", counted)
    scores, targets = AP.batch(np.random.default_rng(5), 3, 8)
    make_loss(direction, dl.AveragePrecision()).diagnostics(scores, targets)
    assert len(calls) == 1


@pytest.mark.parametrize("task", [dl.AveragePrecision(), dl.NDCG(), dl.Jaccard()], ids=repr)
@every_direction
def test_from_equal_scores_half_of_the_pairs_flip_and_no_list_is_dead(
    direction: str, task: dl.Task
) -> None:
    """The prediction leaves tied pairs open; what both ends agree on would be a dead direction."""
    loss_fn = make_loss(direction, task, 1.0)
    scores, targets = torch.zeros(6), torch.tensor([1, 0, 0, 1, 0, 0])
    found = loss_fn.diagnostics(scores, targets)
    _, gradient = value_and_gradient(loss_fn, scores, targets)
    assert found.zero_gradient_share == float(not gradient.any())
    if isinstance(task, dl.AveragePrecision):
        assert found.pairs_flipped == pytest.approx(1.0 if direction == "both" else 0.5)


def test_perfect_is_the_least_loss_that_there_is() -> None:
    """Of one positive, precision at 3 has at most 1/3; lists without positives do not count."""
    scores, targets = torch.tensor([[3.0, 2.0, -1.0, 0.0]] * 2), torch.zeros(2, 4)
    assert not dl.PrecisionAtK(3).read(scores, targets).is_perfect()
    targets[0, 1] = 1
    assert dl.PrecisionAtK(3).read(scores, targets).is_perfect()
    assert not dl.AveragePrecision().read(scores, targets).is_perfect()
    targets[0, :2] = torch.tensor([1.0, 0.0])
    assert dl.AveragePrecision().read(scores, targets).is_perfect()
    targets[1, 2] = 1
    assert not dl.PrecisionAtK(2).read(scores, targets).is_perfect()
    mask = torch.tensor([True, False])[:, None].expand(2, 4)
    assert dl.PrecisionAtK(2).read(scores, targets, mask=mask).is_perfect()


def test_the_spread_says_of_how_many_items_it_is() -> None:
    scores = torch.tensor([[0.0, 1.0, torch.inf, 2.0], [3.0, 1.0, 0.0, 5.0]])
    targets, mask = torch.tensor([[0, 1, 0, 0], [1, 0, 0, 0]]), torch.ones(2, 4, dtype=torch.bool)
    mask[1, 3] = False
    found = dl.DirectLoss(dl.AveragePrecision()).diagnostics(scores, targets, mask=mask)
    assert found.spread_items == 6, "neither the infinite score nor the masked one"


def test_means_take_the_weights_that_the_loss_takes() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(4, 3, 10, generator=generator)
    classes = torch.randint(0, 3, (4, 10), generator=generator)
    loss_fn = dl.DirectLoss(
        dl.Jaccard(),
        class_dim=1,
        dim=2,
        epsilon=0.4,
        without_positives="skip",
        class_weight=[1.0, 2.0, 3.0],
    )
    found = loss_fn.diagnostics(scores, classes)
    assert found.task_loss == pytest.approx(loss_fn(scores, classes).item())
    lower, upper = loss_fn.bounds(scores, classes)
    assert (found.lower, found.upper) == pytest.approx((lower.item(), upper.item()))
    weight = torch.rand(4, generator=generator)
    plain = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.4)
    lists, targets = scores[:, 0], scores[:, 1] > 0.5
    found = plain.diagnostics(lists, targets, weight=weight)
    assert found.task_loss == pytest.approx(plain(lists, targets, weight=weight).item())
    for wrong in (-1.0, inf, nan):
        with pytest.raises(ArgumentError, match="weight: got "):
            plain.diagnostics(lists, targets, weight=torch.tensor([wrong, 1.0, 1.0, 1.0]))
    nothing = plain.diagnostics(lists, targets, weight=torch.zeros(4))
    assert nothing.task_loss == 0.0
