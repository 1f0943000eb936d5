"""Scores and steps of any size: the same values and gradients as in the middle of the range."""

from __future__ import annotations

import os
import subprocess
import sys
from math import inf, isinf

import numpy as np
import pytest
import torch

import directloss as dl
from directloss import functional
from directloss._solve import spread_of
from directloss._spread import Spread, pooled
from directloss.errors import ArgumentError
from directloss.lists import Layout
from directloss.tasks import CostMatrix, RankingTask
from tests.cases import TASKS
from tests.harness import (
    DIRECTIONS,
    UPDATES,
    Floats,
    TaskCase,
    make_loss,
    value_and_gradient,
)

every_task = pytest.mark.parametrize("case", TASKS, ids=str)
every_update = pytest.mark.parametrize("update", UPDATES)
LARGEST = float(np.finfo(np.float64).max)
SCALES = {"largest": 1000, "past every square": 600, "least square": -600, "least normal": -960}
"""Powers of two that normal scores (here of size 2^-50 to 2^3) bear without rounding."""


@every_task
@every_update
@pytest.mark.parametrize("scale", SCALES)
def test_scores_and_step_times_a_power_of_two_give_the_same(
    case: TaskCase, update: str, scale: str
) -> None:
    rng = np.random.default_rng(3)
    factor = 2.0 ** SCALES[scale]
    for n in (2, 5, 40):
        scores, targets = case.batch(rng, 3, n)
        scores = scores.round(decimals=1).clamp(-2, 2)  # with ties
        value, gradient = value_and_gradient(make_loss(update, case.make()), scores, targets)
        large_value, large = value_and_gradient(
            make_loss(update, case.make(), 0.5 * factor), scores * factor, targets
        )
        if update in DIRECTIONS:
            assert large_value == value
            assert torch.allclose(large * factor, gradient, rtol=0, atol=1e-15)  # nearly denormal
        else:
            assert large_value == pytest.approx(float(value) * factor, rel=1e-12)
            assert torch.equal(large, gradient)


@every_task
@every_update
def test_the_whole_range_in_one_list(case: TaskCase, update: str) -> None:
    """Largest and least numbers, zeros of both signs and infinities side by side."""
    rng = np.random.default_rng(4)
    values = [LARGEST, -LARGEST, 1e300, 1e-300, -5e-324, 5e-324, 0.0, -0.0, 1.0, -1.0, inf, -inf]
    for step in (1e-300, 1e-3, 1e3, 1e300):
        for _ in range(3):
            n = int(rng.integers(2, 30))
            _, targets = case.tensors(rng, n)
            scores = torch.from_numpy(rng.choice(values, size=n))
            value, gradient = value_and_gradient(
                make_loss(update, case.make(), step), scores, targets
            )
            assert not value.isnan()
            assert gradient.isfinite().all()
            if update in DIRECTIONS:
                wanted = case.predicted_loss(ranks(scores.numpy()), targets.numpy())
                assert float(value) == pytest.approx(wanted, abs=1e-12)
                assert gradient.abs().max() <= 4 * n / step


def ranks(scores: Floats) -> Floats:
    """Small whole numbers in the same order, with the same ties and signs.

    A prediction depends on nothing else, and a definition can be summed up over these.
    """
    distinct = np.unique(np.append(scores, 0.0))
    order = np.arange(distinct.size) - np.searchsorted(distinct, 0.0)
    return order[np.searchsorted(distinct, scores)].astype(np.float64)


@pytest.mark.parametrize("size", [1e-307, 1e-170, 1.0, 1e170, LARGEST])
def test_auto_measures_any_spread(size: float) -> None:
    scores = torch.tensor([[1.0, -1.0, 0.5, 0.25], [0.0, 1.0, inf, -inf]], dtype=torch.float64)
    spread = functional.auto_epsilon(scores)
    measured = functional.auto_epsilon(scores * size)
    assert measured == pytest.approx(spread * size, rel=1e-12)
    loss_fn = dl.DirectLoss(dl.AveragePrecision())
    targets = torch.tensor([[1, 0, 0, 1], [0, 1, 1, 0]])
    value, gradient = value_and_gradient(loss_fn, scores * size, targets)
    assert float(loss_fn.epsilon) == (measured if size > 1e-300 else pytest.approx(measured))
    assert value.isfinite() and gradient.isfinite().all()


def test_a_spread_without_a_finite_inverse_sets_no_step() -> None:
    loss_fn = dl.DirectLoss(dl.AveragePrecision())
    loss_fn(torch.tensor([5e-324, 0.0], dtype=torch.float64), torch.tensor([0, 1]))
    assert loss_fn.epsilon.isnan()


def test_spreads_of_very_different_sizes_pool() -> None:
    parts = [torch.tensor([0.0, 1e300], dtype=torch.float64), torch.tensor([0.0, 1.0, 2.0])]
    spreads = [spread_of(Layout.of(part[None], torch.zeros_like(part[None]))) for part in parts]
    assert pooled(spreads).deviation == pytest.approx(1e300 * (0.5 / 5) ** 0.5, rel=1e-12)
    assert pooled(spreads[1:]) == spreads[1]
    assert pooled([Spread(0.0, 3, 0)]).deviation == 0.0 == pooled([]).deviation


@every_task
def test_bounds_of_huge_scores_enclose_the_task_loss(case: TaskCase) -> None:
    rng = np.random.default_rng(5)
    scores, targets = case.batch(rng, 2, 6)
    loss_fn = dl.DirectLoss(case.make(), epsilon=2.0**1020)
    lower, upper = loss_fn.bounds(scores * 2.0**1020, targets)
    value = loss_fn(scores * 2.0**1020, targets)
    assert lower <= value + 1e-12 and value <= upper + 1e-12
    seen = loss_fn.diagnostics(scores * 2.0**1020, targets)
    assert seen.lower == pytest.approx(float(lower), abs=1e-12)
    assert seen.upper == pytest.approx(float(upper), abs=1e-12)


def test_a_hinge_past_the_largest_number_is_infinite() -> None:
    scores = torch.tensor([LARGEST, -LARGEST], dtype=torch.float64)
    value, gradient = value_and_gradient(
        dl.HingeLoss(dl.AveragePrecision()), scores, torch.tensor([0, 1])
    )
    assert isinf(value) and value > 0
    assert gradient.tolist() == [2.0, -2.0]


def test_an_epsilon_whose_gradient_does_not_fit_the_scores_is_refused_by_name() -> None:
    scores = torch.tensor([0.0, 0.0, 1.0], requires_grad=True)
    with pytest.raises(ArgumentError, match=r"epsilon.*float32"):
        functional.direct_loss(
            scores, torch.tensor([1, 0, 0]), dl.AveragePrecision(), epsilon=1e-39
        )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_a_gradient_that_half_precision_cannot_hold_is_refused(dtype: torch.dtype) -> None:
    targets = torch.arange(17) % 3 == 0
    scores = torch.linspace(-1, 1, 17).to(dtype).requires_grad_()
    for epsilon in (1e-300, 0.01 / torch.finfo(dtype).max):
        loss_fn = dl.DirectLoss(dl.ZeroOne(), epsilon=epsilon, direction="both")
        with pytest.raises(ArgumentError, match=f"epsilon: .* type, {str(dtype)[6:]}"):
            loss_fn(scores * 0.0, targets)
    loss = dl.DirectLoss(dl.ZeroOne(), epsilon=100 / torch.finfo(dtype).max)(scores, targets)
    loss.backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


@pytest.mark.parametrize(
    "gains",
    [[1e308, 1e308, 0.0, 5e307], [5e-324, 1e-323, 0.0, 0.0], [1e-20, 2e-20, 3e-20, 0.0]],
    ids=str,
)
def test_ndcg_of_gains_of_any_size(gains: list[float]) -> None:
    scores = torch.tensor([0.5, -1.0, 0.7, 0.1], dtype=torch.float64)
    size = max(gains)
    for gain in ("linear", "exp2"):
        if gain == "exp2" and not 1e-300 < size < 1:
            continue
        task = dl.NDCG(gain=gain)
        whole = dl.NDCG(gain="linear")  # 2^r - 1 is r log 2 where r is tiny
        relative = torch.tensor(gains, dtype=torch.float64) / size
        wanted = value_and_gradient(make_loss("both", whole), scores, relative)
        came = value_and_gradient(
            make_loss("both", task), scores, torch.tensor(gains, dtype=torch.float64)
        )
        for one, other in zip(came, wanted, strict=True):
            assert torch.allclose(one, other, rtol=1e-12, atol=0)


def test_relevances_that_are_no_exponents_are_refused_by_name() -> None:
    with pytest.raises(ArgumentError, match=r"targets: got 1500.*linear"):
        dl.NDCG().metric(torch.tensor([1.0, 0.0]), torch.tensor([1500, 2]))


@pytest.mark.parametrize("alpha", [5e-324, 1e-30, 1e-9, 0.009, 0.011, 700.0, 1e6, 1e308])
def test_bedroc_has_its_limits(alpha: float) -> None:
    """ROC AUC as alpha tends to 0; the first position alone as it grows."""
    rng = np.random.default_rng(6)
    for _ in range(20):
        labels = torch.from_numpy(rng.random(50) < 0.2)
        labels[:2] = torch.tensor([True, False])
        scores = torch.from_numpy(rng.normal(size=50))
        metric = float(dl.BEDROC(alpha).metric(scores, labels))
        if alpha < 1:
            area = float(dl.ROCAUC().metric(scores, labels))
            assert metric == pytest.approx(area, abs=0.2 * alpha + 1e-12)
        if alpha > 1e4:
            assert metric == float(labels[scores.argmax()])
        value, gradient = value_and_gradient(make_loss("both", dl.BEDROC(alpha)), scores, labels)
        assert float(value) == pytest.approx(1 - metric, abs=1e-12)
        assert gradient.isfinite().all()


@pytest.mark.parametrize("beta", [1e-200, 1e200])
def test_f_beta_has_its_limits(beta: float) -> None:
    scores, targets = torch.tensor([1.0, 2.0, -1.0, -2.0]), torch.tensor([1, 0, 1, 1])
    wanted = 1 / 2 if beta < 1 else 1 / 3
    assert float(dl.FBeta(beta).metric(scores, targets)) == pytest.approx(wanted)


def test_values_of_ones_own_that_no_sum_bears_are_refused_by_name() -> None:
    with pytest.raises(ArgumentError, match="rank_weights"):
        RankingTask([1e300], [1.0])
    with pytest.raises(ArgumentError, match="costs"):
        CostMatrix([[0.0, 1e300], [1.0, 0.0]])
    with pytest.raises(ArgumentError, match="alpha"):
        dl.Tversky(1e300, 1.0)
    task = dl.CountingTask(lambda tp, fp, fn, tn: 1e300 * fp)
    with pytest.raises(ArgumentError, match="task_loss"):
        task.metric(torch.tensor([1.0, -1.0]), torch.tensor([0, 1]))


def test_a_configuration_that_is_none_is_read_without_leaving_the_tables() -> None:
    targets = torch.tensor([1, 0, 1, 0])
    for task in (dl.AveragePrecision(), dl.ROCAUC(), dl.AveragePrecision(2), dl.ReciprocalRank()):
        for value in (1e300, -1e300, 5.0):
            loss = task.task_loss(torch.full((4,), value, dtype=torch.float64), targets)
            assert 0.0 <= float(loss) <= 1.0


@every_task
@every_update
def test_a_list_gets_the_gradient_that_it_has_alone(case: TaskCase, update: str) -> None:
    """Whatever the size of the lists beside it."""
    rng = np.random.default_rng(7)
    scores, targets = case.batch(rng, 5, 6)
    sizes = torch.tensor([1e-300, 1.0, 1e307, 1e-160, 1e200], dtype=torch.float64)
    scores = scores.clamp(-2, 2) * sizes[:, None]
    for step in (1e-300, 1.0, 1e300):
        loss_fn = make_loss(update, case.make(), step, reduction="none")
        values, gradients = value_and_gradient(loss_fn, scores, targets)
        for k in range(5):
            value, gradient = value_and_gradient(loss_fn, scores[k : k + 1], targets[k : k + 1])
            assert torch.equal(values[k], value[0])
            assert torch.equal(gradients[k], gradient[0])


def test_bounds_of_a_tiny_epsilon_are_numbers() -> None:
    scores = torch.tensor([[3.0, -1.0, 2.0, 0.5]], dtype=torch.float64)
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=1e-307)
    lower, upper = loss_fn.bounds(scores, torch.tensor([[0, 1, 1, 0]]))
    assert not lower.isnan() and not upper.isnan()


def test_the_classes_of_a_masked_sample_may_be_one() -> None:
    mask = torch.tensor([True, False, False, False, True])
    loss = functional.direct_loss(
        torch.zeros(5, 1),
        torch.zeros(5, dtype=torch.int64),
        dl.MulticlassZeroOne(),
        epsilon=1.0,
        mask=mask,
        reduction="none",
    )
    assert loss.tolist() == [0.0] * 5


def test_a_carrier_of_a_large_coefficient_leaves_the_value_alone() -> None:
    scores = torch.tensor([1e10, 0.0], requires_grad=True)
    loss = functional.loss_from_configurations(
        lambda k: scores[k], [(1e35, 0), (-1e35, 1)], torch.tensor(0.5)
    )
    loss.backward()
    assert loss == 0.5
    assert scores.grad is not None and torch.equal(scores.grad, torch.tensor([1e35, -1e35]))


def test_a_signal_handler_may_evaluate_in_the_midst_of_a_step() -> None:
    """In a process of its own: what fails here would end it."""
    code = """
import random, signal, time, torch, directloss as dl
from directloss import functional
torch.set_num_threads(2)
g = torch.Generator().manual_seed(0)
scores = torch.randn(4, 60_000, generator=g)
targets = torch.rand(4, 60_000, generator=g) < .2
other, labels = torch.randn(3, 50_000, generator=g), torch.rand(3, 50_000, generator=g) < .1
def step():
    leaf = scores.clone().requires_grad_()
    loss = functional.direct_loss(leaf, targets, dl.AveragePrecision(), epsilon=.3)
    loss.backward()
    return float(loss), leaf.grad
right, metric, seen = step(), dl.NDCG().metric(other, labels), []
def handler(*_):
    seen.append(bool(dl.NDCG().metric(other, labels) == metric))
signal.signal(signal.SIGALRM, handler)
r = random.Random(1)
start = time.perf_counter()
for _ in range(5):
    step()
seconds = (time.perf_counter() - start) / 5
for _ in range(60):
    signal.setitimer(signal.ITIMER_REAL, r.uniform(.05, .9) * seconds)
    value, gradient = step()
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert value == right[0] and torch.equal(gradient, right[1])
assert seen and all(seen)
print(len(seen))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10
