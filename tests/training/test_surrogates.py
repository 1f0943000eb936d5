from __future__ import annotations

import pytest
import torch
from torch import Tensor

import directloss as dl
from directloss.training import Settings
from directloss.training.surrogates import SURROGATES, fast_smooth_ap_loss, smooth_ap_loss
from directloss.training.surrogates import soft_counts as module
from directloss.training.surrogates.soft_counts import soft_counts


def draw(n: int, *, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n)
    scores = torch.randn(n, generator=generator, dtype=dtype)
    return scores.requires_grad_(), torch.rand(n, generator=generator) < 0.2


@pytest.mark.parametrize("temperature", [0.003, 0.03, 0.3, 3.0, 300.0])
def test_fast_smooth_ap_is_smooth_ap(temperature: float) -> None:
    scores, targets = draw(500)
    fast = fast_smooth_ap_loss(scores, targets, temperature=temperature)
    exact = smooth_ap_loss(scores, targets, temperature=temperature)
    assert fast.item() == pytest.approx(exact.item(), abs=1e-7)
    wanted, found = (torch.autograd.grad(loss, scores)[0] for loss in (exact, fast))
    assert (found - wanted).abs().max() < 1e-5 * wanted.abs().max()


def test_fast_smooth_ap_keeps_the_type() -> None:
    scores, targets = draw(100, dtype=torch.float32)
    loss = fast_smooth_ap_loss(scores, targets, temperature=0.1)
    (gradient,) = torch.autograd.grad(loss, scores)
    assert loss.dtype == gradient.dtype == torch.float32


def test_a_pair_is_counted_to_five_digits() -> None:
    # One point at every distance from one place, so that nothing averages out.
    distance = torch.linspace(-12, 12, 2001, dtype=torch.float64)
    counts = soft_counts(torch.zeros(1, dtype=torch.float64), -distance, 1.0)
    assert (counts - torch.sigmoid(distance)).abs().max() < 1e-5


@pytest.mark.parametrize("n", [1, 2])
def test_equal_scores_have_no_width(n: int) -> None:
    equal = torch.full((n,), 5.0)
    assert soft_counts(equal, equal, 0.1).tolist() == pytest.approx([n / 2] * n, abs=1e-6)


@pytest.mark.parametrize("pairs_a_node", [0, 10**9])
@pytest.mark.parametrize("temperature", [0.003, 0.03, 0.3])
def test_grid_and_pairs_agree(
    monkeypatch: pytest.MonkeyPatch, temperature: float, pairs_a_node: int
) -> None:
    """Whichever way is taken, value and gradient are those of the sum over all pairs."""
    scores, targets = draw(300)
    exact = torch.sigmoid((scores - scores[targets][:, None]) / temperature).sum(1)
    monkeypatch.setattr(module, "PAIRS_A_NODE", pairs_a_node)
    found = soft_counts(scores, scores[targets], temperature)
    assert torch.allclose(found, exact, atol=1e-4)
    weights = torch.linspace(0, 1, len(exact), dtype=torch.float64)
    wanted, gradient = (
        torch.autograd.grad((weights * counts).sum(), scores)[0] for counts in (exact, found)
    )
    assert (gradient - wanted).abs().max() < 1e-4 * wanted.abs().max()


def test_an_outlier_does_not_ask_for_a_grid() -> None:
    scores = torch.tensor([0.0, 0.5, 1e12], dtype=torch.float64)
    counts = soft_counts(scores, scores[:2], 1.0)
    near = float(torch.sigmoid(torch.tensor(0.5)))
    assert counts.tolist() == pytest.approx([0.5 + near + 1, 1.5 - near + 1], abs=1e-6)


@pytest.mark.parametrize("name", SURROGATES)
def test_smoothing_is_in_units_of_the_spread(name: str) -> None:
    """Scores of ten times the spread have the same loss and a tenth of the gradient."""
    method = SURROGATES[name]
    settings = Settings(0.1, 0.0, method.grid["epsilon"][-1])
    gradients, values = [], []
    for scale in (1.0, 10.0):
        scores, targets = draw(300)
        loss = method.loss(settings, spread=scale)(scale * scores, targets)
        gradients.append(torch.autograd.grad(loss, scores)[0])
        values.append(loss.item())
    assert values[0] == pytest.approx(values[1], abs=1e-9)
    assert torch.allclose(gradients[0], gradients[1], atol=1e-9)


@pytest.mark.parametrize("name", SURROGATES)
def test_descent_orders_a_list(name: str) -> None:
    method = SURROGATES[name]
    scores, targets = draw(100)
    task = dl.AveragePrecision()
    before = float(task.metric(scores.detach(), targets))
    loss_fn = method.loss(Settings(0.1, 0.0, method.grid["epsilon"][-1]), spread=1.0)
    optimiser = torch.optim.SGD([scores], lr=1.0, momentum=0.9)
    for _ in range(200):
        optimiser.zero_grad()
        loss_fn(scores, targets).backward()
        optimiser.step()
    assert before < 0.5
    assert float(task.metric(scores.detach(), targets)) > 0.9
