"""Thirds of the persons for training, validation and test, with no photograph in two of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from directloss.datasets.errors import DataError

Rows = NDArray[np.int64]

PARTS = 3


@dataclass(frozen=True)
class Thirds:
    """Rows of each part, ascending."""

    train: Rows
    validation: Rows
    test: Rows


def thirds(positive: NDArray[np.bool_], image: Rows, generator: np.random.Generator) -> Thirds:
    """Deals photographs to three parts so that all get as many positives, and as many persons.

    Photographs with positives come first, those with most of them first of all, each to the part
    that has fewest so far; then the others, by the number of persons. Among equals chance decides.

    Args:
        positive: of each person, shape `(n,)`.
        image: photograph of each person, shape `(n,)`.
        generator: decides the order.

    Raises:
        DataError: a part would have no positive or no negative.
    """
    names, place = np.unique(image, return_inverse=True)
    positives = np.bincount(place, weights=positive, minlength=len(names))
    persons = np.bincount(place, minlength=len(names))
    shuffled = generator.permutation(len(names))
    # Stable: equals stay in the order of chance.
    order = shuffled[np.lexsort((-persons[shuffled], -positives[shuffled]))]
    part_of_image = np.empty(len(names), dtype=np.int64)
    dealt = np.zeros((PARTS, 2))  # positives, persons
    for number in order:
        lots = generator.permutation(PARTS)
        first = 0 if positives[number] else 1
        part = min(range(PARTS), key=lambda p: (dealt[p, first], dealt[p, 1 - first], lots[p]))
        part_of_image[number] = part
        dealt[part] += positives[number], persons[number]
    part_of_person = part_of_image[place]
    train, validation, test = (np.flatnonzero(part_of_person == part) for part in range(PARTS))
    for rows in (train, validation, test):
        if positive[rows].all() or not positive[rows].any():
            raise DataError(
                f"{int(positive.sum())} positives and {int((~positive).sum())} negatives in "
                f"{len(names)} photographs cannot be divided into thirds that hold both"
            )
    return Thirds(train, validation, test)
