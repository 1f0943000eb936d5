"""Lists without a positive: left out, or counted with what is predicted there."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

import directloss as dl
from directloss.errors import ArgumentError, UndefinedMetricError
from tests.cases import TASKS
from tests.harness import UPDATES, TaskCase, make_loss, value_and_gradient

every_update = pytest.mark.parametrize("update", UPDATES)
COUNTED = [
    dl.ZeroOne(), dl.FBeta(), dl.Jaccard(), dl.Dice(), dl.Tversky(0.3, 0.7),
    dl.CountingTask(lambda tp, fp, fn, tn: (fn + fp) / (tp + fp + fn + tn)),
]  # fmt: skip
UNDEFINED = [dl.AveragePrecision(), dl.NDCG(), dl.BalancedError(), dl.GMean(), dl.PrecisionAtK(2)]


def batch() -> tuple[Tensor, Tensor]:
    """Lists with, without, and with positives."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(3, 12, generator=generator).double()
    targets = torch.rand(3, 12, generator=generator) < 0.3
    targets[1] = False
    return scores, targets


@pytest.mark.parametrize("task", COUNTED, ids=repr)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@every_update
def test_what_is_skipped_is_left_out_and_the_others_are_as_without_it(
    task: dl.Task, update: str, reduction: str
) -> None:
    scores, targets = batch()
    make = partial(make_loss, update, task, reduction=reduction)
    value, gradient = value_and_gradient(make(without_positives="skip"), scores, targets)
    others = [0, 2]
    wanted, slope = value_and_gradient(make(), scores[others], targets[others])
    if reduction == "none":
        assert value[1] == 0.0
        value = value[others]
    torch.testing.assert_close(value, wanted, rtol=1e-15, atol=0)
    torch.testing.assert_close(gradient[others], slope, rtol=1e-15, atol=0)
    assert not gradient[1].any()


@pytest.mark.parametrize("task", COUNTED, ids=repr)
@every_update
def test_what_is_punished_is_as_by_default(task: dl.Task, update: str) -> None:
    scores, targets = batch()
    found = value_and_gradient(make_loss(update, task, without_positives="punish"), scores, targets)
    wanted = value_and_gradient(make_loss(update, task), scores, targets)
    assert torch.equal(found[0], wanted[0]) and torch.equal(found[1], wanted[1])
    assert (
        wanted[0]
        != value_and_gradient(make_loss(update, task, without_positives="skip"), scores, targets)[0]
    )


def test_descent_on_a_punished_list_lowers_every_false_alarm() -> None:
    scores, targets = torch.tensor([0.3, 0.1, -0.2]), torch.zeros(3)
    _, gradient = value_and_gradient(dl.DirectLoss(dl.Jaccard(), epsilon=1.0), scores, targets)
    assert (gradient[:2] > 0.0).all() and gradient[2] >= 0.0
    loss_fn = dl.DirectLoss(dl.Jaccard(), epsilon=1.0, without_positives="skip")
    value, gradient = value_and_gradient(loss_fn, scores, targets)
    assert value == 0.0 and not gradient.any()


@pytest.mark.parametrize("task", UNDEFINED, ids=repr)
def test_where_the_metric_is_undefined_they_are_skipped_anyway(task: dl.Task) -> None:
    scores, targets = batch()
    wanted = value_and_gradient(dl.DirectLoss(task, epsilon=1.0), scores, targets)
    loss_fn = dl.DirectLoss(task, epsilon=1.0, without_positives="skip")
    found = value_and_gradient(loss_fn, scores, targets)
    assert torch.equal(found[0], wanted[0]) and torch.equal(found[1], wanted[1])
    with pytest.raises(ArgumentError, match=r"^without_positives: got 'punish' for .*undefined"):
        dl.DirectLoss(task, without_positives="punish")


@pytest.mark.parametrize("case", TASKS, ids=str)
def test_a_task_that_skips_is_undefined_there_and_one_that_punishes_is_not(case: TaskCase) -> None:
    task = case.make()
    if task.without_positives is None:
        assert task.target_per_list
        return
    loss_fn = dl.DirectLoss(task, epsilon=1.0, empty="error")
    scores, targets = torch.tensor([0.5, -0.5]), torch.zeros(2)
    if task.without_positives == "punish":
        assert loss_fn(scores, targets) > 0.0
        return
    with pytest.raises(UndefinedMetricError):
        loss_fn(scores, targets)


def test_diagnostics_bounds_and_the_warning_leave_them_out() -> None:
    scores, targets = batch()
    loss_fn = dl.DirectLoss(dl.FBeta(), epsilon=1.0, without_positives="skip")
    alone = dl.DirectLoss(dl.FBeta(), epsilon=1.0)
    others = [0, 2]
    found, wanted = (
        loss_fn.diagnostics(scores, targets), alone.diagnostics(scores[others], targets[others]),
    )  # fmt: skip
    for name in ("pairs_flipped", "task_loss", "task_loss_direct", "zero_gradient_share"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name), abs=1e-12)
    bounds = zip(
        loss_fn.bounds(scores, targets), alone.bounds(scores[others], targets[others]), strict=True
    )
    assert all(torch.allclose(mine, theirs) for mine, theirs in bounds)
    perfect = torch.tensor([[2.0, -1.0], [3.0, -1.0]]), torch.tensor([[1, 0], [0, 0]])
    assert dl.FBeta().read(*perfect, without_positives="skip").is_perfect()
    assert not dl.FBeta().read(*perfect).is_perfect()


def test_traced_graphs_noise_and_functions_leave_them_out() -> None:
    torch.compiler.reset()
    scores, targets = batch()
    loss_fn = dl.DirectLoss(dl.FBeta(), epsilon=1.0, without_positives="skip")
    wanted = value_and_gradient(loss_fn, scores, targets)
    compiled = torch.compile(loss_fn, fullgraph=True, backend="aot_eager")
    found = value_and_gradient(compiled, scores, targets)
    assert torch.equal(found[0], wanted[0]) and torch.equal(found[1], wanted[1])
    noisy = dl.DirectLoss(
        dl.FBeta(), epsilon=1.0, without_positives="skip", perturbation=dl.Perturbation(1.0)
    )
    assert not value_and_gradient(noisy, scores, targets)[1][1].any()
    options = {"without_positives": "skip", "reduction": "none"}
    for update, step in (
        (dl.functional.direct_loss, {"epsilon": 1.0}),
        (dl.functional.hinge_loss, {}),
        (dl.functional.perceptron_loss, {}),
    ):
        assert update(scores, targets, dl.FBeta(), **step, **options)[1] == 0.0  # type: ignore[operator]


def test_what_fits_no_task_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^without_positives: got 'drop', wanted 'skip'"):
        dl.DirectLoss(dl.FBeta(), without_positives="drop")  # type: ignore[arg-type]
    for task in (dl.MulticlassZeroOne(), dl.Chain()):
        with pytest.raises(ArgumentError, match=r"^without_positives: got 'skip' for .*None"):
            dl.HingeLoss(task, without_positives="skip")
