"""The list of a batch, lengthened by the scores of those before it."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from torch import Tensor, nn

import directloss as dl
from directloss.errors import ArgumentError, NonFiniteScoreError
from directloss.training import ScoreMemory


def loss_of(task: dl.Task | None = None, **options: object) -> dl.DirectLoss:
    return dl.DirectLoss(task or dl.AveragePrecision(), epsilon=0.5, **options)


def batches(count: int, *shape: int) -> list[tuple[Tensor, Tensor]]:
    """Batches of 6, 7, 8 ... rows."""
    sizes = range(6, 6 + count)
    scores = [torch.randn(n, *shape, dtype=torch.float64) for n in sizes]
    return [(s, torch.rand(s.shape) < 0.4) for s in scores]


@pytest.mark.parametrize(("shape", "dim"), [((), -1), ((), 0), ((3,), 0), ((3,), (0, 1))], ids=str)
def test_the_list_is_the_batch_and_the_last_ones(
    shape: tuple[int, ...], dim: int | tuple[int, ...]
) -> None:
    loss_fn = ScoreMemory(loss_of(dim=dim), 2)
    seen = batches(5, *shape)
    for number, (scores, targets) in enumerate(seen):
        scores.requires_grad_()
        before = seen[max(number - 2, 0) : number]
        loss = loss_fn(scores, targets)
        loss.backward()
        joined = torch.cat([s.detach() for s, _ in before] + [scores.detach()]).requires_grad_()
        wanted = loss_of(dim=dim)(joined, torch.cat([t for _, t in before] + [targets]))
        wanted.backward()
        assert loss == wanted
        # The rows of the batch stand for all rows.
        factor = len(joined) / len(scores)
        torch.testing.assert_close(scores.grad, factor * joined.grad[-len(scores) :])
    assert loss_fn.sizes.tolist() == [9, 10]
    assert torch.equal(loss_fn.scores, torch.cat([seen[3][0], seen[4][0]]))
    assert not loss_fn.scores.requires_grad


@pytest.mark.parametrize(
    ("class_dim", "dim"), [(1, None), (-1, None), (1, (0, 2)), (1, 0)], ids=str
)
def test_lists_of_classes_are_the_batch_and_the_last_ones(
    class_dim: int, dim: int | tuple[int, ...] | None
) -> None:
    shape = (4,) if dim is None else (4, 3)
    how = {"class_dim": class_dim, "dim": dim}
    first, second = torch.randn(6, *shape).double(), torch.randn(7, *shape).double()
    indices = torch.randint(0, 4, (13, *shape[1:]))
    loss_fn = ScoreMemory(loss_of(dl.Jaccard(), **how), 2)
    loss_fn(first, indices[:6])
    loss = loss_fn(second, indices[6:])
    assert loss == loss_of(dl.Jaccard(), **how)(torch.cat([first, second]), indices)
    assert loss_fn.sizes.tolist() == [6, 7]


def test_lists_of_classes_along_another_axis_are_refused() -> None:
    for how, came in (
        ({"class_dim": 0}, "class_dim: got 0"),
        ({"class_dim": 1, "dim": 2}, "dim: got 2"),
    ):
        loss_fn = ScoreMemory(loss_of(dl.Jaccard(), **how), 2)
        with pytest.raises(ArgumentError, match=f"^{came}, .*, wanted lists along the first axis"):
            loss_fn(torch.zeros(3, 3, 3), torch.zeros(3, 3, dtype=torch.int64))


def test_groups_and_masks_are_remembered() -> None:
    loss_fn = ScoreMemory(loss_of(dl.NDCG()), 1)
    (old, old_targets), (new, new_targets) = batches(2)
    old_groups, new_groups = torch.arange(6) % 2, torch.arange(7) % 2
    masks = torch.arange(13) % 5 > 0
    loss_fn(old, old_targets, groups=old_groups, mask=masks[:6])
    loss = loss_fn(new, new_targets, groups=new_groups, mask=masks[6:])
    wanted = loss_of(dl.NDCG())(
        torch.cat([old, new]),
        torch.cat([old_targets, new_targets]),
        groups=torch.cat([old_groups, new_groups]),
        mask=masks,
    )
    assert loss == wanted
    with pytest.raises(ArgumentError, match="groups and mask: got some batches without"):
        loss_fn(new, new_targets)


@pytest.mark.parametrize("class_dim", [None, 1])
def test_weights_of_items_are_remembered(class_dim: int | None) -> None:
    how, shape = {"class_dim": class_dim}, () if class_dim is None else (4,)
    scores, weight = torch.randn(13, *shape).double(), torch.rand(13).double()
    targets = torch.randint(0, 4 if class_dim else 2, (13,))
    loss_fn = ScoreMemory(loss_of(dl.ZeroOne(), **how), 2)
    loss_fn(scores[:6], targets[:6], weight=weight[:6])
    loss = loss_fn(scores[6:], targets[6:], weight=weight[6:])
    assert loss == loss_of(dl.ZeroOne(), **how)(scores, targets, weight=weight)
    again = ScoreMemory(loss_of(dl.ZeroOne(), **how), 2)
    again.load_state_dict(loss_fn.state_dict())
    assert torch.equal(again.weight, weight)
    with pytest.raises(ArgumentError, match="weight: got some batches without"):
        loss_fn(scores[6:], targets[6:])


@pytest.mark.parametrize("class_dim", [1, -1])
def test_as_many_items_as_classes_are_items(class_dim: int) -> None:
    loss_fn = ScoreMemory(loss_of(dl.ZeroOne(), class_dim=class_dim), 8)
    scores, weight = torch.randn(15, 10).double(), torch.rand(15).double()
    targets = torch.randint(0, 10, (15,))
    for k in range(0, 15, 5):  # two batches have ten items of ten classes
        rows = slice(k, k + 5)
        loss = loss_fn(scores[rows], targets[rows], weight=weight[rows])
    plain = loss_of(dl.ZeroOne(), class_dim=1)
    assert loss == plain(scores, targets, weight=weight)


@pytest.mark.parametrize(("shape", "of_lists"), [((), ()), ((3,), (3,))], ids=str)
def test_weights_of_lists_are_those_of_the_call(
    shape: tuple[int, ...], of_lists: tuple[int, ...]
) -> None:
    loss_fn = ScoreMemory(loss_of(dim=0, reduction="sum"), 1)
    (old, old_targets), (new, new_targets) = batches(2, *shape)
    loss_fn(old, old_targets, weight=torch.rand(of_lists))
    weight = torch.rand(of_lists).double()
    loss = loss_fn(new, new_targets, weight=weight)
    joined = torch.cat([old, new]), torch.cat([old_targets, new_targets])
    assert loss == loss_of(dim=0, reduction="sum")(*joined, weight=weight)


def test_weights_without_a_meaning_are_refused() -> None:
    loss_fn, ((scores, targets),) = ScoreMemory(loss_of(dim=0), 2), batches(1, 3)
    for weight, options, message in (
        (
            torch.ones(2),
            {},
            r"got shape \(2,\), wanted \(3,\), one a list, or \(6, 3\), one an item",
        ),
        (torch.ones(3).requires_grad_(), {}, "got a tensor that requires grad"),
        (
            torch.ones(2, 3),
            {"groups": torch.arange(6) % 2},
            "got a value, wanted None with groups=",
        ),
    ):
        with pytest.raises(ArgumentError, match=f"^weight: {message}"):
            loss_fn(scores, targets, weight=weight, **options)
    of_classes = ScoreMemory(loss_of(dl.ZeroOne(), class_dim=1), 2)
    with pytest.raises(ArgumentError, match="wanted class_weight= of the loss"):
        of_classes(torch.zeros(2, 3), torch.arange(2), weight=torch.ones(3))
    of_classes = ScoreMemory(loss_of(dl.ZeroOne(), class_dim=1, dim=0), 2)
    with pytest.raises(ArgumentError, match="and no dim= for those of items"):
        of_classes(torch.zeros(2, 3), torch.arange(2), weight=torch.ones(2))
    loss_fn.eval()
    groups, weight = torch.arange(6) % 2, torch.ones(2, 3)
    assert loss_fn(scores, targets, groups=groups, weight=weight) == loss_of(dim=0)(
        scores, targets, groups=groups
    )
    assert not loss_fn.sizes.numel()


@pytest.mark.parametrize("shape", [(), (3,)], ids=str)
def test_relevant_items_by_index_are_remembered_as_targets(shape: tuple[int, ...]) -> None:
    """Places are those in the lists of the batch that brings them."""
    found, wanted = ScoreMemory(loss_of(dim=0), 2), ScoreMemory(loss_of(dim=0), 2)
    for rows in (6, 7):
        scores, judged = torch.randn(rows, *shape), dl.Qrels(torch.randint(-1, rows, (*shape, 3)))
        dense = judged.dense(shape, rows).movedim(-1, 0)
        assert found(scores, judged) == wanted(scores, dense)
    assert torch.equal(found.targets, wanted.targets)


def test_relevant_items_by_index_need_lists_of_items() -> None:
    class Own(nn.Module):
        def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
            return scores.sum()

    scores, judged = torch.randn(4, 3), dl.Qrels(torch.tensor([[0], [1], [2]]))
    for loss_fn in (loss_of(dl.Jaccard(), class_dim=1), Own()):
        with pytest.raises(ArgumentError, match=r"^targets: got Qrels for .*, wanted a tensor"):
            ScoreMemory(loss_fn, 2)(scores, judged)


def test_it_is_saved_and_loaded_at_any_length() -> None:
    loss_fn, seen = ScoreMemory(loss_of(), 3), batches(6)
    for batch in seen[:4]:
        loss_fn(*batch)
    file = io.BytesIO()
    torch.save(loss_fn.state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    for used in (0, 1, 5):
        other = ScoreMemory(loss_of(), 3)
        for batch in seen[:used]:
            other(*batch)
        other.load_state_dict(state)
        assert other(*seen[4]) == copy.deepcopy(loss_fn)(*seen[4])
    empty = ScoreMemory(loss_of(), 3)
    loss_fn.load_state_dict(empty.state_dict())
    assert loss_fn(*seen[5]) == empty(*seen[5]) == loss_of()(*seen[5])
    assert pickle.loads(pickle.dumps(loss_fn))(*seen[0]) == loss_fn(*seen[0])


def test_evaluation_neither_reads_nor_writes() -> None:
    loss_fn, (first, second, *_) = ScoreMemory(loss_of(), 2), batches(2)
    loss_fn(*first)
    loss_fn.eval()
    assert loss_fn(*second) == loss_of()(*second)
    assert loss_fn.sizes.tolist() == [6]
    loss_fn.forget()
    assert not loss_fn.sizes.numel()
    assert loss_fn.scores is None


def test_a_batch_that_raises_is_not_remembered() -> None:
    loss_fn, (first, (scores, targets)) = ScoreMemory(loss_of(), 2), batches(2)
    loss_fn(*first)
    with pytest.raises(NonFiniteScoreError):
        loss_fn(scores * float("nan"), targets)
    with pytest.raises(ArgumentError, match="targets: got shape"):
        loss_fn(scores, targets[1:])
    with pytest.raises(ArgumentError, match=r"scores: got torch\.float32"):
        loss_fn(scores.float(), targets)
    assert loss_fn.sizes.tolist() == [6]


def test_an_empty_batch_is_one_batch() -> None:
    loss_fn, (first, *_) = ScoreMemory(loss_of(), 2), batches(1)
    loss_fn(*first)
    nothing = torch.zeros(0, dtype=torch.float64, requires_grad=True)
    loss_fn(nothing, torch.zeros(0, dtype=torch.bool)).backward()
    assert loss_fn.sizes.tolist() == [6, 0]


def test_bad_arguments() -> None:
    for batches_ in (0, -1, 1.5, True):
        with pytest.raises(ArgumentError, match="batches: got"):
            ScoreMemory(loss_of(), batches_)
    with pytest.raises(ArgumentError, match="dim: got -1, for scores of shape"):
        ScoreMemory(loss_of(), 2)(torch.zeros(4, 3), torch.ones(4, 3))


def test_it_steadies_the_gradient_of_small_batches() -> None:
    """Batches of 8 at fixed scores: the mean gradient nears that of the whole list."""
    scores, targets = torch.randn(256, dtype=torch.float64), torch.rand(256) < 0.1
    scores += 0.7 * targets
    whole = scores.clone().requires_grad_()
    loss_of()(whole, targets).backward()

    def error(loss_fn: nn.Module) -> float:
        total = torch.zeros_like(scores)
        for _ in range(6):
            for rows in torch.randperm(256).split(8):
                batch = scores[rows].clone().requires_grad_()
                loss_fn(batch, targets[rows]).backward()
                total[rows] += batch.grad / 6 / 32
        return float((total - whole.grad).norm() / whole.grad.norm())

    assert error(ScoreMemory(loss_of(), 16)) < 0.5 * error(loss_of())
