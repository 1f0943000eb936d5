"""The network that is trained: a multi-layer perceptron for many points and few features."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

Start = Literal["he", "gaussian"]


class Student(nn.Module):
    """Linear layers with ReLU between them and one score at the end.

    It works on the transposed features: with ten features and ten thousand points, products of
    long rows are 2.5 times faster than products of short ones.

    Args:
        in_features: number of features.
        hidden: widths of the hidden layers; empty for phi = <w, x>.
        biases: whether the layers have them.
        start: "he": weights with variance 2 / fan-in before a ReLU and 1 / fan-in at the end,
            biases 0; "gaussian": all of them from N(0, 1), as the paper draws its generator.
        generator: source of the initial weights.

    Shapes: features `(n, in_features)` -> scores `(n,)`.
    """

    def __init__(
        self,
        in_features: int,
        hidden: Sequence[int],
        *,
        biases: bool,
        start: Start,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        shapes = list(pairwise((in_features, *hidden, 1)))
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for number, (fan_in, width) in enumerate(shapes):
            gain = 1.0 if number == len(shapes) - 1 else 2.0
            deviation = (gain / fan_in) ** 0.5 if start == "he" else 1.0
            weight = torch.randn(width, fan_in, generator=generator) * deviation
            self.weights.append(nn.Parameter(weight))
            if biases:
                drawn = torch.randn(width, generator=generator)
                self.biases.append(nn.Parameter(drawn if start == "gaussian" else drawn * 0.0))

    def forward(self, features: Tensor) -> Tensor:
        values = features.t()
        last = len(self.weights) - 1
        for number, weight in enumerate(self.weights):
            if self.biases:
                values = torch.addmm(self.biases[number][:, None], weight, values)
            else:
                values = weight @ values
            if number < last:
                values = torch.relu(values)
        return values[0]

    @torch.no_grad()
    def scale_spread(self, features: Tensor, spread: float) -> None:
        """Scales the last layer so that the scores of `features` have this standard deviation."""
        now = self(features).std(correction=0)
        if now > 0:
            self.weights[-1].mul_(spread / now)
            if self.biases:
                self.biases[-1].mul_(spread / now)
