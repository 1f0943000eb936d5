"""Epsilon in units of the scores: how far the best configuration moves an item, for every task."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from math import inf
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

import directloss as dl
from directloss._unit import solve_in_unit
from directloss.errors import ArgumentError
from directloss.lists import read_lists
from tests.cases import TASKS
from tests.harness import (
    DIRECTIONS,
    Floats,
    TaskCase,
    make_loss,
    unit_factor,
    value_and_gradient,
)

every_task = pytest.mark.parametrize("case", TASKS, ids=str)
every_direction = pytest.mark.parametrize("direction", DIRECTIONS)

CELLS = [
    (n, prevalence)
    for n in (50, 1_000, 100_000)
    for prevalence in (0.001, 0.01, 0.1, 0.5)
    if n * prevalence >= 0.5
]


# --- what a configuration shows -------------------------------------------------------------------


def shown_by_counts(y: Floats, scores: Floats, targets: Floats) -> float:
    """The largest score of an item that is decided against its sign."""
    against = (y > 0) != (scores > 0)
    return float(np.abs(scores[against]).max(initial=0.0))


def shown_beyond_a_quarter(y: Floats, scores: Floats, targets: Floats) -> float:
    """The same where, one item apart, a quarter of either class is called right."""
    right = (y > 0) == (targets > 0)
    for label in (0, 1):
        size = (targets == label).sum()
        if size > 1 and right[targets == label].sum() - 1 < size / 4:
            return 0.0
    return shown_by_counts(y, scores, targets)


def shown_by_exchange(y: Floats, scores: Floats, targets: Floats) -> float:
    """The largest score left out less the least one let in, of the other class.

    In units of what it may be with so many predictions, by docs/theory.md; it is 1 with as many as
    there are positives.
    """
    inside = y > 0
    k, n, P = int(inside.sum()), targets.size, int(targets.sum())
    gains = [
        scores[~inside & (targets == label)].max(initial=-inf)
        - scores[inside & (targets != label)].min(initial=inf)
        for label in (0, 1)
    ]
    return max(0.0, *gains) * math.sqrt(k * (n - k) / (P * (n - P)))


def shown_by_pairs(y: Floats, scores: Floats, targets: Floats, first: float = 0.0) -> float:
    """The most by which two neighbours of different classes are out of order.

    Args:
        first: the position of the upper one, from 1, from which on they count.
    """
    positives, negatives = (np.sort(scores[targets == label])[::-1] for label in (1, 0))
    P, N = positives.size, negatives.size
    above = np.sort(np.rint((N - y[targets == 1] * P * N) / 2)).astype(int)
    label = np.zeros(P + N, int)
    label[above + np.arange(P)] = 1
    ranked = np.empty(P + N)
    ranked[label == 1], ranked[label == 0] = positives, negatives
    differ = (label[1:] != label[:-1]) & (np.arange(1, P + N) >= first)
    return float((ranked[1:] - ranked[:-1])[differ].max(initial=0.0))


def shown_by_steep_pairs(y: Floats, scores: Floats, targets: Floats) -> float:
    """From the position on that docs/theory.md states."""
    P, n = int(targets.sum()), targets.size
    factor = min(max(1 / 8, 16 / n), 1.0)
    return shown_by_pairs(y, scores, targets, math.sqrt(factor * P * (n - P) / 2))


def shown_by_positions(y: Floats, scores: Floats, targets: Floats) -> float:
    """The most by which an item of smaller coefficient has the larger score."""
    discounts, place = np.unique(-y, return_inverse=True)
    least = np.full(discounts.size, inf)
    np.minimum.at(least, place, scores)
    most = np.full(discounts.size, -inf)
    np.maximum.at(most, place, scores)
    return float((most[1:] - np.minimum.accumulate(least)[:-1]).max(initial=0.0))


class Measured(NamedTuple):
    """A task, and what its best configuration shows of the shift."""

    make: Callable[[int], dl.Task]
    shown: Callable[[Floats, Floats, Floats], float]
    share: float
    """Of epsilon, which is shown at least, on some list of every length and share of positives."""


EXACT = {
    "ROCAUC": Measured(lambda P: dl.ROCAUC(), shown_by_pairs, 0.8),
    "PartialAUC": Measured(lambda P: dl.PartialAUC(0.1), shown_by_pairs, 0.4),
    "NDCG": Measured(lambda P: dl.NDCG(), shown_by_positions, 0.8),
    "PrecisionAtK": Measured(lambda P: dl.PrecisionAtK(max(P // 2, 1)), shown_by_positions, 0.6),
    "RPrecision": Measured(lambda P: dl.RPrecision(), shown_by_positions, 0.6),
    "BEDROC": Measured(lambda P: dl.BEDROC(), shown_by_positions, 0.8),
    "ZeroOne": Measured(lambda P: dl.ZeroOne(), shown_by_counts, 0.8),
    "BalancedError": Measured(lambda P: dl.BalancedError(), shown_by_counts, 0.4),
    "Jaccard": Measured(lambda P: dl.Jaccard(), shown_by_counts, 0.4),
    "F1": Measured(lambda P: dl.FBeta(), shown_by_counts, 0.2),
    "F2": Measured(lambda P: dl.FBeta(2.0), shown_by_counts, 0.2),
    "F0.5": Measured(lambda P: dl.FBeta(0.5), shown_by_counts, 0.09),
    "Tversky": Measured(lambda P: dl.Tversky(0.3, 3.0), shown_by_counts, 0.2),
}
AT_A_PLACE = {
    "AveragePrecision": Measured(lambda P: dl.AveragePrecision(), shown_by_steep_pairs, 0.12),
    "GMean": Measured(lambda P: dl.GMean(), shown_beyond_a_quarter, 0.2),
    "MatthewsCorrelation": Measured(lambda P: dl.MatthewsCorrelation(), shown_by_exchange, 0.3),
}


def lists(n: int, prevalence: float) -> Iterator[tuple[Tensor, Tensor]]:
    """Scores, and their positives: all right and within 1 of the border; and drawn.

    Those are hardly and well told apart, in spreads of .3 to 10, of the longest lists in one; as
    many are above 0 as there are positives.
    """
    rng = np.random.default_rng(n)
    P = max(round(n * prevalence), 1)
    targets = np.zeros(n, np.uint8)
    targets[:P] = 1
    for most in (0.95, 0.7, 0.5, 0.35):
        for power in (1, 20):  # with 20 one item of either class is far beyond the others
            sides = np.linspace(1, 0, P + 1)[:-1], -np.linspace(0, 1, n - P + 1)[1:]
            border = most * np.append(sides[0] ** power, -(np.abs(sides[1]) ** power))
            yield torch.from_numpy(border), torch.from_numpy(targets)
    for apart in (0.0, 1.0, 4.0):
        for spread in (0.3, 1.0, 3.0, 10.0) if n < 100_000 else (0.3,):
            scores = rng.normal(size=n) + apart * targets
            middle = np.sort(scores)[::-1][P - 1 : P + 1].mean()
            yield torch.from_numpy(spread * (scores - middle)), torch.from_numpy(targets)


@pytest.mark.parametrize("name", [*EXACT, *AT_A_PLACE])
def test_no_item_is_moved_by_more_than_epsilon_and_some_by_a_share_of_it(name: str) -> None:
    measured = (EXACT | AT_A_PLACE)[name]
    for n, prevalence in CELLS:
        largest = 0.0
        for scores, targets in lists(n, prevalence):
            task = measured.make(int(targets.sum()))
            factor = unit_factor(task, targets)
            for sign in (1.0, -1.0):
                y = task.configuration(scores, targets, sign * factor).numpy()
                shown = measured.shown(y, scores.numpy(), targets.numpy())
                assert shown <= 1.0 + 1e-9, (n, prevalence)
                largest = max(largest, shown)
        assert largest >= measured.share, (n, prevalence)


@pytest.mark.parametrize("task", [dl.MulticlassZeroOne(), dl.TopKError(3)], ids=repr)
def test_nor_is_a_class(task: dl.Task) -> None:
    generator = torch.Generator().manual_seed(0)
    for classes in (10, 1000):
        scores = torch.randn(200, classes, generator=generator).double()
        targets = torch.randint(classes, (200,), generator=generator)
        shown = [
            shown_by_positions(y.numpy(), s.numpy(), np.empty(0))
            for sign in (1.0, -1.0)
            for y, s in zip(task.configuration(scores, targets, sign), scores, strict=True)
        ]
        assert 0.8 <= max(shown) <= 1.0


def test_costs_are_counted_from_the_least_to_the_largest_of_a_row() -> None:
    task = dl.CostMatrix([[0.0, 5.0, 20.0], [2.0, 0.0, 2.0], [4.0, 4.0, 4.0]])
    assert task.unit_weights(None) == 1 / 20  # type: ignore[arg-type]
    assert dl.CostMatrix([[3.0, 3.0], [0.0, 0.0]]).unit_weights(None) == 1.0  # type: ignore[arg-type]


@pytest.mark.parametrize("P", [1, 2, 7, 40])
@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("beta", [0.0, 0.05, 0.3, 0.5, 1.0, 2.5])
def test_the_largest_step_of_a_tversky_loss(alpha: float, beta: float, P: int) -> None:
    """Against all pairs of counts; the bound is reached but where it lies between two counts."""
    N = 30
    task = dl.Tversky(alpha, beta)
    tp, fp = np.meshgrid(np.arange(P + 1.0), np.arange(N + 1.0), indexing="ij")
    losses = task.loss_at(tp.ravel(), fp.ravel(), np.full(tp.size, P), np.full(tp.size, N)).reshape(
        tp.shape
    )
    largest = max(np.abs(np.diff(losses, axis=axis)).max() for axis in (0, 1))
    targets = torch.cat([torch.ones(P), torch.zeros(N)])
    step = 1.0 / (weight_of(task, targets) * (P + N))
    assert largest <= step * (1 + 1e-12)
    assert largest >= step * 0.45


def test_a_metric_of_ones_own_counts_next_to_the_truth() -> None:
    cost = dl.CountingTask(lambda tp, fp, fn, tn: (10 * fn + fp) / (tp + fp + fn + tn))
    targets = torch.tensor([1, 0, 0, 1, 0])
    assert weight_of(cost, targets) == pytest.approx(1 / 10)
    constant = dl.CountingTask(lambda tp, fp, fn, tn: 0.0 * tp)
    assert weight_of(constant, targets) == 1.0
    assert weight_of(cost, torch.zeros(5)) == pytest.approx(1.0)


def weight_of(task: dl.Task, targets: Tensor) -> float:
    """The task's weight for one list, not rounded."""
    batch = task.read(torch.zeros(targets.shape), targets)
    found, _ = read_lists(batch.layout, task.read_targets)
    return float(np.reshape(task.unit_weights(found), -1)[0])


# --- the losses -----------------------------------------------------------------------------------


@every_task
@every_direction
def test_a_lists_epsilon_is_the_weight_of_its_factor(case: TaskCase, direction: str) -> None:
    """To the last bit: no score is rounded."""
    rng = np.random.default_rng(0)
    for n in (3, 9, 60):
        scores, targets = case.tensors(rng, n)
        factor = unit_factor(case.make(), targets)
        in_loss = make_loss(direction, case.make(), 0.7 * factor)
        in_score = make_loss(direction, case.make(), 0.7, unit="score")
        wanted = value_and_gradient(in_loss, scores, targets)
        found = value_and_gradient(in_score, scores, targets)
        assert torch.equal(found[0], wanted[0]) and torch.equal(found[1], wanted[1])
        assert in_score.bounds(scores, targets) == in_loss.bounds(scores, targets)
        seen, other = (loss.diagnostics(scores, targets) for loss in (in_score, in_loss))
        assert seen.pairs_flipped == other.pairs_flipped
        assert seen.zero_gradient_share == other.zero_gradient_share
        assert seen.task_loss_direct == other.task_loss_direct
        assert (seen.lower, seen.upper) == (other.lower, other.upper)


def batch_of_all_shares(n: int = 64, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Lists of 0, 1, 2, 4, ... positives: no two have the same factor."""
    generator = torch.Generator().manual_seed(0)
    counts = [0, *(2**k for k in range(int(math.log2(n)) + 1))]
    scores = torch.randn(len(counts), n, generator=generator, dtype=dtype)
    targets = torch.arange(n) < torch.tensor(counts)[:, None]
    return scores + targets.to(dtype), targets


COUNTED = [
    dl.FBeta(), dl.Jaccard(), dl.BalancedError(), dl.GMean(), dl.MatthewsCorrelation(),
    dl.Tversky(0.2, 3.0), dl.CountingTask(lambda tp, fp, fn, tn: (fn + fp) / (tp + fp + fn + 1)),
]  # fmt: skip
SIZES = {"usual": 1.0, "large": 2.0**120, "small": 2.0**-120}


@pytest.mark.parametrize("task", COUNTED, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("size", SIZES)
@every_direction
def test_a_list_gets_what_it_gets_alone_beside_lists_of_other_factors(
    task: dl.Task, dtype: torch.dtype, size: str, direction: str
) -> None:
    scores, targets = batch_of_all_shares(dtype=dtype)
    scores = scores * SIZES[size]
    scores[3, 5], scores[4, 6] = inf, -inf
    loss_fn = make_loss(direction, task, 0.8 * SIZES[size], unit="score", reduction="none")
    values, gradients = value_and_gradient(loss_fn, scores, targets)
    bounds = loss_fn.bounds(scores, targets)
    for k in range(len(scores)):
        value, gradient = value_and_gradient(loss_fn, scores[k : k + 1], targets[k : k + 1])
        assert torch.equal(values[k], value[0])
        assert torch.equal(gradients[k], gradient[0])
        alone = loss_fn.bounds(scores[k : k + 1], targets[k : k + 1])
        assert all(
            torch.allclose(m[k], a[0], atol=1e-6) for m, a in zip(bounds, alone, strict=True)
        )
    assert gradients.any(1).sum() > 1


@every_task
def test_a_list_of_any_size_gets_what_it_gets_alone(case: TaskCase) -> None:
    rng = np.random.default_rng(7)
    scores, targets = case.batch(rng, 5, 6)
    sizes = torch.tensor([1e-300, 1.0, 1e307, 1e-160, 1e200], dtype=torch.float64)
    scores = scores.clamp(-2, 2) * sizes[:, None]
    for step in (1e-300, 1.0, 1e300):
        loss_fn = make_loss("both", case.make(), step, unit="score", reduction="none")
        values, gradients = value_and_gradient(loss_fn, scores, targets)
        for k in range(5):
            value, gradient = value_and_gradient(loss_fn, scores[k : k + 1], targets[k : k + 1])
            assert torch.equal(values[k], value[0])
            assert torch.equal(gradients[k], gradient[0])


@pytest.mark.parametrize("task", COUNTED[:5], ids=repr)
def test_diagnostics_are_the_means_over_lists_of_different_factors(task: dl.Task) -> None:
    scores, targets = batch_of_all_shares()
    scores, targets = scores[1:7], targets[1:7]
    loss_fn = dl.DirectLoss(task, epsilon=0.8)
    each = [loss_fn.diagnostics(s, t) for s, t in zip(scores, targets, strict=True)]
    found = loss_fn.diagnostics(scores, targets)
    for name in ("pairs_flipped", "task_loss_direct", "lower", "upper", "zero_gradient_share"):
        wanted = np.mean([getattr(one, name) for one in each])
        assert getattr(found, name) == pytest.approx(wanted, abs=1e-12), name


def test_groups_and_masks_have_their_own_factors() -> None:
    scores, targets = batch_of_all_shares()
    scores, targets = scores[1:6], targets[1:6]
    loss_fn = dl.DirectLoss(dl.FBeta(), epsilon=0.8)
    wanted = value_and_gradient(loss_fn, scores, targets)
    groups = torch.arange(5).repeat_interleave(64)
    found = value_and_gradient(partial(loss_fn, groups=groups), scores.ravel(), targets.ravel())
    assert torch.equal(found[0], wanted[0]) and torch.equal(found[1], wanted[1].ravel())
    mask = torch.arange(64) % 3 > 0
    found = value_and_gradient(partial(loss_fn, mask=mask.expand(5, 64)), scores, targets)
    wanted = value_and_gradient(loss_fn, scores[:, mask], targets[:, mask])
    assert torch.equal(found[0], wanted[0]) and torch.equal(found[1][:, mask], wanted[1])


def test_traced_graphs_have_the_same_unit() -> None:
    torch.compiler.reset()
    scores, targets = batch_of_all_shares()
    for unit in ("score", "loss"):
        loss_fn = dl.DirectLoss(dl.FBeta(), epsilon=0.3, unit=unit)  # type: ignore[arg-type]
        wanted = value_and_gradient(loss_fn, scores, targets)
        compiled = torch.compile(loss_fn, fullgraph=True, backend="aot_eager")
        found = value_and_gradient(compiled, scores, targets)
        assert torch.equal(found[0], wanted[0]) and torch.equal(found[1], wanted[1])
        slope = torch.func.grad(lambda s, of=loss_fn: of(s, targets))(scores)
        assert torch.equal(slope, wanted[1])


def test_copies_with_noise_have_the_factors_of_their_lists() -> None:
    scores, targets = batch_of_all_shares()
    scores, targets = scores[1:6], targets[1:6]
    noise = dl.Perturbation(1e-12)
    plain = value_and_gradient(dl.DirectLoss(dl.FBeta(), epsilon=0.8), scores, targets)
    noisy = value_and_gradient(
        dl.DirectLoss(dl.FBeta(), epsilon=0.8, perturbation=noise), scores, targets
    )
    assert torch.allclose(plain[1], noisy[1], rtol=1e-9) and plain[1].any()


def test_auto_is_the_spread_for_every_task() -> None:
    scores, targets = batch_of_all_shares()
    for task in (dl.AveragePrecision(), dl.FBeta(), dl.GMean(), dl.PartialAUC(0.1), dl.NDCG()):
        loss_fn = dl.DirectLoss(task)
        loss_fn(scores, targets)
        assert float(loss_fn.epsilon) == pytest.approx(dl.functional.auto_epsilon(scores))


def test_a_gradient_that_the_factor_takes_out_of_half_precision_is_refused() -> None:
    scores = torch.zeros(200, dtype=torch.float16, requires_grad=True)
    with pytest.raises(ArgumentError, match=r"epsilon: .* type, float16"):
        dl.DirectLoss(dl.AveragePrecision(), epsilon=1e-4)(scores, torch.arange(200) == 0)
    dl.DirectLoss(dl.AveragePrecision(), epsilon=1e-3)(scores, torch.arange(200) == 0).backward()
    assert scores.grad is not None and scores.grad.isfinite().all() and scores.grad.any()


def test_what_is_no_unit_is_refused_and_the_old_one_is_shown() -> None:
    with pytest.raises(ArgumentError, match=r"^unit: got 'spread', wanted 'score' or 'loss'"):
        dl.DirectLoss(dl.FBeta(), unit="spread")  # type: ignore[arg-type]
    scores, targets = torch.zeros(2), torch.tensor([0, 1])
    with pytest.raises(ArgumentError, match=r"^unit: got None"):
        dl.functional.direct_loss(scores, targets, dl.FBeta(), epsilon=1.0, unit=None)  # type: ignore[arg-type]
    assert "unit" not in repr(dl.DirectLoss(dl.FBeta()))
    assert "epsilon=0.5, unit='loss'" in repr(dl.DirectLoss(dl.FBeta(), epsilon=0.5, unit="loss"))


def test_equal_factors_are_one() -> None:
    scores, targets = batch_of_all_shares()
    batch = dl.FBeta().read(scores[[3, 3]], targets[[3, 3]])
    found, _ = read_lists(batch.layout, dl.FBeta().read_targets)
    _, exponents, _ = solve_in_unit(dl.FBeta(), found, (0.0,), (1.0,), in_scores=True)
    assert isinstance(exponents, int)
