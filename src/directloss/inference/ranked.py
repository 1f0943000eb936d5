"""A range of lists in ranked order, their classes apart: what the solvers of rankings share.

All that is as long as the lists stands in one block of scratch memory, which Python takes apart:
a view costs it next to nothing, and a kernel a fifth of a second of compiling.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from directloss.inference import memory
from directloss.inference._kernel import Array, inner

__all__ = ["Ranked", "Ranking", "Solver", "Workspace", "one_ranking", "workspaces"]

_OF_FENCES = 12


class Ranked(NamedTuple):
    """The arguments that every kernel on ranked lists takes first.

    Attributes:
        first, last: the range of lists.
        offsets: int64 (L + 1,): list l has items offsets[l] .. offsets[l + 1] - 1.
        positives: int64 (L,): how many each list has.
        discounts, discount_offsets: D of list l at discounts[discount_offsets[l] + q], q the
            position (from 1) or the number of negatives above (from 0).
        by_position: 1 for a discount by position, 0 for one by the negatives above.
        fences, scores, weights: as in `Workspace`.
    """

    first: int
    last: int
    offsets: Array
    positives: Array
    discounts: Array
    discount_offsets: Array
    by_position: int
    fences: Array
    scores: Array
    weights: Array


Solver = Callable[[Ranked, float, Array], None]
"""(lists, weight, above) -> argmax F + weight * Delta, written to a row of `Workspace.counts`.

Each solver's file has the loop over the lists once more: one loop that is given a solver would be a
closure over a compiled function, which numba finds on disk in no later process.
"""


class Ranking(NamedTuple):
    """One list, as a solver takes it.

    Loops read arrays that were taken out before: each look into a tuple counts references, which
    threads share.

    Attributes:
        positives, negatives: float64 (P,) and (N,), descending, finite: infinite ones are 0.
        fences: int64 (3, 4): first and last (exclusive) negative, first and last positive of three
            independent lists, +inf, finite, -inf.
        rank_weights: r_i, float64 (P,), non-negative.
        discounts: D, float64, of this list alone.
        by_position: 1 where D is taken at the position i + n_i, 0 where at the negatives above.
        negatives_above, positives_above: int32 (P,) and (N,), of the row: a ranking, said by each
            class.
    """

    positives: Array
    negatives: Array
    fences: Array
    rank_weights: Array
    discounts: Array
    by_position: int
    negatives_above: Array
    positives_above: Array


class Workspace:
    """Scratch memory of a range of lists of so many items together, with rows for the counts.

    Attributes:
        words: uint64, the block itself.
        fences: int64 (lists, 3, 4), `Ranking.fences`.
        scores: float64 (items,): of each list its positives, then its negatives, descending.
        weights: float64 (items,): r_i of the positives.
        bits, narrow: uint32 and float32 (2 items,): the memory of `weights`, before they are there.
        items: uint32 (items,): where each stands in its list.
        rows: int32 (items,) each: row 0 of the prediction, one more of each other term: for each
            item, those of the other class above.
        counts: uint32 (rows, >= items): the same; `unsigned`: row by row.
        lists: fences, scores and weights.
        keys, spare: uint64 (items,) each: for a sort; overwritten by rows 1 and on.
    """

    def __init__(self, words: Array, shape: tuple[int, ...]) -> None:
        self.words, self.shape = words, shape
        lists, items, rows = shape
        half = items // 2 + 1
        end = _OF_FENCES * lists
        self.fences = words[:end].view(np.int64).reshape(lists, 3, 4)
        self.scores = words[end : end + items].view(np.float64)
        end += items
        self.weights = words[end : end + items].view(np.float64)
        self.bits, self.narrow = self.weights.view(np.uint32), self.weights.view(np.float32)
        end += items
        self.items = words[end : end + half].view(np.uint32)[:items]
        end += half
        counts = words[end : end + rows * half].reshape(rows, half)
        self.counts = counts.view(np.uint32)
        self.rows = [row[:items] for row in counts.view(np.int32)]
        self.unsigned = list(self.counts)
        self.lists = self.fences, self.scores, self.weights
        end += half
        self.keys, self.spare = words[end : end + items], words[end + items : end + 2 * items]


def _words(lists: int, items: int, rows: int) -> int:
    half = items // 2 + 1
    return _OF_FENCES * lists + 2 * items + 2 * half + max(2 * items, (rows - 1) * half)


workspaces = memory.Kept(Workspace, _words)
"""By numbers of lists, of their items and of rows."""


@inner
def one_ranking(
    number: int | np.int64,
    first: int,
    offsets: Array,
    positives: Array,
    discounts: Array,
    discount_offsets: Array,
    by_position: int,
    fences: Array,
    scores: Array,
    weights: Array,
    above: Array,
) -> Ranking:
    """List `number` of a range, with its counts in a row. Arguments as in `Ranked`."""
    begin, end = offsets[number] - offsets[first], offsets[number + 1] - offsets[first]
    middle = begin + positives[number]
    # The list's own entries: a table is as long as the longest list that ever came.
    entry = discount_offsets[number]
    entries = 1 + (end - begin if by_position else end - middle)
    return Ranking(
        scores[begin:middle],
        scores[middle:end],
        fences[number - first],
        weights[begin:middle],
        discounts[entry : entry + entries],
        by_position,
        above[begin:middle],
        above[middle:end],
    )
