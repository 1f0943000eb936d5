"""From the scores of boxes to detections, and what they are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from directloss.paper.detection.average_precision import Outcomes, match
from directloss.paper.detection.boxes import Boxes, Floats, suppress
from directloss.paper.detection.features import FeatureStage
from directloss.paper.detection.heads import class_scores
from directloss.paper.detection.photographs import Photograph
from directloss.paper.detection.training_set import load_head
from directloss.study.stages import Arrays, Stage, digest


@dataclass(frozen=True)
class DetectionStage(Stage[Photograph]):
    """The detections of several detectors in each photograph, matched with its objects.

    Kept are, of all (detector, class) one after the other and best first within each: `scores`,
    `boxes` `(n, 4)`, `outcomes`; and how many each has, `counts` (detectors, classes).

    Attributes:
        cache: folder of results.
        features: of the proposals.
        heads: for each detector the files of its heads.
        classes: number of classes.
        suppression: overlap above which a detection goes for a better one of its class.
    """

    cache: Path
    features: FeatureStage
    heads: tuple[tuple[Path, ...], ...]
    classes: int
    suppression: float

    def path(self, photograph: Photograph) -> Path:
        objects = [array.tolist() for array in photograph.objects]
        heads = [[file.name for file in files] for files in self.heads]
        name = digest(self.features.key(photograph), objects, heads, self.classes, self.suppression)
        return self.cache / "detections" / f"{name}.npz"

    def make(self, photograph: Photograph) -> Arrays:
        boxes = self.features.proposals.boxes(photograph)
        # Annotated boxes, which may follow the proposals, must not be shown to a detector.
        features = self.features.load(photograph)["features"][: len(boxes)].astype(np.float32)
        scores: list[NDArray[np.float32]] = [np.empty(0, np.float32)]
        kept_boxes, outcomes = [np.empty((0, 4))], [np.empty(0, np.int8)]
        counts = np.zeros((len(self.heads), self.classes), np.int64)
        for number, files in enumerate(self.heads):
            columns = np.concatenate(
                [class_scores(load_head(file), features) for file in files], axis=1
            )
            for column in range(self.classes):
                ranked = columns[:, column]
                kept = suppress(boxes, ranked, self.suppression)
                objects = photograph.objects_of(column)
                outcomes.append(match(boxes[kept], objects.boxes, objects.difficult))
                scores.append(ranked[kept])
                kept_boxes.append(boxes[kept])
                counts[number, column] = len(kept)
        return {
            "scores": np.concatenate(scores),
            "boxes": np.concatenate(kept_boxes).astype(np.int32),
            "outcomes": np.concatenate(outcomes),
            "counts": counts,
        }


class Detections(NamedTuple):
    """The detections of one detector for one class over several images.

    Attributes:
        scores: `(n,)`.
        outcomes: FOUND, FALSE or IGNORED, `(n,)`.
        images: place of the image that each is in, `(n,)`.
        boxes: `(n, 4)`.
        objects: in each image, difficult ones left out, `(images,)`.
    """

    scores: Floats
    outcomes: Outcomes
    images: NDArray[np.int64]
    boxes: Boxes
    objects: NDArray[np.int64]


def collect(stage: DetectionStage, images: Sequence[Photograph]) -> list[list[Detections]]:
    """What the stage has kept, for each detector and class."""
    table: list[list[list[tuple[int, Arrays, slice]]]] = [
        [[] for _ in range(stage.classes)] for _ in stage.heads
    ]
    for place, image in enumerate(images):
        found = stage.load(image)
        ends = found["counts"].cumsum().reshape(found["counts"].shape)
        for (number, column), end in np.ndenumerate(ends):
            start = end - found["counts"][number, column]
            table[number][column].append((place, found, slice(start, end)))
    objects = [
        np.array(
            [np.count_nonzero(~image.objects_of(column).difficult) for image in images],
            dtype=np.int64,
        )
        for column in range(stage.classes)
    ]
    return [[_joined(parts, objects[column]) for column, parts in enumerate(row)] for row in table]


def _joined(parts: list[tuple[int, Arrays, slice]], objects: NDArray[np.int64]) -> Detections:
    def all_of(name: str) -> NDArray[np.float64]:
        return np.concatenate([found[name][where] for _, found, where in parts])

    images = [np.full(where.stop - where.start, place) for place, _, where in parts]
    return Detections(
        all_of("scores").astype(np.float64),
        all_of("outcomes").astype(np.int8),
        np.concatenate(images),
        all_of("boxes").astype(np.float64),
        objects,
    )
