"""What an action experiment is: everything that its numbers depend on.

The module is read for the help of the command, too, and imports torch only where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from directloss.errors import ArgumentError
from directloss.study.config import ALL, check_counts, check_names, check_trials

if TYPE_CHECKING:
    from directloss.models.features import CropSettings
    from directloss.training.config import FitConfig
    from directloss.training.methods import Settings

TOP_FACTOR = 10.0
"""Learning rate of the top layer over that of the others, where all layers are trained."""


_ALL_EVALUATIONS = 5

CHUNK = 32
"""Crops in the network at once, where all layers are trained: bounds memory, changes no result."""


class ActionExperiment(BaseModel):
    """The configuration of `directloss experiment action`."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    voc: str = Field(description="Folder with JPEGImages, Annotations and ImageSets/Action.")
    split: str = Field(
        default="trainval",
        description="ImageSets/Action/CLASS_NAME.txt, divided into thirds.",
    )
    classes: tuple[str, ...] = Field(
        default=(), description="Separated by commas; all that the split has without it."
    )
    persons_sha256: str = Field(description="Of images, boxes and labels.")
    methods: tuple[str, ...] = Field(
        default=ALL,
        description="Separated by commas: logistic, hinge-01, hinge-ap, pos-ap, neg-ap, mix-ap, "
        "refine, and softmax, which is trained on all classes at once. 'all' of these by default.",
    )
    backbone: str = Field(
        default="squeezenet1_1",
        description="alexnet, squeezenet1_1, efficientnet-lite0, another name of torchvision or "
        "timm.",
    )
    weights: str = Field(
        default="auto",
        description="auto (the package's own, or from the hub), random, or a file of a state_dict.",
    )
    weights_sha256: str = Field(description="Of the backbone's weights and normalisation.")
    size: int | None = Field(
        default=None, description="Side of a crop in pixels; the network's own without it."
    )
    padding: int = Field(
        default=16, description="Pixels of context at each side of a crop, at this scale."
    )
    mirror: bool = Field(default=True, description="Train on mirrored crops, too.")
    train: Literal["head", "all"] = Field(
        default="head",
        description="head: the top layer, on features that are computed once. all: then all "
        "layers, from there on.",
    )
    ambiguous: Literal["ignore", "negative"] = Field(
        default="ignore",
        description="Persons with label 0: ignore, or negative as the authors did.",
    )
    label_flips: float = Field(
        default=0.0, description="Share of training labels that are exchanged, such as 0.1."
    )
    trials: int = Field(default=3, description="Settings to try for each method.")
    splits: int = Field(default=5, description="Repetitions: other thirds, other weights.")
    iterations: int = Field(
        default=300, description="Steps of the top layer, each on the whole training part."
    )
    all_iterations: int = Field(
        default=20,
        description="Steps of all layers, for `train` all; each on the whole part.",
    )
    all_rate: float = Field(
        default=0.003,
        description="Learning rate of the lower layers, for `train` all; the top's is x10.",
    )

    @field_validator("methods", mode="before")
    @classmethod
    def _all_methods(cls, names: Any) -> Any:
        from directloss.paper.action.methods import ACTION_METHODS

        return tuple(ACTION_METHODS) if tuple(names) == ALL else names

    @property
    def crops(self) -> CropSettings:
        """How crops are cut, and the network."""
        from directloss.models.features import CropSettings

        return CropSettings(self.backbone, self.weights, self.size, self.padding, self.mirror)

    def fit_config(self, settings: Settings, seed: int) -> FitConfig:
        """How to train a head with one point of a grid."""
        from directloss.training.config import FitConfig

        return FitConfig(
            learning_rate=settings.learning_rate,
            l2=settings.l2,
            epochs=self.iterations,
            evaluations=10,
            seed=seed,
        )

    def fine_tune_config(self, settings: Settings, seed: int) -> FitConfig:
        """How to train all layers: the lower ones at `all_rate`, the top layer faster."""
        from directloss.training.config import FitConfig

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
            ArgumentError: naming the field.
        """
        from directloss.paper.action.methods import ACTION_METHODS

        check_names("methods", self.methods, ACTION_METHODS)
        check_counts(self, "trials", "splits", "iterations", "all_iterations")
        check_trials(self.trials, {name: ACTION_METHODS[name].grid_size for name in self.methods})
        if not self.all_rate > 0:
            raise ArgumentError("all_rate", self.all_rate, "a number above 0")
        if not 0 <= self.label_flips < 1:
            raise ArgumentError("label_flips", self.label_flips, "a share from 0 to below 1")
        if self.padding < 0 or (self.size is not None and 2 * self.padding >= self.size):
            raise ArgumentError("padding", self.padding, "0 or more, below half of `size`")
