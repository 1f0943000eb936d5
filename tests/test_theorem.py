"""The theorem itself: the mean direct gradient is the slope of the expected task loss.

Both sides are estimated on the same draws. For draw d let g_d be the direct gradient along a
direction v of parameter space, and s_d = [Delta(w + h v) - Delta(w - h v)] / 2h, whose mean is the
slope of E[Delta] up to O(h^2). The tests look at the mean of g_d - s_d beside its standard error.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

import directloss as dl
from tests.harness import DIRECTIONS, make_loss, value_and_gradient

DRAWS = 100_000
H = 0.05
Scores = Callable[[Tensor, Tensor], Tensor]


def linear(w: Tensor, x: Tensor) -> Tensor:
    """phi = <w, x>; w has 2 entries."""
    return x @ w


def rectified(w: Tensor, x: Tensor) -> Tensor:
    """phi = <c, relu(A x + b)> with three hidden units; w has 12 entries."""
    hidden = torch.relu(x @ w[:6].reshape(2, 3) + w[6:9])
    return hidden @ w[9:]


START = {
    linear: torch.tensor([0.8, -0.4]),
    rectified: torch.tensor([0.9, -0.6, 0.3, 0.2, 0.7, -0.8, 0.3, 0.2, 0.4, 0.8, -0.7, 0.5]),
}


@cache
def draws(count: int = DRAWS, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Lists of six points in the plane, two of them positive, which lie elsewhere on average."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 6, 2, generator=generator, dtype=torch.float64)
    targets = torch.zeros(count, 6)
    targets[:, :2] = 1.0
    x[:, :2] += torch.tensor([0.7, 0.5], dtype=torch.float64)
    return x, targets


@cache
def along(model: Scores) -> tuple[Tensor, Tensor]:
    """The parameters, and a direction in which both the task loss and the bias are large.

    Both are looked up on draws of their own.
    """
    w = START[model].double().requires_grad_()
    x, targets = draws(20_000, seed=1)

    def gradient(direction: str) -> Tensor:
        loss_fn = make_loss(direction, dl.AveragePrecision(), 0.5)
        return torch.autograd.grad(loss_fn(model(w, x), targets), w)[0]

    steep, biased = gradient("both"), gradient("positive") - gradient("negative")
    v = steep / steep.norm() + biased / biased.norm()
    return w.detach(), v / v.norm()


@cache
def slope(model: Scores) -> Tensor:
    """s_d of every draw."""
    w, v = along(model)
    x, targets = draws()
    delta = [
        1 - dl.AveragePrecision().metric(model(w + side * H * v, x), targets, reduction="none")
        for side in (1, -1)
    ]
    return (delta[0] - delta[1]) / (2 * H)


def direct(model: Scores, direction: str, epsilon: float) -> Tensor:
    """g_d of every draw: d/dt of the loss of the scores at w + t v."""
    w, v = along(model)
    x, targets = draws()
    tiny = 1e-6
    moved = (model(w + tiny * v, x) - model(w - tiny * v, x)) / (2 * tiny)
    loss_fn = make_loss(direction, dl.AveragePrecision(), epsilon, reduction="sum")
    _, gradient = value_and_gradient(loss_fn, model(w, x), targets)
    return (gradient * moved).sum(-1)


@cache
def bias(model: Scores, direction: str, epsilon: float) -> tuple[float, float]:
    """Mean of g_d - s_d, and its standard error."""
    difference = direct(model, direction, epsilon) - slope(model)
    return float(difference.mean()), float(difference.std() / np.sqrt(DRAWS))


every_model = pytest.mark.parametrize("model", START, ids=lambda m: m.__name__)


@every_model
def test_the_expected_task_loss_has_a_slope_to_be_found(model: Scores) -> None:
    """Otherwise agreement would mean nothing."""
    s = slope(model)
    assert abs(float(s.mean())) > 20 * float(s.std() / np.sqrt(DRAWS))


@every_model
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_mean_direct_gradient_tends_to_the_slope(model: Scores, direction: str) -> None:
    found, error = bias(model, direction, 0.05)
    assert abs(found) < 2.5 * error
    assert error < 0.05 * abs(float(slope(model).mean()))


@every_model
@pytest.mark.parametrize("direction", ["positive", "negative"])
def test_the_bias_of_one_direction_shrinks_with_epsilon(model: Scores, direction: str) -> None:
    found, error = bias(model, direction, 0.5)
    smaller, _ = bias(model, direction, 0.2)
    assert abs(found) > 8 * error
    assert abs(smaller) < 0.6 * abs(found)


@every_model
def test_the_two_biases_have_opposite_signs_and_both_cancels_them(model: Scores) -> None:
    for epsilon in (0.5, 0.2):
        positive, negative, both = (bias(model, d, epsilon) for d in DIRECTIONS)
        assert positive[0] * negative[0] < 0
        assert abs(both[0]) < 0.25 * min(abs(positive[0]), abs(negative[0]))
        assert abs(both[0]) < 2.5 * both[1]
