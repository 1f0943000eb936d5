"""Relevant items by index: the same as dense targets, for every layout."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

import directloss as dl
from directloss.errors import ArgumentError
from tests.harness import UPDATES, make_loss, value_and_gradient

TASKS = [dl.AveragePrecision(), dl.NDCG(5), dl.RecallAtK(3, relevant_from=2), dl.FBeta()]


def judged(*rows: int, items: int = 50, grades: bool = False) -> tuple[dl.Qrels, Tensor]:
    """Some relevant items of each list, and the dense targets, by definition."""
    generator = torch.Generator().manual_seed(0)
    order = torch.rand(*rows, items, generator=generator).argsort(-1)[..., :4]
    order[..., -1] = torch.where(torch.rand(rows, generator=generator) < 0.5, -1, order[..., -1])
    given = torch.randint(1, 4, order.shape, generator=generator)
    dense = torch.zeros(*rows, items, dtype=torch.int64)
    for place in torch.cartesian_prod(*map(torch.arange, order.shape)).reshape(-1, order.ndim):
        *row, _ = place = tuple(place.tolist())
        if order[place] >= 0:
            dense[(*row, int(order[place]))] = given[place] if grades else 1
    return dl.Qrels(order, given if grades else None), dense


@pytest.mark.parametrize("task", TASKS, ids=repr)
@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("rows", [(), (3,), (2, 3)])
def test_values_and_gradients_are_those_of_dense_targets(
    task: dl.Task, update: str, rows: tuple[int, ...]
) -> None:
    sparse, dense = judged(*rows, grades=task.graded)
    scores = torch.randn(*rows, 50).double()
    loss_fn = make_loss(update, task)
    found = value_and_gradient(loss_fn, scores, sparse)  # type: ignore[arg-type]
    wanted = value_and_gradient(loss_fn, scores, dense)
    assert torch.equal(found[0], wanted[0]) and torch.equal(found[1], wanted[1])
    assert torch.equal(task.metric(scores, sparse), task.metric(scores, dense))


def test_other_axes_masks_and_groups() -> None:
    sparse, dense = judged(3)
    scores, mask = torch.randn(3, 50), torch.rand(3, 50) < 0.7
    groups = torch.arange(50).remainder(4)
    options: dict[str, Any]
    for options in ({"mask": mask}, {"groups": groups}):
        loss_fn = dl.DirectLoss(dl.FBeta(), epsilon=1.0)
        assert torch.equal(loss_fn(scores, sparse, **options), loss_fn(scores, dense, **options))
    columns = dl.DirectLoss(dl.FBeta(), epsilon=1.0, dim=0)
    assert torch.equal(columns(scores.T, sparse), columns(scores.T, dense.T))
    images = dl.DirectLoss(dl.FBeta(), epsilon=1.0, dim=(1, 2))
    assert torch.equal(
        images(scores.reshape(3, 5, 10), sparse),
        images(scores.reshape(3, 5, 10), dense.reshape(3, 5, 10)),
    )


def test_an_item_that_comes_twice_has_the_larger_grade() -> None:
    twice = dl.Qrels(torch.tensor([2, 2, -1, 0]), torch.tensor([1.0, 3.0, 9.0, 2.0]))
    assert twice.dense((), 4).tolist() == [2.0, 0.0, 3.0, 0.0]


@pytest.mark.parametrize("fill", [-1.0, float("nan"), 9.0])
def test_the_grade_of_no_item_may_be_anything(fill: float) -> None:
    filled = dl.Qrels(torch.tensor([[1, -1]]), torch.tensor([[2.0, fill]]))
    assert filled.dense((1,), 4).tolist() == [[0.0, 2.0, 0.0, 0.0]]


def test_they_move_as_one() -> None:
    for grades in (None, torch.ones(1, 2)):
        moved = dl.Qrels(torch.tensor([[1, -1]]), grades).to("meta")
        assert moved.items.device.type == "meta"
        assert (moved.grades is None) == (grades is None)
        assert moved.grades is None or moved.grades.device.type == "meta"


def test_a_loader_stacks_them_and_a_graph_takes_them() -> None:
    rows = [dl.Qrels(torch.tensor([k, -1]), torch.tensor([2, 0])) for k in range(6)]
    batches = list(DataLoader(rows, batch_size=3))  # type: ignore[arg-type]
    assert isinstance(batches[0], dl.Qrels) and batches[0].items.shape == (3, 2)
    loss_fn = dl.DirectLoss(dl.NDCG(), epsilon=1.0)
    compiled = torch.compile(loss_fn, backend="aot_eager", fullgraph=True)
    scores = torch.randn(3, 8)
    torch.testing.assert_close(compiled(scores, batches[0]), loss_fn(scores, batches[0]))


@pytest.mark.parametrize(
    ("items", "grades", "message"),
    [
        (torch.tensor([[8], [0]]), None, "targets.items: got 8, wanted places from 0 to 7"),
        (torch.tensor([[-2], [0]]), None, "targets.items: got -2, wanted places"),
        (torch.tensor([0, 1]), None, r"targets.items: got shape \(2,\), wanted shape \(2, K\): "),
        (torch.ones(2, 1), None, "targets.items: got torch.float32, wanted a tensor of integers"),
        ([[1]], None, "targets.items: got list, wanted a tensor of integers"),
        (torch.ones(2, 1, dtype=torch.int64), torch.ones(2), r"targets.grades: got shape \(2,\)"),
        (torch.ones(2, 1, dtype=torch.int64), -torch.ones(2, 1), "targets.grades: got -1"),
    ],
)
def test_what_is_wrong_is_named(items: Any, grades: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        dl.DirectLoss(dl.NDCG())(torch.randn(2, 8), dl.Qrels(items, grades))


def test_tasks_of_other_targets_refuse_them() -> None:
    judgements = dl.Qrels(torch.tensor([[1], [0]]))
    chain = dl.LinearChain(torch.randn(2, 3, 4), torch.randn(4, 4))
    with pytest.raises(ArgumentError, match="targets: got Qrels"):
        dl.DirectLoss(dl.Chain())(chain, judgements)
    with pytest.raises(ArgumentError, match="targets: got Qrels"):
        dl.DirectLoss(dl.TopKError(1))(torch.randn(2, 8), judgements)
    with pytest.raises(ArgumentError, match="targets: got Qrels"):
        dl.DirectLoss(dl.FBeta(), class_dim=1)(torch.randn(2, 8), judgements)
