"""A range of lists in ranked order, their classes apart: what the solvers of rankings share.

All that is as long as the lists stands in words of scratch memory, of which each kernel makes its
views. For a range of `lists` lists and `items` items, with half = items // 2 + 1:

    fences     12 a list    where infinite scores part it (`Ranking.fences`)
    scores     1 an item    float64, of each list its positives, then its negatives, descending
    weights    1 an item    r_i of the positives
    items      half         uint32, where each stands in its list
    row 0      half         counts of the prediction: for each item, those of the other class above
    rows 1 ..  half each    those of the other terms; before, the keys of the sort
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from directloss.inference._kernel import Array, inner

__all__ = ["Ranked", "Ranking", "Solver", "begin_of_rows", "one_ranking", "views", "words_for"]

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
        words: uint64, see above.
    """

    first: int
    last: int
    offsets: Array
    positives: Array
    discounts: Array
    discount_offsets: Array
    by_position: int
    words: Array


Solver = Callable[[Ranked, float, int], None]
"""(lists, weight, row) -> argmax F + weight * Delta, its counts written to that row."""


class Ranking(NamedTuple):
    """One list, as a solver takes it.

    Attributes:
        positives, negatives: float64 (P,) and (N,), descending, finite: infinite ones are 0.
        fences: int64 (3, 4): first and last (exclusive) negative, first and last positive of three
            independent lists, +inf, finite, -inf.
        rank_weights: r_i, float64 (P,), non-negative.
        discounts: D, float64, of this list alone.
        negatives_above, positives_above: int32 (P,) and (N,), of the row: a ranking, said by each
            class.
    """

    positives: Array
    negatives: Array
    fences: Array
    rank_weights: Array
    discounts: Array
    negatives_above: Array
    positives_above: Array


def begin_of_rows(lists: int, items: int) -> int:
    """The word at which row 1 begins; sorted keys of the items may stand there before."""
    return _OF_FENCES * lists + 2 * items + 2 * (items // 2 + 1)


def words_for(lists: int, items: int, rows: int) -> int:
    """Words that a range of lists needs for as many rows besides row 0."""
    return begin_of_rows(lists, items) + max(2 * items, rows * (items // 2 + 1))


@inner
def views(words: Array, lists: int, items: int) -> tuple[Array, Array, Array, Array, Array]:
    """Fences (lists, 3, 4), scores, weights, items, and words of the rows."""
    half = items // 2 + 1
    begin = 12 * lists
    fences = words[:begin].view(np.int64).reshape(lists, 3, 4)
    scores = words[begin : begin + items].view(np.float64)
    weights = words[begin + items : begin + 2 * items].view(np.float64)
    rest = words[begin + 2 * items :]
    return fences, scores, weights, rest[:half].view(np.uint32), rest[half:]


@inner
def one_ranking(
    number: int,
    first: int,
    last: int,
    offsets: Array,
    positives: Array,
    discounts: Array,
    discount_offsets: Array,
    by_position: int,
    words: Array,
    row: int,
) -> Ranking:
    """List `number` of a range, with the counts of a row. Arguments as in `Ranked`."""
    lists, base, all_items = last - first, offsets[first], offsets[last] - offsets[first]
    fences, scores, weights, _, rows = views(words, lists, all_items)
    half = all_items // 2 + 1
    counts = rows[row * half : (row + 1) * half].view(np.int32)
    begin, end = offsets[number] - base, offsets[number + 1] - base
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
        counts[begin:middle],
        counts[middle:end],
    )
