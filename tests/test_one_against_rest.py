"""Class indices: each class against the rest, as with one-hot targets that nobody makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, f1_score, jaccard_score, roc_auc_score
from torch import Tensor
from torch.nn.functional import one_hot

import directloss as dl
from directloss import _one_against_rest, functional
from directloss.errors import ArgumentError, NonFiniteScoreError, UndefinedMetricError
from tests.harness import UPDATES, make_loss, value_and_gradient

CLASSES = 5
TASKS = [
    dl.FBeta(), dl.Jaccard(), dl.BalancedError(), dl.ZeroOne(), dl.GMean(),
    dl.MatthewsCorrelation(), dl.AveragePrecision(), dl.ROCAUC(), dl.NDCG(),
]  # fmt: skip
every_task = pytest.mark.parametrize("task", TASKS, ids=repr)
in_parts = pytest.mark.parametrize("small", [0, 1 << 18], ids=["class by class", "all at once"])


@pytest.fixture
def few_at_once(small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_one_against_rest, "_SMALL", small)


def batch(*shape: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Scores (B, C, ...), and a class for each item, of which the last one is never right."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(shape, generator=generator).to(dtype)
    targets = torch.randint(0, CLASSES - 1, (shape[0], *shape[2:]), generator=generator)
    return scores, targets


def as_one_hot(targets: Tensor) -> Tensor:
    return one_hot(targets, CLASSES).movedim(-1, 1)


def compare(found: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor]) -> None:
    """Equal but for rounding."""
    torch.testing.assert_close(found[0], wanted[0], rtol=1e-14, atol=0)
    torch.testing.assert_close(found[1], wanted[1], rtol=1e-14, atol=0)


@every_task
@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@in_parts
@pytest.mark.usefixtures("few_at_once")
def test_values_and_gradients_are_those_of_one_hot_targets(
    task: dl.Task, update: str, reduction: str
) -> None:
    scores, targets = batch(6, CLASSES, 4, 3)
    for dim in ((0, 2, 3), (2, 3), (0, 3)):
        options = {"dim": dim, "reduction": reduction}
        found = value_and_gradient(make_loss(update, task, class_dim=1, **options), scores, targets)
        wanted = value_and_gradient(make_loss(update, task, **options), scores, as_one_hot(targets))
        compare(found, wanted)


@every_task
@pytest.mark.parametrize("unit", ["score", "loss"])
@pytest.mark.parametrize("direction", ["positive", "negative", "both"])
def test_without_dim_a_list_holds_all_items_of_the_batch(
    task: dl.Task, unit: Any, direction: Any
) -> None:
    scores, targets = batch(40, CLASSES)
    options = {"epsilon": 0.5, "unit": unit, "direction": direction, "reduction": "none"}
    loss_fn = dl.DirectLoss(task, class_dim=1, **options)
    found = value_and_gradient(loss_fn, scores, targets)
    assert found[0].shape == (CLASSES,)
    compare(
        found,
        value_and_gradient(dl.DirectLoss(task, dim=0, **options), scores, as_one_hot(targets)),
    )
    function = functional.direct_loss(scores, targets, task, class_dim=-1, **options)
    assert torch.equal(function, found[0])


@in_parts
@pytest.mark.usefixtures("few_at_once")
def test_auto_pools_the_spread_of_all_classes() -> None:
    scores, targets = batch(30, CLASSES, 2)
    scores *= torch.arange(1.0, CLASSES + 1)[:, None]  # each class with a spread of its own
    loss_fn = dl.DirectLoss(dl.FBeta(), class_dim=1)
    loss_fn(scores, targets)
    one_hot_loss = dl.DirectLoss(dl.FBeta(), dim=(0, 2))
    one_hot_loss(scores, as_one_hot(targets))
    torch.testing.assert_close(loss_fn.epsilon, one_hot_loss.epsilon, rtol=1e-14, atol=0)


@every_task
@in_parts
@pytest.mark.usefixtures("few_at_once")
def test_an_ignored_index_is_a_mask(task: dl.Task) -> None:
    scores, targets = batch(6, CLASSES, 4, 3)
    mask = torch.rand(targets.shape, generator=torch.Generator().manual_seed(1)) < 0.7
    scores.movedim(1, -1)[~mask] = torch.nan  # in no list
    with_255 = torch.where(mask, targets, 255)
    masked = value_and_gradient(
        dl.DirectLoss(task, epsilon=1.0, class_dim=1), scores, targets, mask=mask
    )
    loss_fn = dl.DirectLoss(task, epsilon=1.0, class_dim=1, ignore_index=255)
    ignored = value_and_gradient(loss_fn, scores, with_255.to(torch.uint8))
    assert torch.equal(masked[0], ignored[0]) and torch.equal(masked[1], ignored[1])
    everywhere = mask[:, None].expand(scores.shape)
    dense = dl.DirectLoss(task, epsilon=1.0, dim=(0, 2, 3))
    compare(ignored, value_and_gradient(dense, scores, as_one_hot(targets), mask=everywhere))
    metric = task.metric(scores, with_255, class_dim=1, ignore_index=255, reduction="none")
    expected = task.metric(
        scores, as_one_hot(targets), dim=(0, 2, 3), mask=everywhere, reduction="none"
    )
    torch.testing.assert_close(metric, expected, rtol=1e-14, atol=0, equal_nan=True)


@pytest.mark.parametrize("reduction", ["mean", "none"])
@in_parts
@pytest.mark.usefixtures("few_at_once")
def test_groups_are_lists_of_every_class(reduction: Any) -> None:
    scores, targets = batch(60, CLASSES)
    groups = torch.arange(60).remainder(3)
    options: dict[str, Any] = {"epsilon": 1.0, "reduction": reduction}
    found = value_and_gradient(
        dl.DirectLoss(dl.FBeta(), class_dim=1, **options), scores, targets, groups=groups
    )
    wanted = value_and_gradient(
        dl.DirectLoss(dl.FBeta(), dim=0, **options), scores, as_one_hot(targets), groups=groups
    )
    compare(found, wanted)
    # Each value's gradient reaches the scores of its own list.
    weights = torch.arange(1.0, found[0].numel() + 1).reshape(found[0].shape).double()
    leaves = [scores.clone().requires_grad_() for _ in range(2)]
    (dl.DirectLoss(dl.FBeta(), class_dim=1, **options)(leaves[0], targets, groups=groups)
     * weights).sum().backward()  # fmt: skip
    (dl.DirectLoss(dl.FBeta(), dim=0, **options)(leaves[1], as_one_hot(targets), groups=groups)
     * weights).sum().backward()  # fmt: skip
    assert leaves[0].grad is not None and leaves[1].grad is not None
    torch.testing.assert_close(leaves[0].grad, leaves[1].grad, rtol=1e-14, atol=0)


def test_without_positives_the_missing_class_counts_or_not() -> None:
    scores, targets = batch(50, CLASSES)
    each = dl.DirectLoss(dl.Jaccard(), class_dim=1, reduction="none")(scores, targets)
    assert each[-1] == 1.0, "the last class is predicted, and never right"
    punished = dl.DirectLoss(dl.Jaccard(), class_dim=1)(scores, targets)
    skipped = dl.DirectLoss(dl.Jaccard(), class_dim=1, without_positives="skip")(scores, targets)
    torch.testing.assert_close(punished, each.mean())
    torch.testing.assert_close(skipped, each[:-1].mean())


def test_metrics_are_those_of_scikit_learn() -> None:
    """Each class is predicted where its score is above 0: labels of several classes an item."""
    scores, targets = batch(300, CLASSES - 1)
    scores += 2.0 * one_hot(targets, CLASSES - 1)
    hot, predicted = one_hot(targets, CLASSES - 1).numpy(), scores.numpy() > 0.0
    for task, metric in ((dl.FBeta(), f1_score), (dl.Jaccard(), jaccard_score)):
        wanted = metric(hot, predicted, average="macro")
        assert task.metric(scores, targets, class_dim=1).item() == pytest.approx(wanted, rel=1e-12)
    each = dl.BalancedError().metric(scores, targets, class_dim=1, reduction="none")
    for number, value in enumerate(each.tolist()):
        wanted = balanced_accuracy_score(hot[:, number], predicted[:, number])
        assert value == pytest.approx(wanted, rel=1e-12)
    area = dl.ROCAUC().metric(scores.numpy(), targets.numpy(), class_dim=1).item()
    assert area == pytest.approx(roc_auc_score(hot, scores, average="macro"), rel=1e-12)


def test_no_tensor_of_all_classes_is_made_where_they_are_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_one_against_rest, "_SMALL", 0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    made = []
    chunk = _one_against_rest.OneAgainstRest._classes
    monkeypatch.setattr(
        _one_against_rest.OneAgainstRest,
        "_classes",
        lambda self, first, last: made.append(last - first) or chunk(self, first, last),
    )
    scores = torch.randn(3, 21, 8)
    dl.DirectLoss(dl.FBeta(), class_dim=1)(scores, torch.randint(0, 21, (3, 8)))
    assert sum(made) == 2 * 21 and max(made) <= 21 // 4, "once for epsilon, once for the update"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_half_precisions(dtype: torch.dtype) -> None:
    scores, targets = batch(30, CLASSES, 2, dtype=dtype)
    options: dict[str, Any] = {"epsilon": 0.5}
    found = value_and_gradient(dl.DirectLoss(dl.FBeta(), class_dim=1, **options), scores, targets)
    wanted = value_and_gradient(
        dl.DirectLoss(dl.FBeta(), dim=(0, 2), **options), scores, as_one_hot(targets)
    )
    assert found[1].dtype == dtype
    torch.testing.assert_close(found[0], wanted[0], rtol=1e-6, atol=0)
    torch.testing.assert_close(found[1], wanted[1], rtol=1e-6, atol=0)


def test_under_autocast() -> None:
    model = torch.nn.Conv2d(3, CLASSES, 1)
    images, targets = torch.randn(2, 3, 8, 8), torch.randint(0, CLASSES, (2, 8, 8))
    with torch.autocast("cpu", torch.bfloat16):
        loss = dl.DirectLoss(dl.Jaccard(), class_dim=1)(model(images), targets)
    loss.backward()
    assert model.weight.grad is not None and model.weight.grad.any()


# What a graph knows of a type and of a reduction has nothing to do with the other.
@pytest.mark.parametrize(
    ("dtype", "reduction"),
    [
        (torch.float64, "mean"),
        (torch.float32, "none"),
        (torch.float16, "none"),
        (torch.bfloat16, "mean"),
    ],
)
def test_in_a_traced_graph(dtype: torch.dtype, reduction: Any) -> None:
    torch.compiler.reset()
    scores, targets = batch(30, CLASSES, 2)
    scores = scores.to(dtype)
    for task in (dl.FBeta(), dl.AveragePrecision()):
        loss_fn = dl.DirectLoss(task, epsilon=0.5, class_dim=1, ignore_index=0, reduction=reduction)
        compiled = torch.compile(loss_fn, backend="aot_eager", fullgraph=True)
        wanted = value_and_gradient(loss_fn, scores, targets)
        found = value_and_gradient(compiled, scores, targets)
        assert found[1].dtype == dtype
        compare(found, wanted)


def test_a_traced_graph_refuses_what_is_no_class() -> None:
    torch.compiler.reset()
    scores, targets = batch(30, CLASSES, 2)
    compiled = torch.compile(
        dl.DirectLoss(dl.FBeta(), epsilon=0.5, class_dim=1), backend="aot_eager", fullgraph=True
    )
    targets[3, 1] = CLASSES
    with pytest.raises(ArgumentError, match=r"^targets: "):
        compiled(scores, targets)


def test_with_the_solver_in_torch() -> None:
    scores, targets = batch(30, CLASSES, 2)
    loss_fn = dl.DirectLoss(dl.BalancedError(), epsilon=0.5, class_dim=1)
    wanted = value_and_gradient(loss_fn, scores, targets)
    with dl.solver("device"):
        found = value_and_gradient(loss_fn, scores, targets)
    torch.testing.assert_close(found[0], wanted[0], rtol=1e-12, atol=0)
    torch.testing.assert_close(found[1], wanted[1], rtol=1e-12, atol=1e-16)


def test_perturbation_bounds_and_diagnostics() -> None:
    scores, targets = batch(30, CLASSES, 2)
    for perturbation in (None, dl.Perturbation(0.1)):
        options: dict[str, Any] = {"epsilon": 0.5, "perturbation": perturbation}
        loss_fn = dl.DirectLoss(dl.FBeta(), class_dim=1, **options)
        dense = dl.DirectLoss(dl.FBeta(), dim=(0, 2), **options)
        for name in ("bounds", "__call__"):
            if perturbation is not None:
                perturbation.state[1] = 0
            found = getattr(loss_fn, name)(scores, targets)
            if perturbation is not None:
                perturbation.state[1] = 0
            wanted = getattr(dense, name)(scores, as_one_hot(targets))
            torch.testing.assert_close(found, wanted, rtol=1e-12, atol=0)
    assert dense.diagnostics(scores, as_one_hot(targets)) == loss_fn.diagnostics(scores, targets)


def test_what_cannot_be_is_refused_by_name() -> None:
    scores, targets = batch(6, CLASSES, 4)
    loss_fn = dl.DirectLoss(dl.FBeta(), class_dim=1)
    with pytest.raises(
        ArgumentError, match=r"targets: got 7, wanted class indices from 0 to 4.*ig"
    ):
        loss_fn(scores, torch.full_like(targets, 7))
    with pytest.raises(ArgumentError, match=r"targets: got -100, .*ignore_index=-100"):
        loss_fn(scores, torch.full_like(targets, -100))
    with pytest.raises(ArgumentError, match=r"targets: got shape \(6, 5, 4\), wanted the shape"):
        loss_fn(scores, as_one_hot(targets))
    with pytest.raises(ArgumentError, match=r"targets: got torch.float32, wanted class indices"):
        loss_fn(scores, targets.float())
    with pytest.raises(ArgumentError, match=r"mask: got torch.int64"):
        loss_fn(scores, targets, mask=targets)
    with pytest.raises(ArgumentError, match="mask: got shape"):
        loss_fn(scores, targets, mask=as_one_hot(targets).bool())
    with pytest.raises(ArgumentError, match="targets: got ndarray"):
        loss_fn(scores, np.zeros((6, 4)))
    with pytest.raises(ArgumentError, match="dim: got 1, wanted axes other than that of the cl"):
        dl.DirectLoss(dl.FBeta(), class_dim=1, dim=1)(scores, targets)
    with pytest.raises(ArgumentError, match="class_dim: got 3 for scores of shape"):
        dl.DirectLoss(dl.FBeta(), class_dim=3)(scores, targets)
    with pytest.raises(ArgumentError, match="class_dim: got 0 for scores of shape"):
        dl.DirectLoss(dl.FBeta(), class_dim=0)(scores[0, :, 0], targets[0, 0])
    with pytest.raises(ArgumentError, match="class_dim: got '1', wanted an int"):
        dl.DirectLoss(dl.FBeta(), class_dim="1")  # type: ignore[arg-type]
    with pytest.raises(NonFiniteScoreError, match="1 NaN"):
        loss_fn(torch.where(torch.arange(4) == 2, scores, scores[:1, :1, :1]) * torch.where(
            torch.arange(120).reshape(6, 5, 4) == 3, torch.nan, 1.0), targets)  # fmt: skip
    refuses = dl.DirectLoss(dl.BalancedError(), class_dim=1, empty="error")
    with pytest.raises(UndefinedMetricError, match=r"1 of 5 lists .*first: that at \(4,\)"):
        refuses(scores, targets)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (dl.Chain(), "not those of classes"),
        (dl.MulticlassZeroOne(), "takes class indices as they are"),
        (dl.TopKError(2), "takes class indices as they are"),
    ],
    ids=repr,
)
def test_tasks_without_such_lists_refuse(task: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=f"class_dim: got 1 for .*{message}"):
        dl.DirectLoss(task, class_dim=1)


def test_one_item_cannot_be_ranked() -> None:
    scores, targets = batch(1, CLASSES)
    with pytest.raises(ArgumentError, match=r"scores: got shape \(1, 5\), 5 lists of one item"):
        dl.DirectLoss(dl.AveragePrecision(), class_dim=1)(scores, targets)
    with pytest.raises(ArgumentError, match=r"scores: got shape \(1, 5\), 5 lists of one item"):
        functional.direct_loss(scores, targets, dl.ROCAUC(), epsilon=1.0, class_dim=1)
    dl.DirectLoss(dl.FBeta(), class_dim=1)(scores, targets)


@pytest.mark.parametrize("place", ["host", "device"])
def test_an_index_that_the_type_cannot_hold_leaves_nothing_out(place: Any) -> None:
    scores, targets = torch.ones(3, 200), torch.tensor([0, 156, 156], dtype=torch.uint8)
    how: dict[str, Any] = {"epsilon": 1.0, "class_dim": 1, "reduction": "none", "solver": place}
    found = dl.DirectLoss(dl.Jaccard(), ignore_index=-100, **how)(scores, targets)
    assert torch.equal(found, dl.DirectLoss(dl.Jaccard(), **how)(scores, targets))
    left_out = dl.DirectLoss(dl.Jaccard(), ignore_index=156, **how)(scores, targets)
    assert not torch.equal(found, left_out)


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_an_empty_batch_with_groups(reduction: Any) -> None:
    scores = torch.randn(0, 3, 4, requires_grad=True)
    loss_fn = dl.DirectLoss(
        dl.Jaccard(),
        class_dim=1,
        dim=2,
        class_weight=[1.0, 2.0, 3.0],
        epsilon=0.5,
        reduction=reduction,
    )
    value = loss_fn(scores, torch.zeros(0, 4).long(), groups=torch.tensor([0, 0, 1, 1]))
    assert value.shape == ((0, 3, 2) if reduction == "none" else ())
    value.sum().backward()
    assert scores.grad is not None and scores.grad.shape == scores.shape


def test_a_transform_sees_what_is_no_class() -> None:
    loss_fn = dl.DirectLoss(dl.Jaccard(), class_dim=1, epsilon=1.0)
    targets = torch.tensor([0, 7, 1])
    with pytest.raises(ArgumentError, match=r"^targets: got 7"):
        torch.func.grad(lambda scores: loss_fn(scores, targets))(torch.randn(3, 3))
