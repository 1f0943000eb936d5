"""Region proposals by selective search.

Source: Uijlings, van de Sande, Gevers, Smeulders, Selective Search for Object Recognition, IJCV
2013; the implementation of OpenCV's `ximgproc` module in its fast mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from directloss.paper.detection.boxes import LEAST_OVERLAP, Boxes, best_overlaps
from directloss.paper.detection.photographs import Photograph
from directloss.study.stages import Arrays, Stage, digest

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class SearchSettings:
    """What the proposals of an image depend on.

    Attributes:
        longest_side: larger images are shrunk to this many pixels for the search.
        smallest_share: boxes are dropped whose width or height is a smaller share of the longest
            side; by default R-CNN's 20 of 500 pixels.
        most: keep so many boxes, evenly spread over the sizes; all if None.
    """

    longest_side: int = 500
    smallest_share: float = 0.04
    most: int | None = None


def propose(image: Pixels, settings: SearchSettings) -> Boxes:
    """Boxes of likely objects, `(n, 4)`, largest first.

    The search draws random numbers only to put its boxes into an order. The order here is by size
    and position instead, so that the same image always gives the same array.

    Args:
        image: `(height, width, 3)`, blue green red.
        settings: see there.
    """
    height, width = image.shape[:2]
    scale = min(1.0, settings.longest_side / max(height, width))
    if scale < 1:
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = np.asarray(cv2.resize(image, small, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    cv2.setNumThreads(1)  # several images at once are faster than several threads on one
    search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    search.setBaseImage(image)
    search.switchToSelectiveSearchFast()
    found = np.asarray(search.process(), dtype=np.float64).reshape(-1, 4)
    smallest = settings.smallest_share * max(image.shape[:2])
    found = found[(found[:, 2:] >= smallest).all(axis=1)]
    boxes = np.concatenate([found[:, :2], found[:, :2] + found[:, 2:]], axis=1)
    stretch = np.tile([width / image.shape[1], height / image.shape[0]], 2)
    boxes = np.round(boxes * stretch)
    return _thinned(_ordered(boxes), settings.most)


def _ordered(boxes: Boxes) -> Boxes:
    boxes = np.unique(boxes, axis=0)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return boxes[np.argsort(-area, kind="stable")]


def _thinned(boxes: Boxes, most: int | None) -> Boxes:
    if most is None or len(boxes) <= most:
        return boxes
    return boxes[np.linspace(0, len(boxes) - 1, most).round().astype(np.int64)]


@dataclass(frozen=True)
class ProposalStage(Stage[Photograph]):
    """The proposals of each photograph: `boxes`, `(n, 4)` whole pixels."""

    cache: Path
    settings: SearchSettings

    def key(self, photograph: Photograph) -> str:
        """What the proposals depend on, in short."""
        return digest(photograph.fingerprint, asdict(self.settings), cv2.__version__)

    def path(self, photograph: Photograph) -> Path:
        return self.cache / "proposals" / f"{self.key(photograph)}.npz"

    def make(self, photograph: Photograph) -> Arrays:
        pixels = np.asarray(photograph.read())[:, :, ::-1]
        return {"boxes": propose(np.ascontiguousarray(pixels), self.settings).astype(np.int32)}

    def boxes(self, photograph: Photograph) -> Boxes:
        """The kept proposals."""
        return self.load(photograph)["boxes"].astype(np.float64)


class Recall(NamedTuple):
    """How well proposals cover the objects of a class: the ceiling of any detector on them.

    Attributes:
        objects: that are not difficult.
        found: share of them with a proposal of overlap `LEAST_OVERLAP` or more.
        mean_best_overlap: mean over them of the largest overlap with a proposal.
    """

    objects: int
    found: float
    mean_best_overlap: float


def recall(stage: ProposalStage, images: Sequence[Photograph], classes: int) -> list[Recall]:
    """The recall of each class."""
    best: list[list[float]] = [[] for _ in range(classes)]
    for image in images:
        objects = image.objects.only(~image.objects.difficult)
        covered = best_overlaps(objects.boxes, stage.boxes(image))
        for number, overlap in zip(objects.classes, covered, strict=True):
            best[number].append(float(overlap))
    return [
        Recall(len(each), float(np.mean(np.array(each) >= LEAST_OVERLAP)), float(np.mean(each)))
        for each in best
    ]
