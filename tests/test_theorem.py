"""The theorem itself: the mean direct gradient is the slope of the expected task loss.

Both sides are estimated on the same draws. For draw d let g_d be the direct gradient along a
direction v of parameter space, and s_d = [Delta(w + h v) - Delta(w - h v)] / 2h, whose mean is the
slope of E[Delta] up to O(h^2). The tests look at the mean of g_d - s_d beside its standard error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Case:
    """A task loss of the scores of a model.

    Attributes:
        small: an epsilon at which the bias is within the noise of the draws.
        large: one at which it is far beyond, and most of it is linear in epsilon.
    """

    task: dl.Task
    model: Scores
    small: float = 0.05
    large: float = 0.5

    def __str__(self) -> str:
        return f"{self.task!r} {self.model.__name__}"


CASES = (
    Case(dl.AveragePrecision(), linear),
    Case(dl.AveragePrecision(), rectified),
    Case(dl.NDCG(), linear, large=0.4),
    Case(dl.ZeroOne(), linear, small=0.02),
    Case(dl.Jaccard(), linear, small=0.02, large=0.1),
)


@cache
def draws(count: int = DRAWS, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Lists of six points in the plane, two of them relevant, which lie elsewhere on average.

    Relevances are 2 and 1 for `NDCG`; for the other tasks what is above 0 is positive.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 6, 2, generator=generator, dtype=torch.float64)
    targets = torch.zeros(count, 6)
    targets[:, :2] = torch.tensor([2.0, 1.0])
    x[:, :2] += torch.tensor([0.7, 0.5], dtype=torch.float64)
    return x, targets


def targets_of(case: Case, relevance: Tensor) -> Tensor:
    return relevance if isinstance(case.task, dl.NDCG) else relevance > 0


@cache
def along(case: Case) -> tuple[Tensor, Tensor]:
    """The parameters, and a direction in which both the task loss and the bias are large.

    Both are looked up on draws of their own.
    """
    w = START[case.model].double().requires_grad_()
    x, relevance = draws(20_000, seed=1)

    def gradient(direction: str) -> Tensor:
        loss_fn = make_loss(direction, case.task, 0.5)
        return torch.autograd.grad(loss_fn(case.model(w, x), targets_of(case, relevance)), w)[0]

    steep, biased = gradient("both"), gradient("positive") - gradient("negative")
    v = steep / steep.norm() + biased / biased.norm()
    return w.detach(), v / v.norm()


@cache
def slope(case: Case) -> Tensor:
    """s_d of every draw. Each of these metrics is 1 - Delta."""
    w, v = along(case)
    x, relevance = draws()
    targets = targets_of(case, relevance)
    above, below = (
        case.task.metric(case.model(w + side * H * v, x), targets, reduction="none")
        for side in (1, -1)
    )
    return (below - above) / (2 * H)


def direct(case: Case, direction: str, epsilon: float) -> Tensor:
    """g_d of every draw: d/dt of the loss of the scores at w + t v."""
    w, v = along(case)
    x, relevance = draws()
    tiny = 1e-6
    moved = (case.model(w + tiny * v, x) - case.model(w - tiny * v, x)) / (2 * tiny)
    loss_fn = make_loss(direction, case.task, epsilon, reduction="sum")
    _, gradient = value_and_gradient(loss_fn, case.model(w, x), targets_of(case, relevance))
    return (gradient * moved).sum(-1)


@cache
def bias(case: Case, direction: str, epsilon: float) -> tuple[float, float]:
    """Mean of g_d - s_d, and its standard error."""
    difference = direct(case, direction, epsilon) - slope(case)
    return float(difference.mean()), float(difference.std() / np.sqrt(DRAWS))


every_case = pytest.mark.parametrize("case", CASES, ids=str)


@every_case
def test_the_expected_task_loss_has_a_slope_to_be_found(case: Case) -> None:
    """Otherwise agreement would mean nothing."""
    s = slope(case)
    assert abs(float(s.mean())) > 20 * float(s.std() / np.sqrt(DRAWS))


@every_case
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_mean_direct_gradient_tends_to_the_slope(case: Case, direction: str) -> None:
    found, error = bias(case, direction, case.small)
    assert abs(found) < 2.5 * error
    assert error < 0.06 * abs(float(slope(case).mean()))


@pytest.mark.parametrize("case", CASES[:2], ids=str)
@pytest.mark.parametrize("direction", ["positive", "negative"])
def test_the_bias_of_one_direction_shrinks_with_epsilon(case: Case, direction: str) -> None:
    found, error = bias(case, direction, case.large)
    smaller, _ = bias(case, direction, 0.4 * case.large)
    assert abs(found) > 8 * error
    assert abs(smaller) < 0.6 * abs(found)


@every_case
def test_the_two_biases_have_opposite_signs_and_both_cancels_them(case: Case) -> None:
    positive, negative, both = (bias(case, d, case.large) for d in DIRECTIONS)
    assert positive[0] * negative[0] < 0
    smaller = min(abs(positive[0]), abs(negative[0]))
    assert smaller > 4 * max(positive[1], negative[1])
    # What is left of "both" is of second order in epsilon.
    assert abs(both[0]) < 0.4 * smaller
    assert abs(both[0]) < 2.5 * both[1] + 0.1 * smaller
