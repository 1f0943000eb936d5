"""The theorem itself: the mean direct gradient is the slope of the expected task loss.

Both sides are estimated on the same draws. For draw d let g_d be the direct gradient along a direction
v of parameter space, and s_d = [Delta(w + h v) - Delta(w - h v)] / 2h, whose mean is the slope of
E[Delta] up to O(h^2). The test looks at the mean of g_d - s_d beside its standard error.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

import directloss as dl
from tests.harness import DIRECTIONS

DRAWS = 200_000
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
def draws() -> tuple[Tensor, Tensor]:
    """Lists of six points in the plane, two of them positive, which lie elsewhere on average."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(DRAWS, 6, 2, generator=generator, dtype=torch.float64)
    targets = torch.zeros(DRAWS, 6)
    targets[:, :2] = 1.0
    x[:, :2] += torch.tensor([0.7, 0.5], dtype=torch.float64)
    return x, targets


@cache
def along(model: Scores) -> tuple[Tensor, Tensor]:
    """The parameters and the direction in which both sides are compared."""
    w = START[model].double()
    generator = torch.Generator().manual_seed(1)
    v = torch.randn(w.shape, generator=generator, dtype=torch.float64)
    return w, v / v.norm()


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
    scores, moved = torch.func.jvp(lambda p: model(p, x), (w,), (v,))
    leaf = scores.detach().requires_grad_()
    loss_fn = dl.DirectLoss(
        dl.AveragePrecision(),
        epsilon=epsilon,
        direction=direction,  # type: ignore[arg-type]
        reduction="sum",
    )
    loss_fn(leaf, targets).backward()
    assert leaf.grad is not None
    return (leaf.grad * moved).sum(-1)


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
    found, error = bias(model, direction, 0.02)
    assert abs(found) < 3 * error + 0.02 * abs(float(slope(model).mean()))
    assert error < 0.05 * abs(float(slope(model).mean()))


@every_model
def test_the_bias_shrinks_with_epsilon_and_has_opposite_signs(model: Scores) -> None:
    large = {d: bias(model, d, 1.0) for d in DIRECTIONS}
    small = {d: bias(model, d, 0.2) for d in DIRECTIONS}
    for direction in ("positive", "negative"):
        found, error = large[direction]
        assert abs(found) > 4 * error
        assert abs(small[direction][0]) < 0.5 * abs(found)
    assert large["positive"][0] * large["negative"][0] < 0
    # The mean of the two cancels the first order.
    for biases in (large, small):
        assert abs(biases["both"][0]) < min(
            abs(biases["positive"][0]), abs(biases["negative"][0])
        )
