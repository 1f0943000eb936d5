"""Scratch memory of a range of lists: their sorted classes, and what is chosen of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from directloss.inference import memory
from directloss.inference._kernel import Array

_SIZES = 5


class Classes(NamedTuple):
    """The sorted classes of a range of L lists, which `classes.of_list` takes apart.

    Attributes:
        scores: float64 (items,): of each list its positives, then its negatives, descending.
        sums: float64 (items + 2 L,): of each class its running sums, infinite scores as 0.
        sizes: int64 (L, 5): number of positives, then fewest and most of each class.
    """

    scores: Array
    sums: Array
    sizes: Array


class Chosen(NamedTuple):
    """What is predicted in each list, for each term: (L, T, 2), of negatives and of positives.

    Attributes:
        counts: int64.
        thresholds: float64, the score of the last one that is predicted.
        shares: float64, of its equals.
    """

    counts: Array
    thresholds: Array
    shares: Array


class Workspace:
    """Memory of L lists with so many items together, and T terms.

    Attributes:
        words: uint64, the block itself.
        keys: uint64 (items,), for a sort.
        spare: uint64 (items,), for it: the memory of the class scores.
        word: one word, as uint32 and as float32.
        classes: `Classes`.
        chosen: `Chosen`.
    """

    def __init__(self, words: Array, shape: tuple[int, ...]) -> None:
        self.words, self.shape = words, shape
        lists, items, terms = shape
        self.keys, self.spare = words[:items], words[items : 2 * items]
        end = 3 * items + 2 * lists
        sums = words[2 * items : end].view(np.float64)
        sizes = words[end : end + _SIZES * lists].view(np.int64).reshape(lists, _SIZES)
        self.classes = Classes(self.spare.view(np.float64), sums, sizes)
        end += _SIZES * lists
        of_terms = words[end : end + 6 * lists * terms].reshape(3, lists, terms, 2)
        self.chosen = Chosen(of_terms[0].view(np.int64), *of_terms[1:].view(np.float64))
        word = words[end + 6 * lists * terms :][:1]
        self.word = word.view(np.uint32), word.view(np.float32)


def _words(lists: int, items: int, terms: int) -> int:
    return 3 * items + (2 + _SIZES + 6 * terms) * lists + 1


workspaces = memory.Kept(Workspace, _words)
"""By numbers of lists, of their items and of terms."""
