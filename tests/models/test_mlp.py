from __future__ import annotations

import math

import pytest
import torch

from directloss.models import MLP, scale_to_unit_spread, start_at_log_odds


@pytest.mark.parametrize("hidden", [(), (7,), (7, 3)])
def test_one_score_a_sample(hidden: tuple[int, ...]) -> None:
    model = MLP(4, hidden)
    assert model(torch.randn(10, 4)).shape == (10,)
    widths = (4, *hidden, 1)
    expected = sum((widths[k] + 1) * widths[k + 1] for k in range(len(widths) - 1))
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


def test_he_initialisation() -> None:
    model = MLP(400, (500,))
    assert model.body[0].weight.std().item() == pytest.approx((2 / 400) ** 0.5, rel=0.02)
    assert model.head.weight.std().item() == pytest.approx((1 / 500) ** 0.5, rel=0.15)
    assert all(not layer.bias.any() for layer in (model.body[0], model.head))


def test_generator_decides_the_weights() -> None:
    first, same, other = (
        MLP(4, (3,), generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(first.head.weight, same.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)


@pytest.mark.parametrize("hidden", [(), (16, 8)])
def test_unit_spread(hidden: tuple[int, ...]) -> None:
    features = 100 * torch.randn(500, 4)
    model = MLP(4, hidden)
    order = model(features).argsort()
    scale_to_unit_spread(model, features)
    assert model(features).std(correction=0).item() == pytest.approx(1.0, rel=1e-5)
    assert torch.equal(model(features).argsort(), order)


def test_constant_scores_stay() -> None:
    model = MLP(4, ())
    scale_to_unit_spread(model, torch.zeros(5, 4))
    assert model.head.weight.isfinite().all()


def test_first_scores_are_small_and_around_the_log_odds() -> None:
    features = torch.randn(400, 6, generator=torch.Generator().manual_seed(1))
    positive = torch.arange(400) < 40
    for hidden in ((), (8,)):
        model = MLP(6, hidden, generator=torch.Generator().manual_seed(2))
        start_at_log_odds(model, features, positive)
        scores = model(features).detach()
        assert float(scores.std(correction=0)) == pytest.approx(0.1, rel=1e-4)
        assert float(model.head.bias.detach()) == pytest.approx(math.log(40 / 360))


def test_one_class_alone_has_finite_odds() -> None:
    features = torch.randn(10, 6)
    model = MLP(6, ())
    start_at_log_odds(model, features, torch.ones(10, dtype=torch.bool))
    assert model.head.bias.item() == pytest.approx(math.log(10))
