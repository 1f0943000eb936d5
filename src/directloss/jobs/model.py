"""A model folder, ready to score rows."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from directloss.datasets.images import ImageRecipe
from directloss.datasets.recipe import Recipe
from directloss.experiments.metrics import ReportedMetric, metric_named
from directloss.jobs.config import Configuration, validate
from directloss.jobs.network import make_network
from directloss.training.model_folder import (
    CONFIGURATION,
    PREPROCESSING,
    WEIGHTS,
    About,
    ModelError,
    read_model,
)

_CHUNK = 65_536

_RECIPES: TypeAdapter[Recipe | ImageRecipe] = TypeAdapter(Recipe | ImageRecipe)


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
        pieces = [self.network(piece.to(device)).cpu() for piece in torch.split(features, _CHUNK)]
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
        place = ".".join(map(str, first["loc"]))
        raise ModelError(f"{folder / PREPROCESSING}: {place}: {first['msg']}") from error
    try:
        content = tomllib.loads(stored.configuration)
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"{folder / CONFIGURATION}: not TOML: {error}") from error
    configuration = validate(content, str(folder / CONFIGURATION))
    seed = configuration.training.seed
    network = make_network(configuration.model, recipe, seed=seed, pretrained=False)
    try:
        network.load_state_dict(stored.load_weights())
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"{folder / WEIGHTS} does not fit the configuration: {reason}") from error
    network.eval().requires_grad_(False)
    return Model(folder, stored.about, configuration, recipe, network)
