"""Networks of one form, trained side by side: the settings of a method are one batch of lists."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Adam", "Networks"]

FIRST_SPREAD = 0.1
"""About the standard deviation of the scores before the first step."""


class Networks(nn.Module):
    """S linear models, or perceptrons with one hidden layer, with the same first weights.

    Args:
        inputs: features of a sample, standardised.
        hidden: units of the hidden layer; 0: none.
        count: S.
        prior: share of positives, whose log odds are the first bias.
        seed: of the first weights.
    """

    def __init__(self, inputs: int, hidden: int, count: int, *, prior: float, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)

        def normal(*shape: int, deviation: float) -> nn.Parameter:
            first = torch.randn(shape, generator=generator) * deviation
            return nn.Parameter(first.expand(count, *shape).clone())

        widths = (inputs, hidden, 1) if hidden else (inputs, 1)
        deviations = [math.sqrt(2 / width) for width in widths[:-1]]
        deviations[-1] = FIRST_SPREAD / math.sqrt(widths[-2])
        self.weights = nn.ParameterList(
            normal(*shape, deviation=deviation)
            for *shape, deviation in zip(widths[:-1], widths[1:], deviations, strict=True)
        )
        self.biases = nn.ParameterList(normal(1, width, deviation=0.0) for width in widths[1:])
        with torch.no_grad():
            self.biases[-1].fill_(math.log(prior / (1.0 - prior)))

    def forward(self, features: Tensor) -> Tensor:
        """Scores (S, n) of features (n, d)."""
        first = self.weights[0]
        # One product for all networks.
        values = features @ first.transpose(0, 1).flatten(1)
        if len(self.weights) == 1:
            linear: Tensor = values.t() + self.biases[0].squeeze(2)
            return linear
        hidden = (values.unflatten(1, (len(first), -1)) + self.biases[0].squeeze(1)).relu()
        scores: Tensor = (hidden * self.weights[1].squeeze(2)).sum(2).t() + self.biases[1].squeeze(
            2
        )
        return scores


class Adam:
    """Adam (Kingma and Ba 2015) with a learning rate and an L2 factor a network.

    torch's own has one of each for a tensor; here a tensor holds all networks. L2 binds weights,
    not biases, and enters the gradient, as in `torch.optim.Adam`.

    Args:
        networks: what to train.
        rates: learning rate of each.
        l2: of each.
    """

    def __init__(self, networks: Networks, rates: Sequence[float], l2: Sequence[float]) -> None:
        self._parameters = [*networks.weights, *networks.biases]
        self._rates = torch.tensor(rates)[:, None, None]
        weights_l2 = torch.tensor(l2)[:, None, None]
        weighted = len(networks.weights)
        self._l2 = [weights_l2] * weighted + [torch.zeros(())] * len(networks.biases)
        self.restart()

    def restart(self) -> None:
        """Forgets the gradients before."""
        self._taken = 0
        self._means = [torch.zeros_like(each) for each in self._parameters]
        self._squares = [torch.zeros_like(each) for each in self._parameters]

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """Takes a step of `factor` times the learning rates."""
        self._taken += 1
        first, second = 1 - 0.9**self._taken, 1 - 0.999**self._taken
        for parameter, l2, mean, square in zip(
            self._parameters, self._l2, self._means, self._squares, strict=True
        ):
            assert parameter.grad is not None
            gradient = parameter.grad + l2 * parameter
            mean.lerp_(gradient, 0.1)
            square.lerp_(gradient.square(), 0.001)
            parameter -= factor * self._rates * (mean / first) / ((square / second).sqrt() + 1e-8)
            parameter.grad = None
