"""Weights: of lists and classes in every loss, of items where the inference stays exact."""

from __future__ import annotations

import copy
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as peers
from torch import Tensor
from torch.nn.functional import cross_entropy

import directloss as dl
from directloss import functional
from directloss.errors import ArgumentError
from tests.cases import TASKS
from tests.harness import UPDATES, Configurations, TaskCase, make_loss, value_and_gradient

every_update = pytest.mark.parametrize("update", UPDATES)
ADDITIVE = [dl.ZeroOne(), dl.BalancedError()]
additive = pytest.mark.parametrize("task", ADDITIVE, ids=repr)


def close(found: Any, wanted: Any, rtol: float = 1e-12) -> None:
    torch.testing.assert_close(found, wanted, rtol=rtol, atol=1e-15, equal_nan=True)


# --- lists ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", TASKS, ids=str)
@every_update
def test_weights_of_lists_are_those_of_their_values(case: TaskCase, update: str) -> None:
    rng = np.random.default_rng(0)
    scores, targets = case.batch(rng, 4, case.size)
    weight = torch.tensor([0.5, 2.0, 0.0, 1.0], dtype=torch.float64)
    make = lambda reduction: make_loss(update, case.make(), reduction=reduction)  # noqa: E731
    leaf = scores.clone().requires_grad_()
    each = make("none")(leaf, targets)
    for reduction, wanted in (
        ("none", weight * each),
        ("sum", (weight * each).sum()),
        ("mean", (weight * each).sum() / weight.sum()),
    ):
        found = value_and_gradient(make(reduction), scores, targets, weight=weight)
        (slope,) = torch.autograd.grad(wanted.sum(), leaf, retain_graph=True)
        close(found[0], wanted.detach())
        close(found[1], slope)


def test_lists_without_a_metric_weigh_nothing() -> None:
    scores, targets = torch.randn(3, 6).double(), torch.tensor([[0, 1, 0, 0, 1, 0]] * 3)
    targets[1] = 0
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=1.0)
    weight = torch.tensor([1.0, 100.0, 3.0])
    found = value_and_gradient(loss_fn, scores, targets, weight=weight)
    wanted = value_and_gradient(loss_fn, scores[[0, 2]], targets[[0, 2]], weight=weight[[0, 2]])
    close(found[0], wanted[0])
    close(found[1][[0, 2]], wanted[1])
    nothing = value_and_gradient(loss_fn, scores, targets, weight=torch.zeros(3))
    assert nothing[0] == 0.0 and not nothing[1].any()


@pytest.mark.parametrize("dim", [0, 1, (0, 1)])
def test_they_have_the_shape_of_what_none_returns(dim: Any) -> None:
    scores, targets = torch.randn(5, 6, 4).double(), torch.rand(5, 6, 4) < 0.5
    options: dict[str, Any] = {"epsilon": 1.0, "dim": dim}
    each = dl.DirectLoss(dl.FBeta(), reduction="none", **options)(scores, targets)
    weight = torch.rand(each.shape).double()
    found = dl.DirectLoss(dl.FBeta(), **options)(scores, targets, weight=weight)
    close(found, (weight * each).sum() / weight.sum())
    with pytest.raises(ArgumentError, match=r"weight: got shape \(3,\), wanted the shape"):
        dl.DirectLoss(dl.FBeta(), **options)(scores, targets, weight=torch.ones(3))


@pytest.mark.parametrize("order", ["together", "mixed"])
def test_weights_of_groups(order: str) -> None:
    groups = torch.tensor([3, 3, 3, 5, 5, 8, 8, 8, 8])
    if order == "mixed":
        groups = groups[torch.randperm(9, generator=torch.Generator().manual_seed(1))]
    scores, targets = torch.randn(2, 9).double(), torch.rand(2, 9) < 0.5
    options: dict[str, Any] = {"epsilon": 1.0}
    each = dl.DirectLoss(dl.ZeroOne(), reduction="none", **options)(scores, targets, groups=groups)
    weight = torch.tensor([[1.0, 2.0, 3.0], [4.0, 0.0, 5.0]]).double()
    loss_fn = dl.DirectLoss(dl.ZeroOne(), **options)
    found = value_and_gradient(loss_fn, scores, targets, weight=weight, groups=groups)
    close(found[0], (weight * each).sum() / weight.sum())
    leaf = scores.clone().requires_grad_()
    none = dl.DirectLoss(dl.ZeroOne(), reduction="none", **options)
    ((weight / weight.sum()) * none(leaf, targets, groups=groups)).sum().backward()
    assert leaf.grad is not None
    close(found[1], leaf.grad)
    # Where each group is one item, both shapes are the same: they are of the lists.
    single = torch.arange(9).flip(0)
    found = value_and_gradient(
        loss_fn, scores[0], targets[0], weight=torch.arange(9.0), groups=single
    )
    flat = dl.DirectLoss(dl.ZeroOne(), reduction="none", **options)
    each = flat(scores[0], targets[0], groups=single)
    close(found[0], (torch.arange(9.0) * each).sum() / 36.0)


def test_weights_of_sequences() -> None:
    emissions, transitions = torch.randn(3, 5, 4).double(), torch.randn(4, 4).double()
    tags = torch.randint(0, 4, (3, 5))
    weight = torch.tensor([1.0, 0.0, 3.0])

    def found(reduction: Any, weight: Tensor | None) -> tuple[Tensor, Tensor]:
        leaf = emissions.clone().requires_grad_()
        loss_fn = dl.DirectLoss(dl.Chain(), epsilon=1.0, reduction=reduction)
        value = loss_fn(dl.LinearChain(leaf, transitions), tags, weight=weight)
        value.sum().backward()
        assert leaf.grad is not None
        return value.detach(), leaf.grad

    each, slopes = found("none", None)
    for reduction, shares in (("mean", weight / 4.0), ("sum", weight), ("none", weight)):
        value, slope = found(reduction, weight)
        close(value, shares * each if reduction == "none" else (shares * each).sum())
        close(slope, shares[:, None, None] * slopes)
    with pytest.raises(ArgumentError, match=r"weight: got shape \(4,\), wanted the shape \(3,\)"):
        found("mean", torch.ones(4))


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf")])
def test_what_is_no_weight_is_refused(wrong: float) -> None:
    scores, targets = torch.randn(2, 6), torch.tensor([[0, 1, 0, 0, 1, 0]] * 2)
    loss_fn = dl.DirectLoss(dl.ZeroOne(), epsilon=1.0)
    for weight in (torch.tensor([1.0, wrong]), torch.full((2, 6), wrong)):
        with pytest.raises(ArgumentError, match=r"weight: got .*, wanted finite numbers >= 0"):
            loss_fn(scores, targets, weight=weight)
    with pytest.raises(ArgumentError, match=r"class_weight: got .*, wanted finite numbers >= 0"):
        dl.DirectLoss(dl.FBeta(), class_dim=1, class_weight=[1.0, wrong])
    with pytest.raises(ArgumentError, match="weight: got list, wanted a tensor"):
        loss_fn(scores, targets, weight=[1.0, 2.0])


def test_weights_that_wait_for_a_gradient_are_refused() -> None:
    """They would be a constant in silence; cross-entropy has no gradient in its weights either."""
    scores, targets = torch.randn(2, 6), torch.tensor([[0, 1, 0, 0, 1, 0]] * 2)
    weight = torch.ones(2, requires_grad=True)
    loss_fn = dl.DirectLoss(dl.ZeroOne(), epsilon=1.0)
    advice = r"^weight: got a tensor that requires grad, wanted a constant, weight\.detach\(\)"
    for given in (weight, torch.ones(2, 6, requires_grad=True)):
        with pytest.raises(ArgumentError, match=advice):
            loss_fn(scores, targets, weight=given)
    classes = torch.ones(6, requires_grad=True)
    with pytest.raises(ArgumentError, match=r"^class_weight: got a tensor that requires grad"):
        functional.hinge_loss(scores, targets[:, 0], dl.MulticlassZeroOne(), class_weight=classes)
    with pytest.raises(ArgumentError, match=r"^class_weight: got a tensor that requires grad"):
        functional.hinge_loss(scores, targets[:, 0], dl.FBeta(), class_dim=1, class_weight=classes)
    with torch.no_grad():
        assert loss_fn(scores, targets, weight=weight) == loss_fn(scores, targets)
    assert dl.ZeroOne().metric(scores, targets, weight=weight) == dl.ZeroOne().metric(
        scores, targets
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("classes", [None, 1], ids=["lists", "classes"])
def test_in_a_traced_graph_with_groups(reduction: Any, classes: int | None) -> None:
    torch.compiler.reset()
    groups = torch.tensor([7, 2, 2, 7, 2, 7, 7, 2, 7])
    scores, targets = torch.randn(9, 3).double(), torch.randint(0, 3, (9,))
    shapes = [(2, 3), (9,)]
    if classes is None:
        scores, targets = scores.T.contiguous(), torch.rand(3, 9) < 0.5
        shapes = [(3, 2), (3, 9)]
    options: dict[str, Any] = {"reduction": reduction, "class_dim": classes, "epsilon": 1.0}
    loss_fn = dl.DirectLoss(dl.BalancedError(), **options)
    compiled = torch.compile(loss_fn, backend="aot_eager", fullgraph=True)
    for shape in shapes:
        given: dict[str, Any] = {"groups": groups, "weight": torch.rand(shape)}
        wanted = value_and_gradient(loss_fn, scores, targets, **given)
        found = value_and_gradient(compiled, scores, targets, **given)
        close(found[0], wanted[0])
        close(found[1], wanted[1])
    if reduction != "mean":
        return
    # Their number is in the data: the solver counts, before it reduces anything.
    few = torch.rand(shapes[0]).narrow(shapes[0].index(2), 0, 1)
    with pytest.raises(ArgumentError, match="weight: got 3 weights of lists, wanted one a list"):
        compiled(scores, targets, groups=groups, weight=few)


def test_in_traced_graphs_with_noise_and_in_torch() -> None:
    scores, targets = torch.randn(3, 8).double(), torch.rand(3, 8) < 0.5
    targets[:, 0], targets[:, 1] = True, False
    weight, items = torch.tensor([1.0, 0.5, 4.0]), torch.rand(3, 8)
    loss_fn = dl.DirectLoss(dl.BalancedError(), epsilon=1.0)
    compiled = torch.compile(loss_fn, backend="aot_eager", fullgraph=True)
    for given in (weight, items):
        wanted = value_and_gradient(loss_fn, scores, targets, weight=given)
        found = value_and_gradient(compiled, scores, targets, weight=given)
        close(found[0], wanted[0])
        close(found[1], wanted[1])
        with dl.solver("device"):
            found = value_and_gradient(loss_fn, scores, targets, weight=given)
        close(found[0], wanted[0])
        close(found[1], wanted[1])
        # Noise far below every gap of scores changes no decision.
        noisy = dl.DirectLoss(
            dl.BalancedError(), epsilon=1.0, perturbation=dl.Perturbation(1e-9, samples=4)
        )
        found = value_and_gradient(noisy, scores, targets, weight=given)
        close(found[0], wanted[0])
        close(found[1], wanted[1])


# --- classes --------------------------------------------------------------------------------------


def test_the_weighted_error_is_that_of_cross_entropys_weights() -> None:
    """The mean of cross-entropy with weights, of a loss of single samples as ours."""
    logits, targets = torch.randn(50, 4).double(), torch.randint(0, 4, (50,))
    targets[:5] = -100
    weights = torch.tensor([1.0, 0.5, 3.0, 0.0])
    wrong = (logits.argmax(1) != targets).double()
    share = torch.where(targets >= 0, weights[targets.clamp(min=0)], 0.0).double()
    for task in (dl.MulticlassZeroOne(), dl.CostMatrix(1.0 - np.eye(4)), dl.TopKError(1)):
        loss_fn = dl.DirectLoss(task, epsilon=1.0, ignore_index=-100, class_weight=weights)
        close(loss_fn(logits, targets), (share * wrong).sum() / share.sum())
    # As cross-entropy itself: of scores so far apart that it counts errors.
    far = 1e4 * torch.nn.functional.one_hot(logits.argmax(1), 4).double()
    mean = cross_entropy(far, targets, weight=weights.double()) / 1e4
    close(loss_fn(far, targets), mean, rtol=1e-6)
    assert set(loss_fn.state_dict()) == {"epsilon", "class_weight"}
    assert set(dl.DirectLoss(dl.TopKError(1)).state_dict()) == {"epsilon"}


@pytest.mark.parametrize("dim", [None, (2,), (0,)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_weights_of_classes_against_the_rest(dim: Any, reduction: Any) -> None:
    scores, targets = torch.randn(6, 3, 5).double(), torch.randint(0, 3, (6, 5))
    weights = torch.tensor([1.0, 0.25, 2.0]).double()
    options: dict[str, Any] = {"epsilon": 1.0, "class_dim": 1, "dim": dim}
    leaf = scores.clone().requires_grad_()
    each = dl.DirectLoss(dl.FBeta(), reduction="none", **options)(leaf, targets)
    spread = weights[:, None] if dim == (0,) else weights
    spread = spread.expand(each.shape)
    wanted = spread * each
    if reduction != "none":
        wanted = wanted.sum() / (spread.sum() if reduction == "mean" else 1.0)
    loss_fn = dl.DirectLoss(dl.FBeta(), reduction=reduction, class_weight=weights, **options)
    found = value_and_gradient(loss_fn.double(), scores, targets)
    close(found[0], wanted.detach())
    (slope,) = torch.autograd.grad(wanted.sum(), leaf)
    close(found[1], slope)
    function = functional.direct_loss(
        scores, targets, dl.FBeta(), reduction=reduction, class_weight=weights, **options
    )
    close(function, found[0])


def test_weights_of_items_in_lists_of_classes() -> None:
    scores, targets = torch.randn(7, 3).double(), torch.randint(0, 3, (7,))
    items = torch.rand(7).double()
    one_hot = torch.nn.functional.one_hot(targets, 3)
    found = value_and_gradient(
        dl.DirectLoss(dl.ZeroOne(), epsilon=1.0, class_dim=1), scores, targets, weight=items
    )
    wanted = value_and_gradient(
        dl.DirectLoss(dl.ZeroOne(), epsilon=1.0, dim=0), scores, one_hot,
        weight=items[:, None].expand(7, 3),
    )  # fmt: skip
    close(found[0], wanted[0])
    close(found[1], wanted[1])
    metric = dl.FBeta().metric(scores, targets, class_dim=1, weight=items)
    expected = peers.f1_score(
        one_hot, scores.numpy() > 0, average="macro", sample_weight=items.numpy()
    )
    assert metric.item() == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ArgumentError, match="wanted class_weight= of the loss"):
        square = torch.randn(3, 3)
        dl.DirectLoss(dl.ZeroOne(), class_dim=1)(square, targets[:3], weight=torch.ones(3))


def test_weights_of_classes_need_classes() -> None:
    for task in (dl.AveragePrecision(), dl.Chain()):
        with pytest.raises(ArgumentError, match=r"class_weight: got a value for .*its lists"):
            dl.DirectLoss(task, class_weight=[1.0, 2.0])
    scores, targets = torch.randn(6, 3), torch.randint(0, 3, (6,))
    for options in ({"class_dim": 1}, {}):
        task = dl.FBeta() if options else dl.MulticlassZeroOne()
        with pytest.raises(ArgumentError, match="class_weight: got 2 weights, wanted one a class"):
            dl.DirectLoss(task, class_weight=[1.0, 2.0], **options)(scores, targets)
    with pytest.raises(ArgumentError, match="class_weight: got a tensor for AveragePrecision"):
        functional.direct_loss(
            torch.randn(3), torch.tensor([0, 1, 0]), dl.AveragePrecision(), epsilon=1.0,
            class_weight=torch.ones(2),
        )  # fmt: skip


# --- items ----------------------------------------------------------------------------------------


def every_decision(targets: Any, weights: Any, *, balanced: bool) -> Configurations:
    """All 2^n sets of predicted items, with weights, by definition."""
    sets = np.array(list(product([0.0, 1.0], repeat=targets.size)))
    wrong = (sets != targets) * weights
    share = weights / weights.sum()
    if balanced:
        positive = targets == 1
        losses = 0.5 * sum(
            wrong[:, part].sum(1) / weights[part].sum() for part in (positive, ~positive)
        )
    else:
        losses = wrong.sum(1) / weights.sum()
    return Configurations(lambda phi: sets @ (share * phi), losses, targets.size)


@additive
@every_update
def test_the_inference_is_exact_with_weights_of_items(task: dl.Task, update: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        scores = torch.from_numpy(rng.normal(size=7))
        targets = torch.from_numpy(rng.permutation([1, 0, 1, 0, 0, 1, 0]))
        weights = torch.from_numpy(rng.exponential(size=7))
        configurations = every_decision(
            targets.numpy(), weights.numpy(), balanced=isinstance(task, dl.BalancedError)
        )
        step = 0.5
        terms = {
            "positive": [(1 / step, step), (-1 / step, 0.0)],
            "negative": [(1 / step, 0.0), (-1 / step, -step)],
            "both": [(0.5 / step, step), (-0.5 / step, -step)],
            "hinge": [(1.0, step), (-1.0, -np.inf)],
            "perceptron": [(1.0, 0.0), (-1.0, -np.inf)],
        }[update]
        loss_fn = make_loss(update, task, step)
        value, gradient = value_and_gradient(loss_fn, scores, targets, weight=weights)
        best = [configurations.best(scores, weight)[1] for _, weight in terms]
        wanted = sum(
            coefficient * configurations.coefficients[at]
            for (coefficient, _), at in zip(terms, best, strict=True)
        )
        close(gradient, torch.as_tensor(wanted))
        if update in ("hinge", "perceptron"):
            assert value.item() == pytest.approx(configurations.scalar(scores, terms), rel=1e-9)
        else:
            prediction = configurations.best(scores, 0.0)[1]
            assert value.item() == pytest.approx(configurations.losses[prediction], rel=1e-12)


@additive
@every_update
@pytest.mark.parametrize("unit", ["score", "loss"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_whole_weight_is_so_many_items(
    task: dl.Task, update: str, unit: Any, dtype: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(3)
    scores = torch.randn(30, generator=generator).to(dtype)
    scores[:4] = torch.tensor([0.0, torch.inf, -torch.inf, 0.0])
    targets = torch.rand(30, generator=generator) < 0.4
    weights = torch.randint(0, 4, (30,), generator=generator)
    loss_fn = make_loss(update, task, 0.5, unit=unit)
    found = value_and_gradient(loss_fn, scores, targets, weight=weights)
    item = torch.repeat_interleave(torch.arange(30), weights)
    wanted = value_and_gradient(loss_fn, scores[item], targets[item])
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    close(found[0], wanted[0], tolerance)
    summed = torch.zeros(30, dtype=dtype).index_add(0, item, wanted[1])
    torch.testing.assert_close(found[1], summed, rtol=tolerance, atol=tolerance)


@additive
def test_masks_and_groups_take_the_weights_with_them(task: dl.Task) -> None:
    generator = torch.Generator().manual_seed(3)
    scores, targets = torch.randn(2, 30, generator=generator), torch.arange(30).remainder(2)
    targets, weights = targets.expand(2, 30), torch.rand(2, 30, generator=generator)
    groups = torch.randint(0, 2, (30,), generator=generator)
    mask = torch.rand(2, 30, generator=generator) < 0.8
    loss_fn = dl.DirectLoss(task, epsilon=0.5, reduction="none")
    for kept in (None, mask):
        found = value_and_gradient(
            loss_fn, scores, targets, weight=weights, groups=groups,
            **({} if kept is None else {"mask": kept}),
        )  # fmt: skip
        for row, group in product(range(2), range(2)):
            chosen = groups == group if kept is None else (groups == group) & kept[row]
            wanted = value_and_gradient(
                loss_fn, scores[row, chosen], targets[row, chosen], weight=weights[row, chosen]
            )
            close(found[0][row, group], wanted[0])
            close(found[1][row, chosen], wanted[1])


@pytest.mark.parametrize(
    "task",
    [dl.AveragePrecision(), dl.ROCAUC(), dl.NDCG(), dl.FBeta(), dl.Jaccard(), dl.GMean(),
     dl.MatthewsCorrelation(), dl.PrecisionAtK(2), dl.CountingTask(lambda tp, fp, fn, tn: fn)],
    ids=repr,
)  # fmt: skip
def test_other_tasks_refuse_them_and_say_what_to_do(task: dl.Task) -> None:
    scores, targets = torch.randn(2, 6), torch.tensor([[0, 1, 0, 0, 1, 0]] * 2)
    with pytest.raises(ArgumentError, match=r"draw rows in proportion.*Sampler\(.*weights=weights"):
        dl.DirectLoss(task)(scores, targets, weight=torch.ones(2, 6))


# --- why they refuse ------------------------------------------------------------------------------


def keeps_order(order: tuple[int, ...], scores: Any, targets: Any) -> bool:
    """Whether items of a class stand by descending score."""
    return all(
        scores[first] > scores[later] or targets[first] != targets[later]
        for place, first in enumerate(order)
        for later in order[place + 1 :]
    )


def test_weighted_average_precision_breaks_the_order_within_a_class() -> None:
    """The example of docs/theory.md, section 13."""
    scores, targets = np.array([0.0, 0.1, 0.2]), np.array([1, 1, 0])
    weights, epsilon = np.array([1.0, 3.0, 1.0]), 1.0
    found = {}
    for order in permutations(range(3)):
        places = -np.argsort(order).astype(float)
        delta = 1.0 - peers.average_precision_score(targets, places, sample_weight=weights)
        pairs = [
            weights[i] * weights[j] * np.sign(places[i] - places[j]) * (scores[i] - scores[j])
            for i, j in product(np.flatnonzero(targets), np.flatnonzero(targets == 0))
        ]
        F = sum(pairs) / (weights[targets == 1].sum() * weights[targets == 0].sum())
        found[order] = F + epsilon * delta
    best = max(found, key=found.__getitem__)
    sorted_ones = [value for order, value in found.items() if keeps_order(order, scores, targets)]
    assert best == (2, 0, 1), "the lighter positive above the heavier one of larger score"
    assert found[best] == pytest.approx(0.4)
    assert max(sorted_ones) == pytest.approx(0.3625)


def test_weighted_f1_breaks_the_order_within_a_class() -> None:
    """The other example of docs/theory.md, section 13."""
    scores, weights, epsilon = np.array([-1.2, -1.32]), np.array([3.0, 1.0]), -1.0
    found = {}
    for chosen in product([0, 1], repeat=2):
        f1 = peers.f1_score([1, 1], chosen, sample_weight=weights)
        found[chosen] = weights @ (chosen * scores) / 4.0 + epsilon * (1.0 - f1)
    assert max(found, key=found.__getitem__) == (0, 1), "the item of the lower score alone"
    assert found[0, 1] == pytest.approx(-0.93)
    assert max(found[0, 0], found[1, 0], found[1, 1]) == pytest.approx(-1.0)


# --- metrics --------------------------------------------------------------------------------------


def _decided(metric: Any) -> Any:
    return lambda targets, scores, **options: metric(targets, scores > 0, **options)


@pytest.mark.parametrize(
    ("task", "peer"),
    [
        (dl.ZeroOne(), _decided(peers.accuracy_score)),
        (dl.BalancedError(), _decided(peers.balanced_accuracy_score)),
        (dl.FBeta(2.0), _decided(lambda *a, **o: peers.fbeta_score(*a, beta=2.0, **o))),
        (dl.Jaccard(), _decided(peers.jaccard_score)),
        (dl.MatthewsCorrelation(), _decided(peers.matthews_corrcoef)),
        (dl.AveragePrecision(), peers.average_precision_score),
        (dl.ROCAUC(), peers.roc_auc_score),
    ],
    ids=lambda value: repr(value) if isinstance(value, dl.Task) else "",
)
@pytest.mark.parametrize("ties", [False, True])
def test_weighted_metrics_are_those_of_scikit_learn(task: dl.Task, peer: Any, ties: bool) -> None:
    rng = np.random.default_rng(4)
    for _ in range(10):
        scores = rng.normal(size=40)
        scores = np.round(scores) if ties else scores
        targets = rng.permutation(np.arange(40) % 3 == 0).astype(int)
        weights = rng.exponential(size=40) * (rng.random(40) < 0.8)
        found = task.metric(scores, targets, weight=weights)
        wanted = peer(targets, scores, sample_weight=weights)
        assert found.item() == pytest.approx(wanted, rel=1e-12)


def test_partial_area_with_weights() -> None:
    rng = np.random.default_rng(5)
    scores, targets, weights = rng.normal(size=60), np.arange(60) % 2, rng.exponential(size=60)
    task = dl.PartialAUC(0.3)
    found = task.standardized(task.metric(scores, targets, weight=weights))
    wanted = peers.roc_auc_score(targets, scores, sample_weight=weights, max_fpr=0.3)
    assert found.item() == pytest.approx(wanted, rel=1e-12)


def test_gmean_and_ones_own_metric_with_weights() -> None:
    rng = np.random.default_rng(6)
    scores, targets, weights = rng.normal(size=60), np.arange(60) % 2, rng.exponential(size=60)
    recalls = peers.recall_score(
        targets, scores > 0, sample_weight=weights, average=None, labels=[0, 1]
    )
    found = dl.GMean().metric(scores, targets, weight=weights)
    assert found.item() == pytest.approx(np.sqrt(recalls.prod()), rel=1e-12)
    own = dl.CountingTask(lambda tp, fp, fn, tn: fn / (tp + fn))
    assert own.metric(scores, targets, weight=weights).item() == pytest.approx(1 - recalls[1])


def test_metrics_with_weights_of_lists() -> None:
    rng = np.random.default_rng(7)
    scores, grades = rng.normal(size=(5, 8)), rng.integers(0, 3, size=(5, 8))
    weights = rng.exponential(size=5)
    found = dl.NDCG(gain="linear").metric(scores, grades, weight=weights)
    wanted = peers.ndcg_score(grades, scores, sample_weight=weights)
    assert found.item() == pytest.approx(wanted, rel=1e-12)
    classes = rng.integers(0, 8, size=5)
    found = dl.TopKError(2).metric(scores, classes, weight=weights)
    wanted = peers.top_k_accuracy_score(
        classes, scores, k=2, sample_weight=weights, labels=np.arange(8)
    )
    assert found.item() == pytest.approx(wanted, rel=1e-12)
    assert dl.NDCG().metric(scores, grades, weight=np.zeros(5)).isnan()
    with pytest.raises(ArgumentError, match="weight: got weights of items for NDCG"):
        dl.NDCG().metric(scores, grades, weight=np.ones((5, 8)))
    with pytest.raises(ArgumentError, match="weight: got weights of items for AveragePrecision"):
        dl.AveragePrecision(k=3).metric(scores, grades > 1, weight=np.ones((5, 8)))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_one_list_has_one_weight(reduction: Any) -> None:
    scores, targets = torch.tensor([0.3, 0.1, -0.2]), torch.tensor([0, 1, 0])
    weight = torch.tensor(0.5)
    metric = dl.ROCAUC().metric(scores, targets, weight=weight, reduction=reduction)
    assert metric == (0.25 if reduction == "sum" else 0.5)
    none = dl.ROCAUC().metric(scores, targets.new_zeros(3), weight=weight, reduction=reduction)
    assert none == 0.0 if reduction == "sum" else none.isnan()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_groups_of_one_item_are_weighed_alike_in_a_graph(reduction: Any) -> None:
    loss_fn = dl.DirectLoss(dl.ZeroOne(), epsilon=0.5, reduction=reduction)
    scores, targets = torch.tensor([1.0, -1.0, 2.0]), torch.tensor([1, 1, 0])
    how = {"groups": torch.tensor([2, 0, 1]), "weight": torch.tensor([1.0, 10.0, 4.0])}
    compiled = torch.compile(loss_fn, backend="eager")
    assert torch.equal(compiled(scores, targets, **how), loss_fn(scores, targets, **how))


def test_functions_name_the_weights_of_classes() -> None:
    scores, targets = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    for wrong in ([1.0, float("nan"), 1.0], [1.0, -1.0, 1.0], [[1.0, 1.0, 1.0]]):
        with pytest.raises(ArgumentError, match=r"^class_weight: got "):
            functional.direct_loss(
                scores,
                targets,
                dl.MulticlassZeroOne(),
                epsilon=1.0,
                class_weight=torch.tensor(wrong),
            )


@pytest.mark.parametrize("perturbed", [False, True])
def test_weights_mean_the_same_in_graphs(perturbed: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(9, 4, 3, generator=generator)
    classes = torch.randint(0, 4, (9, 3), generator=generator)
    weight, groups = torch.rand(9, 3, generator=generator), torch.arange(9)
    cases = (
        ((scores[:, 0, 0], classes[:, 0] > 1, weight[:, 0]), {}),
        ((scores, classes, weight), {"class_dim": 1, "dim": 0}),
    )
    for (of_scores, targets, of_weights), how in cases:
        noise = dl.Perturbation(0.3) if perturbed else None
        loss_fn = dl.DirectLoss(dl.ZeroOne(), epsilon=1.0, perturbation=noise, **how)  # type: ignore[arg-type]
        compiled = torch.compile(copy.deepcopy(loss_fn), backend="eager")
        given = {"weight": of_weights, "groups": groups}
        wanted = loss_fn(of_scores, targets, **given)
        torch.testing.assert_close(compiled(of_scores, targets, **given), wanted)
