"""A model folder, ready to score rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, TypeAdapter, ValidationError
from torch import Tensor, nn

from directloss.datasets.images import ImageRecipe
from directloss.datasets.recipe import Recipe
from directloss.errors import ArgumentError
from directloss.experiments.metrics import ReportedMetric, metric_named
from directloss.jobs.config import Configuration, parse, validate
from directloss.jobs.network import empty_network, make_network
from directloss.training.model_folder import (
    CONFIGURATION,
    PREPROCESSING,
    About,
    ModelError,
    read_model,
)

_MOST_ROWS = 65_536
_MOST_VALUES = 1 << 25  # of one layer's outputs that are in memory at a time

_RECIPES: TypeAdapter[Recipe | ImageRecipe] = TypeAdapter(
    Annotated[Recipe | ImageRecipe, Field(discriminator="kind")]
)


@dataclass(frozen=True)
class Model:
    """A trained network with everything that it needs to score what a user gives.

    Attributes:
        folder: where it lies.
        about: target, positive value, threshold, versions.
        configuration: of the training.
        recipe: from rows (or image files) to features.
        network: in evaluation mode.
    """

    folder: Path
    about: About
    configuration: Configuration
    recipe: Recipe | ImageRecipe
    network: nn.Module

    @property
    def metric(self) -> ReportedMetric:
        """The metric that it was trained for."""
        return metric_named(self.configuration.training.metric)

    @torch.no_grad()
    def scores(self, features: Tensor) -> Tensor:
        """float32 `(n,)`, in pieces that bound memory."""
        device = next(self.network.parameters()).device
        widest = max(parameter.shape[0] for parameter in self.network.parameters())
        size = min(_MOST_ROWS, max(1, _MOST_VALUES // widest))
        pieces = [self.network(piece.to(device)).cpu() for piece in torch.split(features, size)]
        return torch.cat(pieces) if pieces else torch.zeros(0)


def open_model(folder: Path) -> Model:
    """Reads a model folder; no code of it is run.

    Raises:
        ModelError: a file of it is missing, damaged, or does not fit the others.
    """
    stored = read_model(folder)
    try:
        recipe = _RECIPES.validate_json(stored.preprocessing)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "content"
        raise ModelError(f"{folder / PREPROCESSING}: {place}: {first['msg']}") from error
    origin = str(folder / CONFIGURATION)
    configuration = validate(parse(stored.configuration, origin), origin)
    section, seed = configuration.model, configuration.training.seed
    try:
        # What the network takes is known before it takes it, and compared with what is there.
        weights = stored.load_weights(empty_network(section, recipe).state_dict())
        network = make_network(section, recipe, seed=seed, pretrained=False)
    except ArgumentError as error:
        raise ModelError(f"{origin}: {error}") from error
    network.load_state_dict(weights)
    network.eval().requires_grad_(False)
    return Model(folder, stored.about, configuration, recipe, network)
