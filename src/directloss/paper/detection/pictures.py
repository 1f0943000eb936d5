"""Pictures to look at: the best ranked detections of a class, right and wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from directloss.paper.detection.average_precision import FALSE, FOUND
from directloss.paper.detection.boxes import Boxes
from directloss.paper.detection.detect import Detections
from directloss.paper.detection.photographs import Photograph
from directloss.report.page import embedded

DETECTED, ANNOTATED, EDGE = "#ffb733", "#3ad0a0", "#16181d"
"""Colours of a detection, of an annotated object, and of the line that sets them off."""

_WIDTH = 320
"""Pixels; enough to see a box, little enough to embed dozens."""


class Picture(NamedTuple):
    """An image with boxes drawn, to be embedded in a page.

    Attributes:
        caption: what it shows.
        source: a data address.
    """

    caption: str
    source: str


def top_pictures(
    detections: Detections, images: Sequence[Photograph], column: int, outcome: int, most: int
) -> list[Picture]:
    """The best ranked detections that are FOUND, or FALSE, at most one an image.

    Args:
        detections: of one detector for one class.
        images: that `detections.images` counts.
        column: number of the class, whose objects are drawn, too.
        outcome: FOUND or FALSE.
        most: number of pictures.
    """
    order = np.argsort(-detections.scores, kind="stable")
    ranked = [int(place) for place in order if detections.outcomes[place] in (FOUND, FALSE)]
    chosen: dict[int, tuple[int, int]] = {}
    for rank, place in enumerate(ranked, start=1):
        if len(chosen) == most:
            break
        if detections.outcomes[place] == outcome:
            chosen.setdefault(int(detections.images[place]), (rank, place))
    return [
        Picture(
            f"rank {rank}, {images[image].image_id}",
            embedded(
                draw(
                    images[image].read(),
                    detections.boxes[place : place + 1],
                    images[image].objects_of(column).boxes,
                )
            ),
        )
        for image, (rank, place) in chosen.items()
    ]


def draw(image: Image.Image, detected: Boxes, annotated: Boxes) -> Image.Image:
    """A small copy of the image with the annotated objects and, over them, the detections."""
    scale = _WIDTH / image.width
    small = image.resize((_WIDTH, max(1, round(image.height * scale))))
    pencil = ImageDraw.Draw(small)
    for boxes, colour in ((annotated, ANNOTATED), (detected, DETECTED)):
        for box in boxes:
            left, top, right, bottom = (round(float(edge) * scale) for edge in box)
            corners = (left, top, max(left, right - 1), max(top, bottom - 1))
            # Dark below and bright above is seen on any background.
            pencil.rectangle(corners, outline=EDGE, width=4)
            pencil.rectangle(corners, outline=colour, width=2)
    return small
