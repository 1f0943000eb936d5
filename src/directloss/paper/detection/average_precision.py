"""PASCAL VOC's average precision of detections.

Source: Everingham, Van Gool, Williams, Winn, Zisserman, The PASCAL Visual Object Classes (VOC)
Challenge, IJCV 2010, section 4.2; and the development kits of 2007 (eleven points) and 2010-2012
(all points).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from directloss.paper.detection.boxes import LEAST_OVERLAP, Boxes, Floats, overlaps

FOUND, FALSE, IGNORED = 1, 0, -1

Outcomes = NDArray[np.int8]


def match(boxes: Boxes, objects: Boxes, difficult: NDArray[np.bool_]) -> Outcomes:
    """What each detection of one class in one image is worth.

    A detection belongs to the object that it overlaps most. With an overlap of `LEAST_OVERLAP` or
    more it has FOUND the object if no better detection has; a second one is FALSE. What belongs to
    a difficult object is IGNORED. Everything else is FALSE.

    Args:
        boxes: detections, best first, `(n, 4)`.
        objects: all objects of the class in the image, `(m, 4)`.
        difficult: which of them are difficult, `(m,)`.
    """
    outcomes = np.full(len(boxes), FALSE, dtype=np.int8)
    if not len(objects):
        return outcomes
    table = overlaps(boxes, objects)
    nearest = table.argmax(axis=1)
    taken = np.zeros(len(objects), dtype=np.bool_)
    for detection in np.flatnonzero(table.max(axis=1) >= LEAST_OVERLAP):
        target = nearest[detection]
        if difficult[target]:
            outcomes[detection] = IGNORED
        elif not taken[target]:
            outcomes[detection] = FOUND
            taken[target] = True
    return outcomes


class Curve(NamedTuple):
    """Recall and precision after each detection, best first, each `(n,)`."""

    recall: Floats
    precision: Floats


def precision_recall(
    scores: ArrayLike,
    outcomes: ArrayLike,
    objects: float,
    weights: ArrayLike | None = None,
) -> Curve:
    """The curve of one class over all images.

    Args:
        scores: of the detections, `(n,)`; equal scores count in the order given.
        outcomes: FOUND, FALSE or IGNORED for each, `(n,)`.
        objects: number of objects that are not difficult.
        weights: how often each detection counts, `(n,)`; once without it. With the number of times
            that its image was drawn, this is the curve of a bootstrap sample (`objects` likewise).
    """
    scores, outcomes = np.asarray(scores, dtype=np.float64), np.asarray(outcomes)
    order = np.argsort(-scores, kind="stable")
    order = order[outcomes[order] != IGNORED]
    count = np.ones(len(scores)) if weights is None else np.asarray(weights, dtype=np.float64)
    found = np.cumsum(count[order] * (outcomes[order] == FOUND))
    shown = np.cumsum(count[order])
    precision = np.divide(found, shown, out=np.zeros_like(found), where=shown > 0)
    return Curve(found / objects if objects else np.zeros_like(found), precision)


def average_precision(curve: Curve) -> float:
    """Area under the curve, each precision raised to the best at the same or a higher recall.

    The measure of VOC 2010 and later. 0 for an empty curve.
    """
    recall = np.concatenate([[0.0], curve.recall])
    return float(np.diff(recall) @ _envelope(curve.precision))


def eleven_point_average_precision(curve: Curve) -> float:
    """Mean over the recalls 0, 0.1, ..., 1 of the best precision at that recall or a higher one.

    The measure of VOC 2007. A recall that is never reached counts 0.
    """
    # The rounding of k / objects must not decide whether 0.3 was reached.
    first = np.searchsorted(curve.recall, np.arange(11) / 10 - 1e-12)
    return float(np.append(_envelope(curve.precision), 0.0)[first].mean())


def _envelope(precision: Floats) -> Floats:
    highest: Floats = np.maximum.accumulate(precision[::-1])[::-1]
    return highest
