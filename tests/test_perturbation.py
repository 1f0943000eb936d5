"""Noise on the scores: the smoothed metric, its gradient, and the same noise everywhere."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import directloss as dl
from directloss._noise import draw as draw_noise
from directloss.errors import ArgumentError, NonFiniteScoreError, UndefinedMetricError
from directloss.lists import elementwise
from directloss.training import whole_dataset_step

SCALE = 0.5
BATCHES, COPIES = 20, 1_000
H = 0.1
"""Of the noise scale: the step of the central differences."""

TASKS: dict[str, Callable[[], dl.Task]] = {
    "average precision": dl.AveragePrecision,
    "F1": dl.FBeta,
    "precision@2": lambda: dl.PrecisionAtK(2),
    "NDCG": dl.NDCG,
}
SMALL = {"average precision": 0.1, "F1": 0.02, "precision@2": 0.1, "NDCG": 0.1}
"""An epsilon whose bias is within the noise of the draws, in noise scales."""

QUIET = {"average precision": 0.01, "F1": 0.01, "precision@2": 1.0, "NDCG": 0.01}
"""An epsilon at which some lists of 60 give no gradient without noise."""

SCORES = torch.tensor([0.3, -0.2, 0.8, 0.1, -0.6, 0.5], dtype=torch.float64)
TARGETS = torch.tensor([1, 0, 0, 1, 0, 0])


def perturbed(task: dl.Task, epsilon: float, **options: Any) -> dl.DirectLoss:
    noise = dl.Perturbation(SCALE, **{"samples": COPIES, **options})
    return dl.DirectLoss(task, epsilon=epsilon, unit="loss", direction="both", perturbation=noise)


def gradient_of(loss_fn: nn.Module, scores: Tensor, targets: Tensor, **layout: Any) -> Tensor:
    leaf = scores.clone().requires_grad_()
    loss_fn(leaf, targets, **layout).backward()
    assert leaf.grad is not None
    return leaf.grad


def excess_over_differences(task: dl.Task, epsilon: float) -> Tensor:
    """Gradient less central differences of the smoothed metric, a row for each batch of noise."""
    loss_fn = perturbed(task, epsilon)
    assert loss_fn.perturbation is not None
    steps = torch.eye(len(SCORES), dtype=torch.float64) * H * SCALE
    rows = []
    for draw in range(BATCHES):

        def value(scores: Tensor, draw: int = draw) -> float:
            loss_fn.perturbation.state[1] = draw  # the same noise for all of them
            return float(loss_fn(scores, TARGETS))

        slopes = [(value(SCORES + h) - value(SCORES - h)) / (2 * H * SCALE) for h in steps]
        loss_fn.perturbation.state[1] = draw
        rows.append(gradient_of(loss_fn, SCORES, TARGETS) - torch.tensor(slopes))
    return torch.stack(rows)


def standard_scores(rows: Tensor) -> Tensor:
    return rows.mean(0).abs() / (rows.std(0) / len(rows) ** 0.5)


@pytest.mark.parametrize("name", TASKS)
def test_the_mean_gradient_is_the_slope_of_the_smoothed_metric(name: str) -> None:
    rows = excess_over_differences(TASKS[name](), SMALL[name] * SCALE)
    assert (standard_scores(rows) < 4.5).all()
    assert rows.mean(0).abs().max() < 0.02


def test_an_epsilon_of_several_noise_scales_is_not() -> None:
    rows = excess_over_differences(dl.AveragePrecision(), 40 * SCALE)
    assert standard_scores(rows).max() > 20


@pytest.mark.parametrize("name", TASKS)
def test_a_batch_has_a_gradient_where_the_plain_loss_has_none(name: str) -> None:
    task, generator = TASKS[name](), torch.Generator().manual_seed(1)
    options: dict[str, Any] = {"epsilon": QUIET[name], "unit": "loss", "direction": "both"}
    plain = dl.DirectLoss(task, **options)
    loss_fn = dl.DirectLoss(task, **options, perturbation=dl.Perturbation(1.0, samples=64))
    targets, silent = torch.arange(60) < 6, 0
    for _ in range(20):
        scores = torch.randn(60, generator=generator)
        silent += not gradient_of(plain, scores, targets).any()
        assert gradient_of(loss_fn, scores, targets).any()
    assert silent > 0


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("layout", ["list", "rows", "columns", "groups", "mask"])
def test_the_update_is_the_mean_of_those_of_the_copies(reduction: Any, layout: str) -> None:
    generator = torch.Generator().manual_seed(2)
    scores = torch.randn((30,) if layout == "list" else (30, 30), generator=generator)
    targets = (torch.rand(scores.shape, generator=generator) < 0.3).int()
    options: dict[str, Any] = {"epsilon": 0.5, "reduction": reduction}
    given: dict[str, Tensor] = {}
    if layout == "columns":
        options["dim"] = 0
    if layout == "groups":
        given["groups"] = torch.randint(0, 3, (30,), generator=generator)
    if layout == "mask":
        given["mask"] = torch.rand(scores.shape, generator=generator) < 0.8
        targets[3] = 0  # a list on which AP is undefined
    noise = dl.Perturbation(0.7, samples=4, kind="logistic", seed=5)
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), perturbation=noise, **options)
    plain = dl.DirectLoss(dl.AveragePrecision(), **options)
    rows = scores.T if layout == "columns" else scores
    half = 0.7 * draw_noise(noise.state, rows.contiguous(), 2, "logistic")
    drawn = torch.cat([half, -half])
    drawn = drawn.transpose(1, 2) if layout == "columns" else drawn

    leaf = scores.clone().requires_grad_()
    value = loss_fn(leaf, targets, **given)
    weights = torch.rand(value.shape, generator=generator)
    (value * weights).sum().backward()
    other = scores.clone().requires_grad_()
    values = torch.stack([plain(other + copied, targets, **given) for copied in drawn])
    (values.mean(0) * weights).sum().backward()
    torch.testing.assert_close(value, values.mean(0))
    torch.testing.assert_close(leaf.grad, other.grad)


@pytest.mark.parametrize("shape", [(0,), (0, 5), (3, 0)])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_nothing_at_all_has_the_value_of_the_plain_loss(
    shape: tuple[int, ...], reduction: Any
) -> None:
    options: dict[str, Any] = {"epsilon": 0.3, "reduction": reduction}
    noisy = dl.DirectLoss(dl.AveragePrecision(), **options, perturbation=dl.Perturbation(0.3))
    plain = dl.DirectLoss(dl.AveragePrecision(), **options)
    scores = torch.zeros(shape, requires_grad=True)
    value = noisy(scores, torch.zeros(shape))
    torch.testing.assert_close(value, plain(scores, torch.zeros(shape)))
    value.sum().backward()
    assert scores.grad is not None and scores.grad.shape == shape


def test_what_cannot_take_noise_is_refused_when_it_is_made() -> None:
    with pytest.raises(ArgumentError, match=r"perturbation: .* wanted None for Chain"):
        dl.DirectLoss(dl.Chain(), perturbation=dl.Perturbation())
    with pytest.raises(ArgumentError, match=r"seed: .* wanted an int >= 0 .*< 2"):
        dl.Perturbation(seed=2**63)


def test_without_training_there_is_no_noise() -> None:
    task = dl.AveragePrecision()
    loss_fn = dl.DirectLoss(task, perturbation=dl.Perturbation(5.0)).eval()
    generator = torch.Generator().manual_seed(3)
    scores, targets = torch.randn(50, generator=generator), torch.arange(50) % 4 == 0
    for _ in range(2):
        assert float(loss_fn(scores, targets)) == pytest.approx(
            1 - float(task.metric(scores, targets))
        )
    assert loss_fn.state_dict()["perturbation.state"].tolist() == [0, 0]


def test_the_noise_has_a_deviation_of_one() -> None:
    rows = torch.zeros(3, 5, dtype=torch.float64)
    for kind in ("normal", "logistic"):
        drawn = draw_noise(torch.tensor([7, 0]), rows, 20_000, kind)
        assert drawn.std() == pytest.approx(1.0, abs=0.01)
        other = draw_noise(torch.tensor([7, 1]), rows, 20_000, kind)
        assert torch.corrcoef(torch.stack([drawn.flatten(), other.flatten()]))[0, 1].abs() < 0.01


def test_a_state_taken_up_goes_on_with_the_same_noise() -> None:
    scores, targets = torch.linspace(-1, 1, 40), torch.arange(40) % 3 == 0
    loss_fn = dl.DirectLoss(dl.NDCG(), perturbation=dl.Perturbation(seed=11))
    first = [gradient_of(loss_fn, scores, targets) for _ in range(3)]
    assert not torch.equal(first[0], first[1])
    other = dl.DirectLoss(dl.NDCG(), perturbation=dl.Perturbation())
    other.load_state_dict(copy.deepcopy(loss_fn.state_dict()))
    assert torch.equal(gradient_of(other, scores, targets), gradient_of(loss_fn, scores, targets))
    again = dl.DirectLoss(dl.NDCG(), perturbation=dl.Perturbation(seed=11))
    assert torch.equal(gradient_of(again, scores, targets), first[0])


def test_nothing_is_drawn_for_a_batch_that_is_refused() -> None:
    loss_fn = dl.DirectLoss(dl.NDCG(), perturbation=dl.Perturbation())
    before = copy.deepcopy(loss_fn.state_dict())
    with pytest.raises(ArgumentError, match="NaN"):
        loss_fn(torch.tensor([1.0, float("nan"), 0.0]), torch.tensor([1, 0, 0]))
    torch.testing.assert_close(loss_fn.state_dict(), before, equal_nan=True)


def test_compiled_graphs_draw_the_same_noise() -> None:
    scores, targets = torch.linspace(-1, 1, 40), torch.arange(40) % 3 == 0
    plain, traced = (
        dl.DirectLoss(dl.AveragePrecision(), perturbation=dl.Perturbation(seed=2)) for _ in range(2)
    )
    compiled = torch.compile(traced, fullgraph=True, backend="aot_eager")
    for _ in range(3):
        assert torch.equal(
            gradient_of(compiled, scores, targets), gradient_of(plain, scores, targets)
        )
    torch.testing.assert_close(traced.state_dict(), plain.state_dict())


def test_a_whole_data_set_in_chunks_has_the_gradient_of_one_batch() -> None:
    torch.manual_seed(0)
    features, targets = torch.randn(90, 4, dtype=torch.float64), torch.arange(90) % 5 == 0
    networks = [nn.Sequential(nn.Linear(4, 1), nn.Flatten(0)).double() for _ in range(2)]
    networks[1].load_state_dict(networks[0].state_dict())
    losses = [
        dl.DirectLoss(dl.AveragePrecision(), perturbation=dl.Perturbation()) for _ in networks
    ]
    losses[0](networks[0](features), targets).backward()
    chunks = list(zip(features.split(20), targets.split(20), strict=True))
    whole_dataset_step(networks[1], chunks, losses[1])
    for one, other in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_bounds_enclose_the_value_of_the_same_copies() -> None:
    generator = torch.Generator().manual_seed(4)
    scores, targets = torch.randn(8, 30, generator=generator), torch.arange(30) % 4 == 0
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), perturbation=dl.Perturbation(0.8))
    targets = targets.expand(8, 30)
    for _ in range(5):
        lower, upper = loss_fn.bounds(scores, targets)
        value = loss_fn(scores, targets)
        assert lower - 1e-6 <= value <= upper + 1e-6


def test_the_scale_is_set_by_the_first_batch_as_epsilon_is() -> None:
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.1, perturbation=dl.Perturbation())
    assert "scale='auto'" in repr(loss_fn)
    flat, targets = torch.zeros(6), torch.arange(6) < 2
    loss_fn(flat, targets)  # without a spread nothing is set
    assert "scale='auto'" in repr(loss_fn)
    scores = torch.tensor([-3.0, 3.0, -3.0, 3.0, -3.0, 3.0])
    loss_fn(scores, targets)
    assert loss_fn.perturbation is not None
    assert float(loss_fn.perturbation.scale) == pytest.approx(0.3 * 3.0)
    loss_fn(10 * scores, targets)
    assert float(loss_fn.perturbation.scale) == pytest.approx(0.3 * 3.0)
    loss_fn.half()
    assert loss_fn.perturbation.scale.dtype == torch.float64
    assert loss_fn.perturbation.state.dtype == torch.int64


def test_scores_of_any_size_and_infinite_ones_bear_noise() -> None:
    largest = torch.finfo(torch.float64).max
    scores = torch.tensor(
        [largest, -largest, float("inf"), float("-inf"), 0.0], dtype=torch.float64
    )
    loss_fn = dl.DirectLoss(
        dl.AveragePrecision(), epsilon=1e300, perturbation=dl.Perturbation(largest)
    )
    gradient = gradient_of(loss_fn, scores, torch.tensor([0, 1, 0, 1, 1]))
    assert gradient.isfinite().all()
    assert not gradient[2:4].any()


@pytest.mark.parametrize("samples", [2, 4])
@pytest.mark.parametrize("size", [1_000, 40_000])  # short, and in memory that the thread keeps
def test_two_steps_before_their_backward_passes_do_not_share_memory(
    size: int, samples: int
) -> None:
    """Each is the mean of its own copies."""
    generator = torch.Generator().manual_seed(6)
    leaves = [torch.randn(size, generator=generator).requires_grad_() for _ in range(2)]
    targets = torch.rand(size, generator=generator) < 0.2
    noise = dl.Perturbation(0.5, samples=samples)
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.3, perturbation=noise)
    drawn = []
    for count, leaf in enumerate(leaves):
        half = 0.5 * draw_noise(torch.tensor([0, count]), leaf.detach(), samples // 2, "normal")
        drawn.append(torch.cat([half, -half]))
    values = [loss_fn(leaf, targets) for leaf in leaves]
    for value in values:
        value.backward()
    plain = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.3)
    for leaf, copied, value in zip(leaves, drawn, values, strict=True):
        other = leaf.detach().clone().requires_grad_()
        wanted = torch.stack([plain(other + part, targets) for part in copied]).mean()
        wanted.backward()
        torch.testing.assert_close(value, wanted)
        torch.testing.assert_close(leaf.grad, other.grad)


def test_a_mean_that_the_type_holds_is_no_overflow() -> None:
    """Of copies whose gradients, added before they are divided, would be one."""
    noise = dl.Perturbation(1e-41, seed=1)
    loss_fn = dl.DirectLoss(
        dl.AveragePrecision(), epsilon=1e-38, direction="positive", perturbation=noise
    )
    scores = torch.tensor([[0.4, 0.3]]) * 1e-38
    gradient = gradient_of(loss_fn, scores, torch.tensor([[1, 0]]))
    assert gradient.tolist() == [[pytest.approx(-2e38), pytest.approx(2e38)]]


def test_the_gradient_keeps_no_memory_of_the_copies() -> None:
    batch = dl.AveragePrecision().read(torch.randn(50), torch.arange(50) < 9)
    terms = dl.functional.direct_terms(1.0, "both")
    _, gradient = batch.with_noise(torch.randn(4, 50)).solve(terms, "prediction", "mean")
    array = gradient.numpy()
    while isinstance(array.base, np.ndarray):
        array = array.base
    assert array.size == 50


@pytest.mark.parametrize("task", [dl.AveragePrecision(), dl.NDCG(gain=lambda grade: 2.0 * grade)])
def test_targets_are_read_once_for_all_copies(
    task: dl.Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    read = type(task).read_targets

    def read_targets(self: dl.Task, targets: np.ndarray) -> Any:
        calls.append(targets.size)
        return read(self, targets)

    if getattr(read, "elementwise", False):
        elementwise(read_targets)
    monkeypatch.setattr(type(task), "read_targets", read_targets)
    loss_fn = dl.DirectLoss(task, epsilon=1.0, perturbation=dl.Perturbation(0.5, samples=4))
    scores = torch.randn(20, generator=torch.Generator().manual_seed(1)).requires_grad_()
    loss_fn(scores, torch.arange(20) % 2).backward()
    assert scores.grad is not None and scores.grad.any()  # else there would be a second look
    assert calls == ([20] if isinstance(task, dl.AveragePrecision) else [80])


def test_targets_that_are_not_read_one_by_one_are_read_with_their_copies() -> None:
    class ByPlace(dl.AveragePrecision):
        def read_targets(self, targets: np.ndarray) -> np.ndarray:
            return (np.arange(targets.size) % 7 == 3).astype(np.uint8)

    scores = torch.randn(2, 20, generator=torch.Generator().manual_seed(3))
    noise = dl.Perturbation(0.5)
    half = 0.5 * draw_noise(noise.state, scores, 1, "normal")
    value = dl.DirectLoss(ByPlace(), epsilon=1.0, perturbation=noise)(scores, torch.zeros(2, 20))
    copies = torch.cat([scores + half[0], scores - half[0]])
    wanted = dl.DirectLoss(ByPlace(), epsilon=1.0)(copies, torch.zeros(4, 20))
    torch.testing.assert_close(value, wanted)


def test_lists_without_the_metric_are_counted_once() -> None:
    noise = dl.Perturbation(0.5, samples=4)
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=1.0, empty="error", perturbation=noise)
    targets = torch.tensor([[0, 0, 0], [1, 0, 1]])
    with pytest.raises(UndefinedMetricError, match="got 1 of 2 lists"):
        loss_fn(torch.randn(2, 3), targets)


LAYOUTS: dict[str, tuple[dict[str, Tensor], int]] = {
    "rows": ({}, 12),
    "mask": ({"mask": torch.arange(12).reshape(3, 4) != 0}, 11),
    "groups": ({"groups": torch.tensor([0, 0, 1, 1])}, 12),
}
"""Arguments of a call, and how many of 12 scores they keep."""


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_error_counts_the_scores_and_not_their_copies(layout: str) -> None:
    given, kept = LAYOUTS[layout]
    scores, targets = torch.zeros(3, 4), torch.arange(4).expand(3, 4) % 2
    scores[1, 2] = float("nan")
    noise = dl.Perturbation(0.5, samples=4)
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=1.0, perturbation=noise)
    wanted = f"got 1 NaN of {kept} scores, the first at entry 2 along dim of list 1,"
    with pytest.raises(NonFiniteScoreError, match=wanted):
        loss_fn(scores, targets, **given)


def test_another_default_device_does_not_matter() -> None:
    noise = dl.Perturbation(0.5)
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=1.0, perturbation=noise)
    scores, targets = torch.randn(20), torch.arange(20) % 2
    wanted = copy.deepcopy(loss_fn)(scores, targets)
    with torch.device("meta"):
        assert loss_fn(scores, targets) == wanted


WRONG: dict[str, Callable[[], object]] = {
    "scale: got 0.0": lambda: dl.Perturbation(0.0),
    "samples: got 3": lambda: dl.Perturbation(samples=3),
    "samples: got 0": lambda: dl.Perturbation(samples=0),
    "kind: got 'cauchy'": lambda: dl.Perturbation(kind="cauchy"),  # type: ignore[arg-type]
    "seed: got -1": lambda: dl.Perturbation(seed=-1),
    "perturbation: got 0.3": lambda: dl.DirectLoss(dl.NDCG(), perturbation=0.3),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_wrong_is_named(message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        WRONG[message]()
