"""Where a loss is solved: how that is chosen, and that it changes nothing else."""

from __future__ import annotations

import threading
from math import inf
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import directloss as dl
from directloss import _copies
from directloss._terms import Lowering, Term
from directloss.errors import ArgumentError
from tests.harness import TaskCase, make_loss, value_and_gradient
from tests.on_device import ON_DEVICE, STEPS, has


def draw(
    case: TaskCase, seed: int, n: int, *, ties: bool, infinite: bool, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, targets and a mask (4, n): the first list of one class, the last one all left out."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(-2, 3, (4, n)) / 2.0 if ties else rng.normal(size=(4, n))
    if infinite:
        scores = np.where(rng.random((4, n)) < 0.2, rng.choice([-np.inf, np.inf], (4, n)), scores)
    targets = np.stack([case.draw(rng, n) for _ in range(4)])
    targets[0] = targets[0, 0]
    mask = rng.random((4, n)) < 0.8
    mask[3] = False
    return torch.from_numpy(scores).to(dtype), torch.from_numpy(targets), torch.from_numpy(mask)


@pytest.mark.parametrize(("case", "direction"), STEPS)
@settings(max_examples=8, deadline=None, derandomize=True)
@given(data=st.data())
def test_both_solvers_give_the_same(case: TaskCase, direction: str, data: Any) -> None:
    """Values, bounds and where the gradient is 0; the gradient where it has one answer alone."""
    ties, infinite = data.draw(st.booleans()), data.draw(st.booleans())
    dtype = data.draw(st.sampled_from([torch.float64, torch.float32, torch.bfloat16]))
    reduction = data.draw(st.sampled_from(["mean", "sum", "none"]))
    seed, n = data.draw(st.integers(0, 10_000)), data.draw(st.integers(2, 40))
    step = data.draw(st.sampled_from([0.01, 0.3, 3.0]))
    scores, targets, mask = draw(case, seed, n, ties=ties, infinite=infinite, dtype=dtype)
    found = []
    for place in ("host", "device"):
        loss_fn = make_loss(direction, case.make(), step, reduction=reduction, solver=place)
        value, gradient = value_and_gradient(loss_fn, scores, targets, mask=mask)
        bounds = loss_fn.bounds(scores, targets, mask=mask)  # type: ignore[operator]
        found.append((value, gradient, *bounds))
    (value, gradient, *bounds), (same, slope, *others) = found
    torch.testing.assert_close(same, value)
    torch.testing.assert_close(others, bounds, rtol=1e-5, atol=1e-6 / step)
    assert slope.dtype == gradient.dtype and not slope[~mask].any() and slope.isfinite().all()
    if not (ties or infinite) and dtype != torch.bfloat16:
        torch.testing.assert_close(slope, gradient)


@pytest.mark.parametrize("case", ON_DEVICE, ids=str)
@pytest.mark.parametrize("update", ["hinge", "perceptron"])
def test_hinge_and_perceptron_too(case: TaskCase, update: str) -> None:
    scores, targets, mask = draw(case, 1, 30, ties=False, infinite=False, dtype=torch.float64)
    if not has(case.make(), update):
        with pytest.raises(ArgumentError, match="solver"):
            make_loss(update, case.make(), solver="device")
        return
    both = [make_loss(update, case.make(), solver=place) for place in ("host", "device")]
    (value, gradient), (same, slope) = (
        value_and_gradient(loss_fn, scores, targets, mask=mask) for loss_fn in both
    )
    torch.testing.assert_close(same, value)
    torch.testing.assert_close(slope, gradient)


@pytest.mark.parametrize("case", ON_DEVICE, ids=str)
def test_tied_scores_share_alike(case: TaskCase) -> None:
    """All scores equal: the prediction's coefficients are shared, and the update with them."""
    rng = np.random.default_rng(2)
    targets = torch.from_numpy(case.draw(rng, 12))
    update = "both" if has(case.make(), "both") else "negative"
    update = update if has(case.make(), update) else "positive"
    scores = torch.zeros(12, dtype=torch.float64)
    gradients = [
        value_and_gradient(make_loss(update, case.make(), solver=place), scores, targets)[1]
        for place in ("host", "device")
    ]
    torch.testing.assert_close(*gradients)


LONG = [dl.ROCAUC(), dl.PartialAUC(0.1), dl.ReciprocalRank(), dl.NDCG(), dl.Jaccard()]


@pytest.mark.parametrize("direction", ["positive", "negative"])
@pytest.mark.parametrize("task", [*LONG, dl.MatthewsCorrelation()], ids=repr)
def test_a_million_float32_scores_lose_nothing(task: dl.Task, direction: dl.Direction) -> None:
    generator = torch.Generator().manual_seed(3)
    targets = torch.rand(1_000_000, generator=generator) < 0.2
    scores = torch.randn(1_000_000, generator=generator) + 0.5 * targets
    (value, gradient), (same, slope) = (
        value_and_gradient(
            dl.DirectLoss(task, epsilon=0.1, direction=direction, solver=place), scores, targets
        )
        for place in ("host", "device")
    )
    assert abs(value - same) < 1e-6
    # A pair whose two orders are worth the same to the last digits may stand either way.
    assert (gradient - slope).abs().max() <= 1e-3 * gradient.abs().max()
    assert (gradient != slope).double().mean() < 0.01


def test_the_noise_is_the_same() -> None:
    scores, targets = torch.randn(3, 40), torch.rand(3, 40) < 0.3
    found = []
    for place in ("host", "device"):
        noise = dl.Perturbation(0.3, samples=4)
        loss_fn = dl.DirectLoss(dl.ROCAUC(), epsilon=0.2, perturbation=noise, solver=place)
        found.append(value_and_gradient(loss_fn, scores, targets))
    torch.testing.assert_close(*found)


# --- how it is chosen ---------------------------------------------------------------------------


def solved_on_device(loss_fn: dl.DirectLoss, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a step of a loss asks the solver of a device."""
    from directloss import _device

    calls = []
    solve = _device.solve
    monkeypatch.setattr(_device, "solve", lambda *a, **k: calls.append(1) or solve(*a, **k))
    loss_fn(torch.randn(20), torch.arange(20) % 2)
    return bool(calls)


def test_the_innermost_block_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    loss_fn = dl.DirectLoss(dl.ROCAUC(), epsilon=0.5)
    assert not solved_on_device(loss_fn, monkeypatch)
    with dl.solver("device"):
        assert solved_on_device(loss_fn, monkeypatch)
        with dl.solver("host"):
            assert not solved_on_device(loss_fn, monkeypatch)
        assert solved_on_device(loss_fn, monkeypatch)
    assert not solved_on_device(loss_fn, monkeypatch)


def test_a_loss_of_its_own_choice_hears_no_block(monkeypatch: pytest.MonkeyPatch) -> None:
    assert solved_on_device(dl.DirectLoss(dl.ROCAUC(), epsilon=0.5, solver="device"), monkeypatch)
    with dl.solver("device"):
        here = dl.DirectLoss(dl.ROCAUC(), epsilon=0.5, solver="host")
        assert not solved_on_device(here, monkeypatch)


def test_a_block_is_that_of_its_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    loss_fn, found = dl.DirectLoss(dl.ROCAUC(), epsilon=0.5), []
    with dl.solver("device"):
        thread = threading.Thread(
            target=lambda: found.append(solved_on_device(loss_fn, monkeypatch))
        )
        thread.start()
        thread.join()
    assert found == [False]


def test_in_a_block_what_has_no_solver_goes_to_the_host() -> None:
    scores, targets = torch.randn(2, 12), torch.arange(24).reshape(2, 12) % 2
    groups = torch.arange(12) // 6
    for task, options in ((dl.AveragePrecision(), {}), (dl.ROCAUC(), {"groups": groups})):
        loss_fn = dl.DirectLoss(task, epsilon=0.5)
        with dl.solver("device"):
            found = value_and_gradient(loss_fn, scores, targets, **options)
        torch.testing.assert_close(found, value_and_gradient(loss_fn, scores, targets, **options))


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda: dl.DirectLoss(dl.AveragePrecision(), solver="device"), "AveragePrecision"),
        (lambda: dl.DirectLoss(dl.GMean(), direction="both", solver="device"), "G-mean"),
        (lambda: dl.DirectLoss(dl.Tversky(1, 2), solver="device"), "beta > 1"),
        (lambda: dl.HingeLoss(dl.Tversky(0, 1), solver="device"), "alpha or beta 0"),
        (lambda: dl.PerceptronLoss(dl.NDCG(gain=np.square), solver="device"), "NDCG"),
        (lambda: dl.DirectLoss(dl.ROCAUC(), empty="error", solver="device"), "empty='error'"),
        (lambda: dl.DirectLoss(dl.ROCAUC(), solver="gpu"), "'host' or 'device'"),
        (lambda: dl.solver("gpu").__enter__(), "got 'gpu', wanted 'host' or 'device'"),
    ],
)
def test_what_cannot_be_is_said_at_once(make: Any, wanted: str) -> None:
    with pytest.raises(ArgumentError, match=f"^solver: .*{wanted}"):
        make()


def test_groups_of_a_loss_that_must_stay_are_refused() -> None:
    loss_fn = dl.DirectLoss(dl.ROCAUC(), epsilon=0.5, solver="device")
    with pytest.raises(ArgumentError, match=r"^solver: .*groups"):
        loss_fn(torch.randn(6), torch.arange(6) % 2, groups=torch.arange(6) // 3)


def test_a_list_that_the_host_refuses_is_nan_alone() -> None:
    """And what is masked does no harm."""
    scores, targets = torch.randn(4, 8), (torch.arange(32).reshape(4, 8) % 2).float()
    scores[0, 1], targets[1, 2], scores[2, 3] = torch.nan, 5.0, torch.nan
    mask = torch.ones(4, 8, dtype=torch.bool)
    mask[2, 3] = False
    loss_fn = dl.DirectLoss(dl.ROCAUC(), epsilon=0.5, reduction="none", solver="device")
    value, gradient = value_and_gradient(loss_fn, scores, targets, mask=mask)
    assert value.isnan().tolist() == [True, True, False, False]
    assert gradient[:2].isnan().all() and gradient[2:].isfinite().all()


def test_targets_that_are_none_leave_their_entries_out() -> None:
    scores = torch.randn(2, 9)
    targets = torch.tensor([0, 1, -1, 0, 1, 1, 0, -1, 0]).expand(2, 9)
    found = [
        value_and_gradient(
            dl.DirectLoss(dl.NDCG(), epsilon=0.5, ignore_index=-1, solver=place), scores, targets
        )
        for place in ("host", "device")
    ]
    torch.testing.assert_close(*found)
    missing = torch.where(targets < 0, torch.nan, targets.float())
    loss_fn = dl.DirectLoss(dl.NDCG(), epsilon=0.5, solver="device")
    torch.testing.assert_close(value_and_gradient(loss_fn, scores, missing), found[0])


def test_a_step_on_a_device_is_read_once() -> None:
    """Until it is written again."""
    loss_fn = dl.DirectLoss(dl.ROCAUC(), epsilon=0.5)

    class Stored:
        is_cpu, _version, reads = False, 0, 0

        def is_inference(self) -> bool:
            return False

        def item(self) -> float:
            self.reads += 1
            return 0.5 + self._version

    stored: Any = Stored()
    found = [loss_fn._waited_for(stored), loss_fn._waited_for(stored)]
    assert found == [0.5, 0.5] and stored.reads == 1
    stored._version = 1
    assert loss_fn._waited_for(stored) == 1.5 and stored.reads == 2


def test_the_host_waits_once_for_all_it_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins of tensors on a device note what is done to them, in order."""
    done: list[str] = []

    class There:
        is_cuda, device = True, torch.device("cuda")

        def __init__(self, name: str) -> None:
            self.name = name

        def to(self, device: str, non_blocking: bool) -> str:
            assert device == "cpu" and non_blocking
            done.append(self.name)
            return f"copy of {self.name}"

    class Stream:
        def synchronize(self) -> None:
            done.append("wait")

    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream())
    scores, targets, mask = (There(name) for name in ("scores", "targets", "mask"))
    found = _copies.to_host(scores, targets, mask, None)  # type: ignore[arg-type]
    assert found == ("copy of scores", "copy of targets", ["copy of mask", None])
    assert done[-1] == "wait" and sorted(done) == ["mask", "scores", "targets", "wait"]


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 4)], ids=str)
def test_lists_without_items_are_worth_0(shape: tuple[int, ...]) -> None:
    loss_fn = dl.DirectLoss(dl.Jaccard(), epsilon=0.5, reduction="none", solver="device")
    value, gradient = value_and_gradient(loss_fn, torch.empty(shape), torch.empty(shape))
    assert value.shape == shape[:-1] and not value.any() and gradient.shape == shape


def test_what_kind_of_weight_a_term_has() -> None:
    unseen = torch.tensor(1.0)
    kinds = {
        "prediction": [Term(1.0, 0.0)],
        "raising": [Term(1.0, 0.3), Term(1.0, unseen)],
        "lowering": [Term(1.0, -0.3), Lowering(1.0, -0.3), Lowering(1.0, -unseen)],
        "ground truth": [Term(1.0, -inf)],
    }
    assert all(term.kind == kind for kind, terms in kinds.items() for term in terms)
