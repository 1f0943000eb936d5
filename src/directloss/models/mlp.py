"""A multi-layer perceptron that gives one score a sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class MLP(nn.Module):
    """Linear layers with ReLU between them and one score at the end.

    Weights follow He et al. (ICCV 2015): normal with variance 2 / fan-in before a ReLU, 1 / fan-in
    in the last layer; biases start at zero.

    Args:
        in_features: number of features of a sample.
        hidden: widths of the hidden layers; empty for a linear model.
        generator: source of the initial weights; torch's global one by default.

    Shapes: features `(n, in_features)` -> scores `(n,)`.
    """

    def __init__(
        self,
        in_features: int,
        hidden: Sequence[int] = (64, 32),
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for fan_in, width in pairwise((in_features, *hidden)):
            layers += [_he_linear(fan_in, width, gain=2.0, generator=generator), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        last_width = hidden[-1] if hidden else in_features
        self.head = _he_linear(last_width, 1, gain=1.0, generator=generator)

    def forward(self, features: Tensor) -> Tensor:
        scores: Tensor = self.head(self.body(features))
        return scores.squeeze(-1)


@torch.no_grad()
def scale_to_unit_spread(model: MLP, features: Tensor) -> None:
    """Scales the last layer so that the scores of `features` have standard deviation 1.

    Epsilon and the margin are measured in units of the spread: with a spread of 1 at the start,
    they mean the same for every network. A model whose scores are all equal is left as it is.
    """
    spread = model(features).std(correction=0)
    if spread > 0:
        model.head.weight.div_(spread)
        model.head.bias.div_(spread)


SMALL = 0.1
"""Spread of the first scores of a network that begins by cross-entropy."""


@torch.no_grad()
def start_at_log_odds(model: MLP, features: Tensor, positive: Tensor) -> None:
    """Scales the last layer so that the first scores lie, with spread `SMALL`, around the log odds.

    Cross-entropy then begins at the best constant. Of a single class the odds are those of one
    sample more of the other.

    Args:
        model: the untrained network.
        features: of the training samples.
        positive: (n,), bool.
    """
    scale_to_unit_spread(model, features)
    count = int(positive.sum())
    odds = max(count, 1) / max(len(positive) - count, 1)
    model.head.weight.mul_(SMALL)
    model.head.bias.fill_(math.log(odds))


def _he_linear(
    fan_in: int, width: int, *, gain: float, generator: torch.Generator | None
) -> nn.Linear:
    layer = nn.Linear(fan_in, width)
    nn.init.normal_(layer.weight, std=(gain / fan_in) ** 0.5, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer
