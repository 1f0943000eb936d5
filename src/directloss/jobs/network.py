"""The network of a configuration."""

from __future__ import annotations

import torch
from accelerate import init_empty_weights
from torch import Tensor, nn

from directloss.datasets.images import ImageRecipe
from directloss.datasets.recipe import Recipe
from directloss.errors import ArgumentError
from directloss.jobs.config import ModelSection
from directloss.models import MLP
from directloss.models.weights import RANDOM


class ImageScorer(nn.Module):
    """A backbone with one score on top.

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


def make_network(
    section: ModelSection, recipe: Recipe | ImageRecipe, *, seed: int, pretrained: bool = True
) -> nn.Module:
    """A network that takes what the recipe makes, with initial weights by the seed.

    Args:
        section: of the configuration.
        recipe: of the features.
        seed: of the initial weights.
        pretrained: whether to read `section.weights`; a model that is about to get its own weights
            does not need them.

    Raises:
        ArgumentError: no such backbone, weights that do not fit it, or layers too large.
    """
    if isinstance(recipe, Recipe):
        generator = torch.Generator().manual_seed(seed)
        try:
            return MLP(recipe.width, section.hidden, generator=generator)
        except RuntimeError as error:  # torch's word for want of memory
            came = ",".join(map(str, section.hidden))
            raise ArgumentError("hidden", came, "layers that fit into memory") from error
    from directloss.models.backbones import SMALLEST_SIZE, load_backbone

    if recipe.size < SMALLEST_SIZE:
        raise ArgumentError("image_size", recipe.size, f"{SMALLEST_SIZE} or more")
    weights = section.weights if pretrained else RANDOM
    backbone = load_backbone(section.backbone, weights, recipe.size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ImageScorer(backbone, backbone.width)


def empty_network(section: ModelSection, recipe: Recipe | ImageRecipe) -> nn.Module:
    """The same network without values, on the device `meta`: it takes no memory.

    Raises:
        ArgumentError: as for `make_network`.
    """
    # Networks for images may compute while they are made: there only weights can be without values.
    table = isinstance(recipe, Recipe)
    with torch.device("meta") if table else init_empty_weights():
        return make_network(section, recipe, seed=0, pretrained=False)
