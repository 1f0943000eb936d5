"""The stage that turns the boxes of each photograph into features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from directloss.datasets.crops import PADDING
from directloss.datasets.voc import Box
from directloss.models.features import CropSettings, crop_features
from directloss.paper.detection.boxes import Boxes
from directloss.paper.detection.photographs import Photograph
from directloss.paper.detection.proposals import ProposalStage
from directloss.paper.detection.regions import roi_features
from directloss.study.stages import Arrays, Stage, digest

Kind = Literal["roi", "crops"]


@dataclass(frozen=True)
class FeatureSettings:
    """How features are made.

    Attributes:
        kind: "roi", one pass an image; or "crops", a pass for each box with 16 pixels of context,
            warped to the network's size.
        backbone, weights: as `load_backbone` takes them.
        grid: for "roi": cells of a box in each direction.
        shortest_side: for "roi": pixels to which an image is brought.
    """

    kind: Kind = "roi"
    backbone: str = "squeezenet1_1"
    weights: str = "auto"
    grid: int = 2
    shortest_side: int = 280

    @property
    def network(self) -> CropSettings:
        """The backbone; it is loaded once a process."""
        return CropSettings(self.backbone, self.weights)

    def relevant(self) -> dict[str, Any]:
        """What features depend on besides the weights."""
        common = {"kind": self.kind, "backbone": self.backbone}
        if self.kind == "crops":
            return {**common, "padding": PADDING}
        return {**common, "grid": self.grid, "shortest_side": self.shortest_side}


@dataclass(frozen=True)
class FeatureStage(Stage[Photograph]):
    """The features of each photograph: `features`, `(n, d)`, of its proposals.

    Attributes:
        cache: folder of results.
        proposals: where the boxes come from.
        settings: see there.
        weights_fingerprint: of the backbone.
        with_objects: whether the annotated boxes follow the proposals, for training.
    """

    cache: Path
    proposals: ProposalStage
    settings: FeatureSettings
    weights_fingerprint: str
    with_objects: bool

    def key(self, photograph: Photograph) -> str:
        """What the features depend on, in short."""
        objects = photograph.objects.boxes.tolist() if self.with_objects else []
        return digest(
            self.proposals.key(photograph),
            self.settings.relevant(),
            self.weights_fingerprint,
            objects,
        )

    def path(self, photograph: Photograph) -> Path:
        return self.cache / "features" / f"{self.key(photograph)}.npz"

    def make(self, photograph: Photograph) -> Arrays:
        boxes = self.boxes(photograph)
        if self.settings.kind == "crops":
            crops = [Box(*box) for box in boxes.tolist()]
            features = crop_features(self.settings.network, photograph.file, crops)[0]
            return {"features": features.astype(np.float16)}
        features = roi_features(
            photograph.read(),
            boxes,
            self.settings.network.load(),
            grid=self.settings.grid,
            shortest_side=self.settings.shortest_side,
        )
        return {"features": features}

    def boxes(self, photograph: Photograph) -> Boxes:
        """The boxes that the rows belong to."""
        proposals = self.proposals.boxes(photograph)
        if not self.with_objects:
            return proposals
        return np.concatenate([proposals, photograph.objects.boxes])
