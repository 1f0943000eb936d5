"""Networks side by side are what each would be by itself."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from directloss.study.tables.networks import Adam, Networks

RATES, L2 = (0.02, 0.1, 0.05), (0.0, 0.01, 0.1)


def alone(networks: Networks, number: int) -> nn.Sequential:
    """One of the networks, as torch has it."""
    layers: list[nn.Module] = []
    for weight, bias in zip(networks.weights, networks.biases, strict=True):
        layer = nn.Linear(*weight.shape[1:])
        with torch.no_grad():
            layer.weight.copy_(weight[number].t())
            layer.bias.copy_(bias[number, 0])
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("hidden", [0, 5])
def test_each_takes_the_steps_of_torchs_adam(hidden: int) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(40, 3, generator=generator)
    labels = (torch.rand(40, generator=generator) < 0.3).float()
    networks = Networks(3, hidden, len(RATES), prior=0.3, seed=1)
    singles = [alone(networks, number) for number in range(len(RATES))]
    optimisers = [
        torch.optim.Adam(
            [
                {"params": [p for p in single.parameters() if p.ndim > 1], "weight_decay": l2},
                {"params": [p for p in single.parameters() if p.ndim == 1]},
            ],
            lr=rate,
        )
        for single, rate, l2 in zip(singles, RATES, L2, strict=True)
    ]
    together = Adam(networks, RATES, L2)
    for _ in range(30):
        scores = networks(features)
        losses = binary_cross_entropy_with_logits(
            scores, labels.expand_as(scores), reduction="none"
        )
        losses.mean(1).sum().backward()  # type: ignore[no-untyped-call]
        together.step(1.0)
        for single, optimiser in zip(singles, optimisers, strict=True):
            optimiser.zero_grad()
            binary_cross_entropy_with_logits(single(features)[:, 0], labels).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    expected = torch.stack([single(features)[:, 0] for single in singles])
    torch.testing.assert_close(networks(features), expected, rtol=1e-4, atol=1e-5)


def test_they_begin_at_the_log_odds_with_small_scores() -> None:
    features = torch.randn(500, 20, generator=torch.Generator().manual_seed(0))
    scores = Networks(20, 16, 2, prior=0.1, seed=0)(features).detach()
    assert torch.equal(scores[0], scores[1])
    assert abs(float(scores.mean()) + 2.197) < 0.1
    assert 0.02 < float(scores[0].std()) < 0.3
