"""The step as a setting: what it may be, wherever it comes from."""

from __future__ import annotations

import copy
import subprocess
import sys
import warnings
from collections.abc import Callable
from fractions import Fraction
from math import inf, isnan, nan

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import directloss as dl
from directloss.errors import ArgumentError

MAKERS: dict[str, tuple[str, Callable[..., nn.Module]]] = {
    "direct": ("epsilon", lambda **step: dl.DirectLoss(dl.AveragePrecision(), **step)),
    "hinge": ("margin", lambda **step: dl.HingeLoss(dl.AveragePrecision(), **step)),
    "chain direct": ("epsilon", lambda **step: dl.DirectLoss(dl.Chain(), **step)),
    "chain hinge": ("margin", lambda **step: dl.HingeLoss(dl.Chain(), **step)),
}
every_loss = pytest.mark.parametrize("kind", MAKERS)

NO_STEPS = [0, -1.0, inf, -inf, 1e-310, 5e-324, 10**400]
"""1 / 1e-310 is more than the largest float64."""

NO_NUMBERS = [None, "fast", True, np.True_, 1j, [0.3], np.array([0.3]), torch.tensor([0.3])]

NUMBERS = [
    0.25, 1, Fraction(1, 4), np.float16(0.25), np.float32(0.25), np.float64(0.25), np.int64(3),
    np.array(0.25), np.array(2), torch.tensor(0.25), torch.tensor(2),
]  # fmt: skip


def made(kind: str, value: object = 0.5) -> tuple[str, nn.Module]:
    name, make = MAKERS[kind]
    return name, make(**{name: value})


def stored(loss_fn: nn.Module) -> float:
    (value,) = loss_fn.state_dict().values()
    assert value.dtype == torch.float64 and value.shape == ()
    return float(value)


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(40, generator=generator).double(), torch.arange(40) % 3 == 0


@every_loss
@pytest.mark.parametrize("value", NUMBERS, ids=repr)
def test_whatever_is_a_number_is_a_step(kind: str, value: object) -> None:
    name, loss_fn = made(kind, value)
    assert stored(loss_fn) == float(value)  # type: ignore[arg-type]
    loss_fn = made(kind)[1]
    setattr(loss_fn, name, value)
    assert stored(loss_fn) == float(value)  # type: ignore[arg-type]


@every_loss
@pytest.mark.parametrize("value", [*NO_STEPS, nan, *NO_NUMBERS], ids=repr)
def test_what_is_no_step_is_neither_given_nor_assigned(kind: str, value: object) -> None:
    name, loss_fn = made(kind)
    with pytest.raises(ArgumentError, match=rf"^{name}: got .*, wanted a positive finite number"):
        made(kind, value)
    if isinstance(value, Tensor):  # of shape (1,), as old checkpoints have it
        return
    with pytest.raises(ArgumentError, match=rf"^{name}: got .*, wanted a positive finite number"):
        setattr(loss_fn, name, value)
    assert stored(loss_fn) == 0.5


@pytest.mark.parametrize("value", NO_STEPS[:-1])
def test_nor_in_the_functions(value: float) -> None:
    scores, targets = batch()
    for given in (value, np.float64(value), torch.tensor(value, dtype=torch.float64)):
        with pytest.raises(ArgumentError, match=r"^epsilon: got"):
            dl.functional.direct_loss(scores, targets, dl.AveragePrecision(), epsilon=given)
        with pytest.raises(ArgumentError, match=r"^margin: got"):
            dl.functional.hinge_loss(scores, targets, dl.AveragePrecision(), margin=given)


def test_the_functions_take_numbers_of_numpy() -> None:
    scores, targets = batch()
    task = dl.AveragePrecision()
    for update, name in (
        (dl.functional.direct_loss, "epsilon"),
        (dl.functional.hinge_loss, "margin"),
    ):
        slopes = []
        for step in (0.25, np.float32(0.25), np.array(0.25)):
            leaf = scores.clone().requires_grad_()
            update(leaf, targets, task, **{name: step}).backward()
            slopes.append(leaf.grad)
        assert slopes[0].any() and all(torch.equal(slopes[0], slope) for slope in slopes)


@every_loss
@pytest.mark.parametrize("value", NO_STEPS[:-1])
@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("assign", [False, True])
def test_what_is_no_step_is_not_loaded(
    kind: str, value: float, shape: tuple[int, ...], assign: bool
) -> None:
    name, loss_fn = made(kind)
    state = {name: torch.full(shape, value, dtype=torch.float64)}
    with pytest.raises(ArgumentError, match=rf"^{name}: got"):
        loss_fn.load_state_dict(state, assign=assign)
    assert stored(loss_fn) == 0.5
    inside = nn.ModuleDict({"loss": loss_fn})
    with pytest.raises(ArgumentError, match=rf"^{name}: got"):
        inside.load_state_dict({f"loss.{name}": state[name]}, assign=assign)
    assert stored(loss_fn) == 0.5


@every_loss
@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("value", [0.125, nan])
def test_a_step_is_loaded_and_so_is_one_that_is_not_set(
    kind: str, value: float, assign: bool
) -> None:
    name, loss_fn = made(kind)
    for dtype in (torch.float32, torch.float64):
        loss_fn.load_state_dict({name: torch.tensor(value, dtype=dtype)}, assign=assign)
        assert stored(loss_fn) == value or (isnan(value) and isnan(stored(loss_fn)))


def test_a_step_that_was_spoilt_in_place_is_no_step_either() -> None:
    scores, targets = batch()
    for value in (-1.0, inf, 0.0):
        loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=1.0)
        loss_fn.epsilon.fill_(value)
        with pytest.raises(ArgumentError, match=r"^epsilon: got"):
            loss_fn(scores, targets)
        with pytest.raises(ArgumentError, match=r"^epsilon: got"):
            loss_fn.bounds(scores, targets)


@every_loss
def test_auto_may_be_assigned_and_steps_pass_between_modules(kind: str) -> None:
    name, loss_fn = made(kind)
    setattr(loss_fn, name, "auto")
    assert isnan(stored(loss_fn))
    _, other = made(kind, 2.0)
    setattr(other, name, getattr(loss_fn, name))
    assert isnan(stored(other))
    _, third = made(kind, 3.0)
    setattr(other, name, getattr(third, name))
    setattr(third, name, 4.0)
    assert (stored(other), stored(third)) == (3.0, 4.0)


@pytest.mark.parametrize("kind", ["direct", "hinge"])
def test_a_schedule_is_a_loss_made_anew_at_each_step(kind: str) -> None:
    scores, targets = batch()
    name, scheduled = made(kind, "auto")
    for step in (0.5, np.float32(0.25), 0.125):
        setattr(scheduled, name, step)
        slopes = []
        for loss_fn in (scheduled, made(kind, step)[1]):
            leaf = scores.clone().requires_grad_()
            loss_fn(leaf, targets).backward()
            slopes.append(leaf.grad)
        assert torch.equal(*slopes) and slopes[0].any()
        twin = copy.deepcopy(scheduled)
        assert stored(twin) == stored(scheduled) == float(step)


def test_a_schedule_compiles_once() -> None:
    torch.compiler.reset()
    scores, targets = batch()
    graphs = 0

    def counting(graph: torch.fx.GraphModule, _: object) -> Callable[..., object]:
        nonlocal graphs
        graphs += 1
        return graph.forward

    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=1.0, unit="loss")
    compiled = torch.compile(loss_fn, fullgraph=True, backend=counting)
    for step in (0.9, 0.3, 0.1):
        loss_fn.epsilon = step
        leaf = scores.clone().requires_grad_()
        compiled(leaf, targets).backward()
        wanted = scores.clone().requires_grad_()
        dl.DirectLoss(dl.AveragePrecision(), epsilon=step, unit="loss")(wanted, targets).backward()
        assert torch.equal(leaf.grad, wanted.grad) and leaf.grad.any()
    assert graphs == 1


@every_loss
def test_a_module_prints_its_step(kind: str) -> None:
    name, loss_fn = made(kind, "auto")
    assert f"{name}='auto'" in repr(loss_fn) and "nan" not in repr(loss_fn)
    setattr(loss_fn, name, 0.25)
    assert f"{name}=0.25" in repr(loss_fn)


def test_a_measured_step_is_printed() -> None:
    loss_fn = dl.DirectLoss(dl.AveragePrecision())
    loss_fn(*batch())
    assert repr(loss_fn) == (
        f"DirectLoss(AveragePrecision(), epsilon={float(loss_fn.epsilon):g}, direction='positive')"
    )


@pytest.mark.parametrize("scale", [1e-320, 1e-310])
def test_a_spread_that_no_step_fits_to_sets_nothing(scale: float) -> None:
    scores, targets = batch()
    loss_fn = dl.DirectLoss(dl.AveragePrecision())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = loss_fn(scores * scale, targets)
    assert value.isfinite() and loss_fn.epsilon.isnan()


def test_a_number_that_is_read_is_the_buffer_and_item_keeps_it() -> None:
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=1.0)
    alias, kept = loss_fn.epsilon, loss_fn.epsilon.item()
    loss_fn.epsilon = 0.5
    assert (alias.item(), kept) == (0.5, 1.0)


# --- the meta device ----------------------------------------------------------------------------


def test_a_module_without_data_gets_its_numbers_with_its_memory() -> None:
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(3, 1))
        noise = dl.Perturbation(0.2, seed=7)
        model.loss = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.3, perturbation=noise)
        model.unset = dl.HingeLoss(dl.AveragePrecision(), margin="auto")
        model.without = dl.PerceptronLoss(dl.AveragePrecision())
        model.weighted = dl.DirectLoss(dl.FBeta(), class_dim=1, class_weight=[1.0, 2.0, 3.0])
    assert model.loss.epsilon.is_meta
    model.to_empty(device="cpu")
    assert model.loss.epsilon.item() == 0.3 and model.loss.epsilon.dtype == torch.float64
    assert isnan(model.unset.margin.item())
    assert model.loss.perturbation.scale.item() == 0.2
    assert model.loss.perturbation.state.tolist() == [7, 0]
    assert model.weighted.class_weight.tolist() == [1.0, 2.0, 3.0]
    scores, targets = torch.tensor([0.3, 0.1, 0.2]), torch.tensor([0, 1, 0])
    fresh = dl.DirectLoss(
        dl.AveragePrecision(), epsilon=0.3, perturbation=dl.Perturbation(0.2, seed=7)
    )
    assert torch.equal(model.loss(scores, targets), fresh(scores, targets))


def test_what_a_module_needs_is_on_the_host_whatever_the_default_device() -> None:
    program = (
        "import torch\n"
        "import directloss as dl\n"
        "with torch.device('meta'):\n"
        "    dl.DirectLoss(dl.AveragePrecision(), perturbation=dl.Perturbation())\n"
        "    loss = dl.DirectLoss(dl.Jaccard(), class_dim=1, class_weight=[1.0, 2.0])\n"
        "assert loss.class_weight.is_meta\n"
        "loss = dl.DirectLoss(dl.AveragePrecision(), perturbation=dl.Perturbation(0.3))\n"
        "loss(torch.randn(5), torch.tensor([1, 0, 1, 0, 0]))\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
