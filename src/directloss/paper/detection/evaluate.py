"""Average precision of each detector, with intervals from resampled images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from directloss.paper.detection.average_precision import (
    average_precision,
    eleven_point_average_precision,
    precision_recall,
)
from directloss.paper.detection.boxes import Floats
from directloss.paper.detection.detect import Detections


class Measured(NamedTuple):
    """A detector's average precision, all points and eleven points, of each class `(C,)`."""

    all_points: Floats
    eleven_points: Floats


def measure(detections: Sequence[Detections]) -> Measured:
    """VOC's average precision; `detections` holds one entry a class."""
    curves = [
        precision_recall(each.scores, each.outcomes, each.objects.sum()) for each in detections
    ]
    return Measured(
        np.array([average_precision(curve) for curve in curves]),
        np.array([eleven_point_average_precision(curve) for curve in curves]),
    )


def resampled_means(
    detectors: Sequence[Sequence[Detections]], resamples: int, seed: int = 0
) -> Floats:
    """The mean average precision over classes on bootstrap samples of the images.

    A sample has as many images as there are, drawn with replacement; all detectors see the same
    samples, so that differences between them are paired. The training is not repeated: what varies
    is which images are tested.

    Args:
        detectors: for each detector its detections of each class.
        resamples: number of samples.

    Returns:
        `(detectors, resamples)`.
    """
    images = len(detectors[0][0].objects)
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(images, np.full(images, 1 / images), size=resamples)
    return np.array([_means(list(map(_ranked, classes)), drawn) for classes in detectors])


def _means(classes: Sequence[Detections], drawn: NDArray[np.int64]) -> Floats:
    return np.array([np.mean([_weighted(each, weights) for each in classes]) for weights in drawn])


def _weighted(detections: Detections, weights: NDArray[np.int64]) -> float:
    objects = float(detections.objects @ weights)
    of_image = weights[detections.images]
    return average_precision(
        precision_recall(detections.scores, detections.outcomes, objects, of_image)
    )


def _ranked(detections: Detections) -> Detections:
    # Sorting what is sorted is fast, and every sample sorts.
    order = np.argsort(-detections.scores, kind="stable")
    scores, outcomes, images, boxes, objects = detections
    return Detections(scores[order], outcomes[order], images[order], boxes[order], objects)
