"""What an action experiment is: everything that its numbers depend on."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from directloss.datasets.crops import PADDING
from directloss.errors import ArgumentError
from directloss.models.features import CropSettings
from directloss.models.weights import AUTO
from directloss.paper.action.methods import ACTION_METHODS
from directloss.training.config import FitConfig
from directloss.training.methods import Settings

TOP_FACTOR = 10.0
"""Learning rate of the top layer over that of the others, where all layers are trained."""


_ALL_EVALUATIONS = 5

CHUNK = 32
"""Crops in the network at once, where all layers are trained: bounds memory, changes no result."""


class ActionExperiment(BaseModel):
    """The configuration of `directloss experiment action`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    voc: str
    split: str = "trainval"
    classes: tuple[str, ...] = Field(description="the actions, each a column")
    persons_sha256: str = Field(description="of images, boxes and labels")
    methods: tuple[str, ...] = tuple(ACTION_METHODS)
    backbone: str = "squeezenet1_1"
    weights: str = AUTO
    weights_sha256: str = Field(description="of the backbone's weights and normalisation")
    size: int | None = None
    padding: int = PADDING
    mirror: bool = True
    train: Literal["head", "all"] = "head"
    ambiguous: Literal["ignore", "negative"] = "ignore"
    label_flips: float = 0.0
    trials: int = 3
    splits: int = 5
    iterations: int = 300
    all_iterations: int = 20
    all_rate: float = 0.003

    @property
    def crops(self) -> CropSettings:
        """How crops are cut, and the network."""
        return CropSettings(self.backbone, self.weights, self.size, self.padding, self.mirror)

    def fit_config(self, settings: Settings, seed: int) -> FitConfig:
        """How to train a head with one point of a grid."""
        return FitConfig(
            learning_rate=settings.learning_rate,
            l2=settings.l2,
            epochs=self.iterations,
            evaluations=10,
            seed=seed,
        )

    def fine_tune_config(self, settings: Settings, seed: int) -> FitConfig:
        """How to train all layers: the lower ones at `all_rate`, the top layer faster."""
        return FitConfig(
            learning_rate=self.all_rate,
            learning_rate_factors={"head": TOP_FACTOR},
            l2=settings.l2,
            epochs=self.all_iterations,
            batch="all",
            batch_size=CHUNK,
            evaluations=_ALL_EVALUATIONS,
            patience=_ALL_EVALUATIONS + 1,  # never ends early, and keeps the best weights
            seed=seed,
        )

    def check(self) -> None:
        """Everything that can be known without the data.

        Raises:
            ArgumentError: naming the option of the command line.
        """
        for name in self.methods:
            if name not in ACTION_METHODS:
                raise ArgumentError("--methods", repr(name), f"some of {', '.join(ACTION_METHODS)}")
        if not self.methods or len(set(self.methods)) < len(self.methods):
            raise ArgumentError("--methods", ", ".join(self.methods), "distinct names, one or more")
        for option, number in (
            ("--trials", self.trials),
            ("--splits", self.splits),
            ("--iterations", self.iterations),
            ("--all-iterations", self.all_iterations),
        ):
            if number < 1:
                raise ArgumentError(option, number, "1 or more")
        smallest = min(self.methods, key=lambda name: ACTION_METHODS[name].grid_size)
        most = ACTION_METHODS[smallest].grid_size
        if self.trials > most:
            raise ArgumentError(
                "--trials",
                self.trials,
                f"at most {most}: {smallest} has no more settings, and every method gets the same "
                "number of trials",
            )
        if not self.all_rate > 0:
            raise ArgumentError("--all-rate", self.all_rate, "a number above 0")
        if not 0 <= self.label_flips < 1:
            raise ArgumentError("--label-flips", self.label_flips, "a share from 0 to below 1")
        if self.padding < 0 or (self.size is not None and 2 * self.padding >= self.size):
            raise ArgumentError("--padding", self.padding, "0 or more, below half of --size")
