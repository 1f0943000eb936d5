"""What a detection experiment is: everything that its numbers depend on."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from directloss.paper.detection.features import FeatureSettings, Kind
from directloss.paper.detection.heads import SOFTMAX, HeadSettings
from directloss.paper.detection.proposals import SearchSettings
from directloss.training.methods import METHODS

PAPER_METHODS = (SOFTMAX, "logistic", "pos-ap")
"""The rows of the paper's Table 2."""

KNOWN_METHODS = (SOFTMAX, *(name for name in METHODS if "-" in name or name == "logistic"))


_Count = Annotated[int, Field(ge=1)]
_Positive = Annotated[float, Field(gt=0)]
_Share = Annotated[float, Field(gt=0, lt=1)]


class DetectionConfig(BaseModel):
    """The configuration of `directloss experiment detection`; the defaults are the paper's.

    Names of fields are those of the options.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    voc: str
    train_split: str = "train"
    test_split: str = "val"
    classes: tuple[str, ...] = ()
    images: _Count | None = None
    proposals: _Count | None = None
    search_side: _Count = 500
    features: Kind = "roi"
    backbone: str = "squeezenet1_1"
    weights: str = "auto"
    grid: _Count = 2
    side: _Count = 280
    background: Annotated[int, Field(ge=0)] = 300
    methods: tuple[str, ...] = Field(PAPER_METHODS, min_length=1)
    batch: Annotated[int, Field(ge=2)] = 512
    positives: _Share = 0.25
    epsilon: _Positive = 0.1
    learning_rates: tuple[_Positive, ...] = Field((0.1,), min_length=1)
    l2: Annotated[float, Field(ge=0)] = 1e-7
    iterations: _Count = 1000
    held_out: _Share = 1 / 3
    suppression: _Share = 0.3
    seeds: _Count = 1
    resamples: _Count = 500

    @field_validator("methods", "learning_rates", "classes")
    @classmethod
    def _distinct(cls, values: tuple[object, ...]) -> tuple[object, ...]:
        if len(set(values)) < len(values):
            raise ValueError("distinct values are wanted")
        return values

    @field_validator("methods")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in KNOWN_METHODS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is none of {', '.join(KNOWN_METHODS)}")
        return names

    @property
    def search_settings(self) -> SearchSettings:
        """How proposals are made."""
        return SearchSettings(longest_side=self.search_side, most=self.proposals)

    @property
    def feature_settings(self) -> FeatureSettings:
        """How features are made."""
        return FeatureSettings(self.features, self.backbone, self.weights, self.grid, self.side)

    def head_settings(self, method: str, learning_rate: float, seed: int) -> HeadSettings:
        """How a head is trained."""
        return HeadSettings(
            method=method,
            learning_rate=learning_rate,
            l2=self.l2,
            epsilon=self.epsilon,
            iterations=self.iterations,
            batch=self.batch,
            positives=self.positives,
            seed=seed,
        )
