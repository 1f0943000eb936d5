"""A task's metric over batches and processes is the metric of everything at once."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from torch import Tensor

import directloss as dl
from directloss.errors import ArgumentError, NonFiniteScoreError

MetricCollection = pytest.importorskip(
    "torchmetrics", reason="TaskMetric needs directloss[metrics]"
).MetricCollection

from directloss.integrations.torchmetrics import TaskMetric  # noqa: E402
from tests.training.processes import run  # noqa: E402


def binary(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Raw scores, half of them negative and many tied, and targets."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(n, generator=generator).mul(4).round().div(4) - 0.5
    return scores, (torch.rand(n, generator=generator) < 0.3).long()


def in_batches(metric: TaskMetric, *tensors: Tensor, size: int = 7) -> Tensor:
    for batch in zip(*(tensor.split(size) for tensor in tensors), strict=True):
        metric.update(*batch)
    return metric.compute()


def test_batches_continue_one_list() -> None:
    scores, targets = binary(50)
    value = in_batches(TaskMetric(dl.AveragePrecision()), scores, targets)
    assert value.dtype == torch.float64
    assert float(value) == pytest.approx(average_precision_score(targets, scores), abs=1e-12)


def test_groups_are_lists_wherever_their_entries_arrive() -> None:
    scores, targets = binary(60)
    mask = torch.rand(60) < 0.9
    # Numbers beyond what a double holds apart.
    groups = torch.randint(0, 5, (60,)) + 2**60
    value = in_batches(TaskMetric(dl.NDCG()), scores, targets, mask, groups)
    assert value == dl.NDCG().metric(scores, targets, mask=mask, groups=groups)
    by_hand = [
        dl.NDCG().metric(scores[mask & (groups == g)], targets[mask & (groups == g)])
        for g in groups.unique()
    ]
    assert float(value) == pytest.approx(float(torch.stack(by_hand).mean()), abs=1e-12)


def test_rows_are_lists_of_their_own_and_of_any_length() -> None:
    metric, single = TaskMetric(dl.RecallAtK(3)), []
    for length in (5, 9, 1, 6):
        scores, targets = (t.reshape(4, length) for t in binary(4 * length, seed=length))
        metric.update(scores, targets)
        everything = torch.ones(targets.shape, dtype=torch.bool)
        single.append(dl.RecallAtK(3).metric(scores, targets, mask=everything, reduction="none"))
    assert float(metric.compute()) == pytest.approx(float(torch.cat(single).nanmean()), abs=1e-12)


def test_a_column_of_scores_is_no_list_of_lists() -> None:
    with pytest.raises(ArgumentError, match=r"^scores: .* dim=0 .* scores\.squeeze\(-1\)"):
        TaskMetric(dl.RecallAtK(3)).update(*(t[:, None] for t in binary(20)))
    metric = TaskMetric(dl.RecallAtK(3), dim=0)
    metric.update(*(t[:, None] for t in binary(20)))
    assert metric.compute() == dl.RecallAtK(3).metric(*binary(20))


def test_columns_continue() -> None:
    scores, targets = (t.reshape(20, 3) for t in binary(60))
    value = in_batches(TaskMetric(dl.AveragePrecision(), dim=0), scores, targets)
    reference = average_precision_score(targets, scores, average="macro")
    assert float(value) == pytest.approx(reference, abs=1e-12)


@pytest.mark.parametrize("dim", [(1, 2, 3), (0, 1, 2, 3)], ids=["an image", "all images"])
def test_images_with_an_ignored_label(dim: tuple[int, ...]) -> None:
    scores, targets = (t.reshape(6, 1, 5, 4) for t in binary(120))
    targets[torch.rand(targets.shape) < 0.2] = 255
    value = in_batches(TaskMetric(dl.Jaccard(), dim=dim, ignore_index=255), scores, targets, size=4)
    at_once = dl.Jaccard().metric(scores, targets, dim=dim, mask=targets != 255)
    assert float(value) == pytest.approx(float(at_once), abs=1e-12)


def test_class_indices() -> None:
    scores, targets = torch.randn(30, 5), torch.randint(0, 5, (30,))
    targets[::7] = -100
    value = in_batches(TaskMetric(dl.MulticlassZeroOne(), ignore_index=-100), scores, targets)
    kept = targets != -100
    accuracy = (scores.argmax(1) == targets)[kept].double().mean()
    assert float(value) == pytest.approx(float(accuracy), abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16])
def test_an_index_that_the_targets_cannot_hold_leaves_nothing_out(dtype: torch.dtype) -> None:
    """As 8 bits, 156 is -100 and 300 is 44."""
    scores = torch.randn(40, 200)
    targets = torch.arange(40) + (150 if dtype == torch.uint8 else 30)
    targets = targets.clamp(max=torch.iinfo(dtype).max)
    for ignored in (-100, 300):
        metric = TaskMetric(dl.Jaccard(), class_dim=1, ignore_index=ignored)
        metric.update(scores, targets.to(dtype))
        assert metric.compute() == dl.Jaccard().metric(scores, targets, class_dim=1)
    grades = torch.tensor([256.0, 1.0, 0.0])
    rounded = TaskMetric(dl.NDCG(), ignore_index=257)  # 256 as a bfloat16
    rounded.update(torch.arange(3.0), grades.bfloat16())
    assert rounded.compute() == dl.NDCG().metric(torch.arange(3.0), grades)


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("ap", {}, "task: got 'ap', wanted a task on lists"),
        (dl.Chain(), {}, r"task: got Chain\(\), wanted a task on lists"),
        (dl.AveragePrecision, {}, "task: got <class .*, wanted a task on lists"),
        (dl.Jaccard(), {"ignore_index": 1.5}, "ignore_index: got 1.5, wanted an int, or None"),
        (dl.Jaccard(), {"ignore_index": "255"}, "ignore_index: got '255', wanted an int, or None"),
        (dl.Jaccard(), {"ignore_index": True}, "ignore_index: got True, wanted an int, or None"),
    ],
)
def test_wrong_arguments_are_refused_at_once(
    task: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentError, match=f"^{message}"):
        TaskMetric(task, **options)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_type_of_scores(dtype: torch.dtype) -> None:
    scores, targets = binary(40)
    scores = torch.randn(40).to(dtype)
    value = in_batches(TaskMetric(dl.ROCAUC()), scores, targets)
    assert value == dl.ROCAUC().metric(scores.double(), targets)


def test_nan_targets_are_left_out() -> None:
    scores, targets = binary(40)
    holes = targets.double()
    holes[::3] = torch.nan
    kept = ~holes.isnan()
    value = in_batches(TaskMetric(dl.ROCAUC()), scores, holes)
    assert value == dl.ROCAUC().metric(scores[kept], targets[kept])


@pytest.mark.parametrize("ignore_index", [None, 3])
@pytest.mark.parametrize("dim", [-1, 0])
def test_relevant_items_by_index(dim: int, ignore_index: int | None) -> None:
    sparse = TaskMetric(dl.NDCG(), dim=dim, ignore_index=ignore_index)
    dense = TaskMetric(dl.NDCG(), dim=dim, ignore_index=ignore_index)
    for _ in range(3):
        scores, items = torch.randn(5, 8), torch.rand(5, 8).argsort(1)[:, :3]
        items[0, 2] = -1
        judged = dl.Qrels(items, torch.randint(1, 4, (5, 3)))
        targets = judged.dense((5,), 8)
        sparse.update(scores if dim else scores.T, judged)
        dense.update(*(t if dim else t.T for t in (scores, targets)))
    assert sparse.compute() == dense.compute()
    with pytest.raises(ArgumentError, match=r"^targets: got Qrels, wanted a tensor"):
        TaskMetric(dl.Jaccard(), class_dim=1).update(scores, judged)


def test_a_batch_with_an_error_adds_nothing() -> None:
    scores, targets = binary(30)
    metric = TaskMetric(dl.AveragePrecision())
    metric.update(scores, targets)
    before = metric.compute()
    with pytest.raises(NonFiniteScoreError):
        metric.update(torch.tensor([1.0, torch.nan]), torch.tensor([1, 0]))
    with pytest.raises(ArgumentError, match="targets"):
        metric.update(torch.tensor([1.0, 2.0]), torch.tensor([1, -1]))
    with pytest.raises(ArgumentError, match="groups"):
        metric.update(scores, targets, groups=torch.arange(3))
    metric.ignore_index = 255
    with pytest.raises(ArgumentError, match="mask"):
        metric.update(scores, targets, mask=torch.ones(3, dtype=torch.bool))
    assert metric.compute() == before


def test_forward_returns_the_batch_and_keeps_the_rest() -> None:
    metric = TaskMetric(dl.ROCAUC())
    first, second = binary(20, seed=1), binary(25, seed=2)
    assert metric(*first) == dl.ROCAUC().metric(*first)
    assert metric(*second) == dl.ROCAUC().metric(*second)
    both = [torch.cat(pair) for pair in zip(first, second, strict=True)]
    assert metric.compute() == dl.ROCAUC().metric(*both)


def of_classes(items: int) -> tuple[Tensor, Tensor]:
    """Scores (items, 4, 3) and class indices, some of them to be ignored."""
    generator = torch.Generator().manual_seed(items)
    scores = torch.randn(items, 4, 3, generator=generator)
    targets = torch.randint(0, 4, (items, 3), generator=generator)
    targets[::5] = 255
    return scores, targets


CLASS_WEIGHT = torch.tensor([0.5, 2.0, 1.0, 3.0])


@pytest.mark.parametrize("task", [dl.AveragePrecision(), dl.Jaccard()], ids=repr)
@pytest.mark.parametrize("dim", [None, 0], ids=["a list a class", "a list a class and column"])
def test_classes_against_the_rest_continue(task: dl.Task, dim: int | None) -> None:
    scores, targets = of_classes(40)
    how: dict[str, Any] = {"dim": dim, "class_dim": 1, "ignore_index": 255}
    value = in_batches(TaskMetric(task, **how), scores, targets)
    assert float(value) == pytest.approx(float(task.metric(scores, targets, **how)), abs=1e-12)
    weighted = TaskMetric(task, class_weight=CLASS_WEIGHT, **how)
    lists = CLASS_WEIGHT if dim is None else CLASS_WEIGHT[:, None].expand(4, 3)
    at_once = task.metric(scores, targets, weight=lists, **how)
    assert float(in_batches(weighted, scores, targets)) == pytest.approx(float(at_once), abs=1e-12)


def test_classes_of_each_image_end_with_it() -> None:
    scores, targets = of_classes(40)
    how: dict[str, Any] = {"dim": 2, "class_dim": 1, "ignore_index": 255}
    metric = TaskMetric(dl.Jaccard(), class_weight=CLASS_WEIGHT, **how)
    at_once = dl.Jaccard().metric(scores, targets, weight=CLASS_WEIGHT.expand(40, 4), **how)
    assert float(in_batches(metric, scores, targets)) == pytest.approx(float(at_once), abs=1e-12)


def test_weights_of_the_target_of_a_sample() -> None:
    scores, targets = torch.randn(30, 4), torch.randint(0, 4, (30,))
    metric = TaskMetric(dl.MulticlassZeroOne(), class_weight=CLASS_WEIGHT)
    at_once = dl.MulticlassZeroOne().metric(scores, targets, weight=CLASS_WEIGHT[targets])
    assert float(in_batches(metric, scores, targets)) == pytest.approx(float(at_once), abs=1e-12)
    with pytest.raises(ArgumentError, match="class_weight"):
        TaskMetric(dl.AveragePrecision(), class_weight=CLASS_WEIGHT)


def weighted_batches(metric: TaskMetric, *tensors: Tensor, **weights: Tensor) -> float:
    """Of batches of 7 rows; weights are cut like the rest."""
    pieces = [tensor.split(7) for tensor in (*tensors, *weights.values())]
    for batch in zip(*pieces, strict=True):
        named = dict(zip(weights, batch[len(tensors) :], strict=True))
        metric.update(*batch[: len(tensors)], **named)
    return float(metric.compute())


def test_weights_of_items_and_of_lists() -> None:
    scores, targets = binary(60)
    weight = torch.rand(60, generator=torch.Generator().manual_seed(1))
    task = dl.AveragePrecision()
    at_once = float(task.metric(scores, targets, weight=weight))
    by_peer = average_precision_score(targets, scores, sample_weight=weight)
    assert at_once == pytest.approx(by_peer, abs=1e-6)
    found = weighted_batches(TaskMetric(task), scores, targets, weight=weight)
    assert found == pytest.approx(at_once, abs=1e-12)
    groups = torch.arange(60) % 4
    how = {"groups": groups, "weight": weight}
    found = weighted_batches(TaskMetric(task), scores, targets, **how)
    assert found == pytest.approx(float(task.metric(scores, targets, **how)), abs=1e-12)
    rows = scores.reshape(20, 3), targets.reshape(20, 3)
    for dim, given in ((-1, torch.rand(20)), (-1, torch.rand(20, 3)), (0, torch.rand(20, 3))):
        found = weighted_batches(TaskMetric(task, dim=dim), *rows, weight=given)
        at_once = float(task.metric(*rows, dim=dim, weight=given))
        assert found == pytest.approx(at_once, abs=1e-12)


def test_the_weight_of_a_list_that_goes_on_is_one() -> None:
    scores, targets = (tensor.reshape(20, 3) for tensor in binary(60))
    weight = torch.tensor([1.0, 0.5, 2.0])
    metric = TaskMetric(dl.ROCAUC(), dim=0)
    for batch in zip(scores.split(7), targets.split(7), strict=True):
        metric.update(*batch, weight=weight)
    at_once = float(dl.ROCAUC().metric(scores, targets, dim=0, weight=weight))
    assert float(metric.compute()) == pytest.approx(at_once, abs=1e-12)
    metric.update(scores, targets, weight=2 * weight)
    with pytest.raises(ArgumentError, match="change from batch to batch"):
        metric.compute()
    metric.reset()
    metric.update(scores, targets, weight=weight)
    metric.update(scores, targets)
    with pytest.raises(ArgumentError, match="weights in some batches"):
        metric.compute()


@pytest.mark.parametrize("wrong", [-1.0, torch.nan])
def test_what_is_no_weight_adds_nothing(wrong: float) -> None:
    scores, targets = binary(12)
    for dim, shape, weight in (
        (-1, (12,), torch.full((12,), wrong)),
        (-1, (4, 3), torch.full((4,), wrong)),
        (0, (4, 3), torch.full((3,), wrong)),
    ):
        metric = TaskMetric(dl.ROCAUC(), dim=dim)
        with pytest.raises(ArgumentError, match=r"^weight: got .*, wanted finite numbers >= 0"):
            metric.update(scores.reshape(shape), targets.reshape(shape), weight=weight)
        assert metric.compute().isnan()


def test_nothing_defined_is_nan_and_reset_forgets() -> None:
    metric = TaskMetric(dl.AveragePrecision())
    metric.update(torch.randn(4), torch.zeros(4))
    assert metric.compute().isnan()
    metric.reset()
    scores, targets = binary(30)
    metric.update(scores, targets)
    assert metric.compute() == dl.AveragePrecision().metric(scores, targets)


def test_better_is_what_the_task_says() -> None:
    assert TaskMetric(dl.AveragePrecision()).higher_is_better is True
    assert TaskMetric(dl.CostMatrix(1 - np.eye(3))).higher_is_better is False
    assert TaskMetric.full_state_update is False


def test_pickle_and_clone_keep_what_came() -> None:
    scores, targets = binary(30)
    metric = TaskMetric(dl.FBeta(2.0))
    metric.update(scores[:20], targets[:20])
    for copy in (pickle.loads(pickle.dumps(metric)), metric.clone()):
        copy.update(scores[20:], targets[20:])
        assert copy.compute() == dl.FBeta(2.0).metric(scores, targets)


def test_a_collection_never_merges_metrics_that_agree_by_chance() -> None:
    tasks = {"AP": dl.AveragePrecision(), "RR": dl.ReciprocalRank(), "AUC": dl.ROCAUC()}
    collection = MetricCollection({name: TaskMetric(task) for name, task in tasks.items()})
    # Perfect at first, so that every value is 1; rows, so that only values are kept.
    batches = [
        (torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([[1, 0, 0]])),
        *((s.reshape(5, 8), t.reshape(5, 8)) for s, t in [binary(40, seed=3)]),
    ]
    for batch in batches:
        collection.update(*batch)
    for name, task in tasks.items():
        single = torch.cat([task.metric(s, t, reduction="none") for s, t in batches])
        assert float(collection.compute()[name]) == pytest.approx(float(single.nanmean()))


# --- several processes ----------------------------------------------------------------------------

SHARES = {"uneven": (31, 9), "one without a batch": (40, 0)}


def _cases() -> dict[str, tuple[TaskMetric, tuple[Tensor, ...]]]:
    scores, targets = binary(40, seed=5)
    classes = torch.randn(40, 4, generator=torch.Generator().manual_seed(6))
    return {
        "one list": (TaskMetric(dl.AveragePrecision()), (scores, targets)),
        "groups": (
            TaskMetric(dl.NDCG(2)),
            (scores, targets, torch.ones(40, dtype=torch.bool), torch.arange(40) % 6),
        ),
        "rows": (TaskMetric(dl.ROCAUC()), (scores[:, None] + classes, classes > 0.0)),
        "columns": (TaskMetric(dl.Jaccard(), dim=0), (scores[:, None] + classes, classes > 0.5)),
    }


def _shared(rank: int) -> dict[tuple[str, str], float]:
    found = {}
    for shares, sizes in SHARES.items():
        for name, (metric, tensors) in _cases().items():
            own = [tensor.split(sizes)[rank] for tensor in tensors]
            for batch in zip(*(tensor.split(4) for tensor in own), strict=True):
                if batch[0].numel():
                    metric.update(*batch)
            found[shares, name] = float(metric.compute())
            # After the exchange the own share is back: a second one sees the same.
            metric._computed = None
            assert float(metric.compute()) == found[shares, name]
    return found


def test_two_processes_with_uneven_shares_are_one() -> None:
    results = run(_shared, 2)
    for shares in SHARES:
        for name, (metric, tensors) in _cases().items():
            alone = float(in_batches(metric, *tensors))
            assert results[0][shares, name] == pytest.approx(alone, abs=1e-12)
            assert results[1][shares, name] == results[0][shares, name]
