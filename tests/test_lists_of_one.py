"""Scores (n, 1): n lists of one item each, in which there is nothing to rank."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import directloss as dl
from directloss import functional
from directloss.errors import ArgumentError

RANKING = [
    dl.AveragePrecision(), dl.AveragePrecision(3), dl.ReciprocalRank(), dl.ROCAUC(),
    dl.PartialAUC(0.3), dl.RankingTask(1.0, [1.0, 0.5]), dl.NDCG(), dl.PrecisionAtK(2),
    dl.RecallAtK(2), dl.RPrecision(), dl.BEDROC(),
]  # fmt: skip
every_ranking_task = pytest.mark.parametrize("task", RANKING, ids=repr)

LOSSES: list[Callable[[dl.Task], nn.Module]] = [dl.DirectLoss, dl.HingeLoss, dl.PerceptronLoss]
every_loss = pytest.mark.parametrize("make", LOSSES)

ADVICE = r"^scores: got shape \(5, 1\), 5 lists of one item .* dim=0 .* scores\.squeeze\(-1\)"

SCORES, TARGETS = torch.arange(5.0)[:, None], torch.tensor([0, 1, 0, 1, 0])[:, None]


@every_ranking_task
@every_loss
@pytest.mark.parametrize("training", [True, False])
def test_a_loss_that_ranks_refuses_them(
    task: dl.Task, make: Callable[[dl.Task], nn.Module], training: bool
) -> None:
    loss_fn = make(task).train(training)
    with pytest.raises(ArgumentError, match=ADVICE):
        loss_fn(SCORES, TARGETS)
    assert all(buffer.isnan() for name, buffer in loss_fn.named_buffers() if name == "epsilon")


@every_ranking_task
def test_so_do_looks_functions_and_the_metric(task: dl.Task) -> None:
    loss_fn = dl.DirectLoss(task)
    for look in (
        loss_fn.bounds,
        loss_fn.diagnostics,
        task.metric,
        lambda s, t: functional.direct_loss(s, t, task, epsilon=0.1),
        lambda s, t: functional.hinge_loss(s, t, task),
        lambda s, t: functional.perceptron_loss(s, t, task),
    ):
        with pytest.raises(ArgumentError, match=ADVICE):
            look(SCORES, TARGETS)


@every_loss
def test_what_it_advises_helps(make: Callable[[dl.Task], nn.Module]) -> None:
    losses = []
    column = torch.randn(30, 1, generator=torch.Generator().manual_seed(0))
    positive = (torch.arange(30) % 3 == 0)[:, None]
    for dim, scores, targets in (
        (0, column, positive),
        (-1, column.squeeze(-1), positive.squeeze(-1)),
    ):
        loss_fn = make(dl.AveragePrecision(), dim=dim)
        leaf = scores.clone().requires_grad_()
        loss_fn(leaf, targets).backward()
        assert leaf.grad.any()
        losses.append(leaf.grad.squeeze(-1))
    assert torch.equal(*losses)


@every_loss
def test_padded_lists_may_be_that_short_once_longer_ones_came(
    make: Callable[[dl.Task], nn.Module],
) -> None:
    loss_fn = make(dl.NDCG())
    loss_fn(torch.randn(3, 4), torch.ones(3, 4))
    assert loss_fn(SCORES, TARGETS) == 0.0


def test_functions_and_metrics_know_padded_lists_by_their_mask() -> None:
    mask = torch.ones(5, 1, dtype=torch.bool)
    assert dl.NDCG().metric(SCORES, TARGETS, mask=mask) == 1.0
    for options in ({"mask": mask}, {"ignore_index": -1}):
        loss = functional.direct_loss(SCORES, TARGETS, dl.NDCG(), epsilon=0.1, **options)
        assert loss == 0.0


@pytest.mark.parametrize("shape", [(1,), (1, 1), (1, 1, 1)])
@every_ranking_task
def test_one_list_of_one_item_is_a_list(task: dl.Task, shape: tuple[int, ...]) -> None:
    for make in LOSSES:
        assert make(task)(torch.zeros(shape), torch.zeros(shape)) == 0.0
    task.metric(torch.zeros(shape), torch.zeros(shape))


def test_groups_of_one_entry_are_what_they_are() -> None:
    """Said entry by entry, not by a shape."""
    scores, targets = SCORES[:, 0], TARGETS[:, 0]
    assert dl.DirectLoss(dl.NDCG())(scores, targets, groups=torch.arange(5)) == 0.0


@pytest.mark.parametrize("task", [dl.ZeroOne(), dl.FBeta(), dl.Tversky(1, 1)], ids=repr)
def test_what_is_counted_may_come_one_by_one(task: dl.Task) -> None:
    for make in LOSSES:
        leaf = SCORES.clone().requires_grad_()
        make(task)(leaf - 2.0, TARGETS).backward()
        assert leaf.grad.shape == (5, 1)
    assert float(task.metric(SCORES - 2.5, TARGETS)) == 0.6


def test_classes_may_be_one() -> None:
    assert dl.DirectLoss(dl.MulticlassZeroOne())(SCORES, torch.zeros(5, dtype=torch.int64)) == 0.0


@every_loss
@pytest.mark.parametrize("left_out", [None, 255])
def test_so_do_class_indices(make: Callable[..., nn.Module], left_out: int | None) -> None:
    scores, targets = torch.randn(6, 3, 1), torch.randint(0, 3, (6, 1))
    loss_fn = make(dl.AveragePrecision(), class_dim=1, dim=2, ignore_index=left_out)
    advice = r"^scores: got shape \(6, 3, 1\), 18 lists of one item each, .* dim=0, or no dim="
    with pytest.raises(ArgumentError, match=advice):
        loss_fn(scores, targets)
    loss_fn(torch.randn(2, 3, 4), torch.randint(0, 3, (2, 4)))
    assert loss_fn(scores, targets) == 0.0, "once longer lists came, some may be that short"
    with pytest.raises(ArgumentError, match="a larger batch"):
        make(dl.ROCAUC(), class_dim=1)(torch.randn(1, 3), torch.tensor([2]))


def test_a_metric_of_class_indices_refuses_them_without_a_mask() -> None:
    scores, targets = torch.randn(6, 3, 1), torch.randint(0, 3, (6, 1))
    with pytest.raises(ArgumentError, match="dim=0"):
        dl.ROCAUC().metric(scores, targets, class_dim=1, dim=2)
    assert dl.ROCAUC().metric(scores, targets, class_dim=1, dim=2, ignore_index=9).isnan()
    with pytest.raises(ArgumentError, match="dim=0"):
        functional.direct_loss(scores, targets, dl.ROCAUC(), epsilon=0.1, class_dim=1, dim=2)


def test_compiled_losses_refuse_them_too() -> None:
    torch.compiler.reset()

    def loss(scores: Tensor, targets: Tensor) -> Tensor:
        value: Tensor = loss_fn(scores, targets)
        return value

    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.5)
    compiled = torch.compile(loss, backend="eager")
    with pytest.raises(Exception, match=r"dim=0"):
        compiled(SCORES, TARGETS)
    assert compiled(SCORES[:, 0], TARGETS[:, 0]) == loss(SCORES[:, 0], TARGETS[:, 0])
