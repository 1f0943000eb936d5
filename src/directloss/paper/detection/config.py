"""What a detection experiment is: everything that its numbers depend on.

The module is read for the help of the command, too, and imports torch only where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

if TYPE_CHECKING:
    from directloss.paper.detection.features import FeatureSettings
    from directloss.paper.detection.heads import HeadSettings
    from directloss.paper.detection.proposals import SearchSettings

PAPER_METHODS = ("softmax", "logistic", "pos-ap")
"""The rows of the paper's Table 2."""


def known_methods() -> tuple[str, ...]:
    """The methods that a head can be trained by."""
    from directloss.paper.detection.heads import REFINE, SOFTMAX
    from directloss.training.methods import all_methods

    return (SOFTMAX, *all_methods("average-precision", grouped=False), REFINE)


class DetectionConfig(BaseModel):
    """The configuration of `directloss experiment detection`; the defaults are the paper's.

    Names of fields are those of the options.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    voc: str = Field(description="Folder with JPEGImages, Annotations and ImageSets/Main.")
    train_split: str = Field("train", description="ImageSets/Main/NAME.txt to train on.")
    test_split: str = Field("val", description="ImageSets/Main/NAME.txt to report on.")
    classes: tuple[str, ...] = Field(
        (), description="Separated by commas; all that both splits hold without it."
    )
    images: int | None = Field(
        None, ge=1, description="Use the first so many images of each split only."
    )
    proposals: int | None = Field(
        None,
        ge=1,
        description="Keep so many proposals an image, evenly over their sizes; else all.",
    )
    search_side: int = Field(
        500, ge=1, description="Shrink larger images to this for selective search; pixels."
    )
    features: Literal["roi", "crops"] = Field(
        "roi",
        description="roi: one pass of the network an image, RoIAlign for each box. crops: a pass "
        "for each box, warped with context as in R-CNN; hundreds of times the work.",
    )
    backbone: str = Field(
        "squeezenet1_1",
        description="alexnet, squeezenet1_1, another name of torchvision or timm.",
    )
    weights: str = Field(
        "auto", description="auto (from the hub), random, or a file of a state_dict."
    )
    grid: int = Field(2, ge=1, description="Cells of a box in each direction, for roi.")
    side: int = Field(
        280,
        ge=1,
        description="Shorter side of an image in pixels, for roi. Best where objects are about as "
        "large as the network saw them in its own training.",
    )
    background: int = Field(
        300, ge=0, description="Boxes away from all objects to keep for training, an image."
    )
    methods: tuple[str, ...] = Field(
        PAPER_METHODS,
        min_length=1,
        description="Separated by commas: softmax (all classes and background together), "
        "logistic, refine, and the -ap and -01 methods of `compare`. The first is the one to "
        "compare with.",
    )
    batch: int = Field(
        512, ge=2, description="Boxes a mini-batch, whose AP stands for that of all boxes."
    )
    positives: float = Field(0.25, gt=0, lt=1, description="Share of positives in it.")
    epsilon: float = Field(
        0.1, gt=0, description="In units of the scores; untrained, they spread by 0.01."
    )
    learning_rates: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (0.1,),
        min_length=1,
        description="Of SGD with momentum 0.9. Of several, separated by commas, each method takes "
        "what is best on held-out training images, and is then trained on all.",
    )
    l2: float = Field(1e-7, ge=0, description="Regularisation.")
    iterations: int = Field(1000, ge=1, description="Mini-batches.")
    held_out: float = Field(
        1 / 3,
        gt=0,
        lt=1,
        description="Share of training images that choose the learning rate.",
    )
    suppression: float = Field(
        0.3, gt=0, lt=1, description="Overlap above which a detection goes for a better one."
    )
    seeds: int = Field(1, ge=1, description="Repetitions: other initial weights and mini-batches.")
    resamples: int = Field(500, ge=1, description="Bootstrap samples for the intervals.")

    @field_validator("methods", "learning_rates", "classes")
    @classmethod
    def _distinct(cls, values: tuple[object, ...]) -> tuple[object, ...]:
        if len(set(values)) < len(values):
            raise ValueError("distinct values are wanted")
        return values

    @field_validator("methods")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = known_methods()
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is none of {', '.join(known)}")
        return names

    @property
    def search_settings(self) -> SearchSettings:
        """How proposals are made."""
        from directloss.paper.detection.proposals import SearchSettings

        return SearchSettings(longest_side=self.search_side, most=self.proposals)

    @property
    def feature_settings(self) -> FeatureSettings:
        """How features are made."""
        from directloss.paper.detection.features import FeatureSettings

        return FeatureSettings(self.features, self.backbone, self.weights, self.grid, self.side)

    def head_settings(self, method: str, learning_rate: float, seed: int) -> HeadSettings:
        """How a head is trained."""
        from directloss.paper.detection.heads import HeadSettings

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
