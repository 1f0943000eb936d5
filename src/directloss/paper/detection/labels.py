"""Which boxes are examples of a class, as in R-CNN.

Source: Girshick, Donahue, Darrell, Malik, CVPR 2014, section 2.3.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from directloss.paper.detection.boxes import Boxes, Floats, best_overlaps

POSITIVE, NEGATIVE, UNUSED = 1, 0, -1


class Objects(NamedTuple):
    """The annotated objects of an image.

    Attributes:
        boxes: `(m, 4)`.
        classes: number of each object's class, `(m,)`.
        difficult: marked as hard to recognise, `(m,)`.
    """

    boxes: Boxes
    classes: NDArray[np.int64]
    difficult: NDArray[np.bool_]

    def only(self, which: NDArray[np.bool_]) -> Objects:
        """Some of them; `which` is a mask `(m,)`."""
        return Objects(self.boxes[which], self.classes[which], self.difficult[which])


class Labels(NamedTuple):
    """The part that each box plays in training.

    Attributes:
        by_class: POSITIVE, NEGATIVE or UNUSED for each class, `(n, C)`.
        joint: number of the class, C for background, UNUSED for neither, `(n,)`.
    """

    by_class: NDArray[np.int8]
    joint: NDArray[np.int64]


def label(
    boxes: Boxes,
    objects: Objects,
    classes: int,
    *,
    positive_from: float = 0.5,
    negative_below: float = 0.3,
) -> Labels:
    """Labels the boxes of one image.

    A box is a positive of a class from an overlap of `positive_from` with one of its objects, a
    negative below `negative_below` with all of them, and unused between. Difficult objects give no
    positives, and a box that lies on one is no negative either.

    For a choice among all classes, a box belongs to the class of the object that it overlaps most
    among those of which it is a positive, and is background if it is a negative of every class.
    """
    easy, touched = (
        _by_class(boxes, objects, classes, which)
        for which in (~objects.difficult, np.ones(len(objects.boxes), dtype=np.bool_))
    )
    by_class = np.full((len(boxes), classes), UNUSED, dtype=np.int8)
    by_class[touched < negative_below] = NEGATIVE
    by_class[easy >= positive_from] = POSITIVE
    joint = np.full(len(boxes), UNUSED, dtype=np.int64)
    joint[(by_class == NEGATIVE).all(axis=1)] = classes
    any_positive = (by_class == POSITIVE).any(axis=1)
    joint[any_positive] = easy[any_positive].argmax(axis=1)
    return Labels(by_class, joint)


def _by_class(boxes: Boxes, objects: Objects, classes: int, which: NDArray[np.bool_]) -> Floats:
    """Largest overlap with an object of each class, `(n, C)`."""
    columns = [
        best_overlaps(boxes, objects.boxes[which & (objects.classes == number)])
        for number in range(classes)
    ]
    return np.stack(columns, axis=1)
