"""A stable radix sort of the scores of one list, as fast as the memory lets it.

Scores become unsigned integers whose ascending order is the descending order of the scores
(the usual trick on IEEE 754 bits). A float32 key shares its 64-bit word with the label and the
index, so that one array is sorted and everything is read back from it without a gather. A float64
key needs the whole word; label and index travel beside it.

Where numpy's own sort is vectorised for the processor at hand, `sorted_keys` takes that for a short
list and for rows: the keys are all different, so that the order is the same. With AVX2 it takes
half of the time for a thousand items. For more items a race decides: with AVX-512 numpy takes a
third of the time, with AVX2 as much. Anywhere else there is a counting sort by digits of 11 bits,
which depends on no processor extension. It is a kernel of its own, and compiled where it is used.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from time import thread_time

import numpy as np

from directloss.inference._kernel import Array, inlined, inner, kernel

__all__ = [
    "INDEX",
    "LABEL",
    "ONE_BIT",
    "SHORT",
    "classes_of_keys",
    "ranked",
    "ranked_classes",
    "score_bits",
    "sorted_keys",
]

LABEL = np.uint32(1 << 31)
INDEX = np.uint32((1 << 31) - 1)
ONE_BIT = 31
"""Bits of a packed key below a label that is 0 or 1."""

_BITS = 11
_VALUES = 1 << _BITS
_DIGIT = np.uint64(_VALUES - 1)
SHORT = 4096
"""Items of a list below which counters, not items, are what a pass has most of."""
_HANDFUL = 32
"""Items of a list up to which each is put in its place among those before."""
_FEW = 1 << 13
"""Items of all lists up to which numpy's sort is the faster one wherever it is vectorised."""
_FEW_LISTS = 4
"""Lists up to which a call each takes less than to see whether they are of one length."""
_WORTH_A_CALL_EACH = 1 << 9
"""Items of the mean list below which calling numpy costs more than it saves, where lists of uneven
length are sorted one by one."""
_SIGN32 = np.uint32(1 << 31)
_SIGN64 = np.uint64(1 << 63)


@inner
def ranked(scores: Array, labels: Array, sorted_scores: Array, order: Array) -> None:
    """Rank one list: highest score first; among equal scores label 0 before 1, then by index.

    Args:
        scores: float32 or float64, shape (n,), contiguous, without NaN; n < 2**31.
        labels: uint8 0/1, shape (n,).
        sorted_scores: out, float64 (n,): the scores in ranked order.
        order: out, uint32 (n,): in ranked order, the index in the low 31 bits and the label in the
            highest (masks `INDEX` and `LABEL`).
    """
    first, second = np.empty(scores.size, np.uint64), np.empty(scores.size, np.uint64)
    # A key is read as a score by way of one word of memory, which the compiler keeps in a register.
    if scores.itemsize == 4:
        _sort32(scores.view(np.uint32), labels, ONE_BIT, first, second)
        bits32 = np.empty(1, np.uint32)
        score32 = bits32.view(np.float32)
        for rank in range(first.size):
            order[rank] = np.uint32(first[rank])
            bits32[0] = score_bits(first[rank])
            sorted_scores[rank] = score32[0]
    else:
        keys = _sorted64(scores.view(np.uint64), labels, order, first, second)
        bits64 = np.empty(1, np.uint64)
        score64 = bits64.view(np.float64)
        for rank in range(keys.size):
            bits64[0] = _key64(keys[rank])
            sorted_scores[rank] = score64[0]


def sorted_keys(
    first: int,
    last: int,
    scores: Array,
    labels: Array,
    offsets: Array,
    index_bits: int,
    keys: Array,
    spare: Array,
) -> Array:
    """The packed keys of lists first .. last - 1, each list in ranked order, written to `keys`.

    Args:
        scores: float32.
        labels, offsets: of a ragged batch, as in `ranked`.
        index_bits: of a key, that the index may have; the label stands above them.
        keys: out, uint64, one for each item of these lists.
        spare: scratch, uint64, as long as the longest of these lists, or longer.
    """
    lists, items = last - first, keys.size
    if items == 0:
        return keys
    flat = scores.view(np.uint32), labels, offsets, index_bits, keys
    faster = _numpy_is_vectorised() if items <= _FEW else _numpy_is_faster()
    if lists == 1 and faster:
        _pack(first, last, *flat)
        keys.sort()
        return keys
    long = items >= lists * _WORTH_A_CALL_EACH
    even = not (long and lists <= _FEW_LISTS) and _of_one_length(offsets[first : last + 1])
    if not faster or not (even or long):
        _sort_by_digits(first, last, *flat, spare)
        return keys
    _pack(first, last, *flat)
    if even:
        keys.reshape(lists, -1).sort(axis=1)
    else:
        bounds = (offsets[first : last + 1] - offsets[first]).tolist()
        for begin, end in pairwise(bounds):
            keys[begin:end].sort()
    return keys


def _of_one_length(offsets: Array) -> bool:
    sizes = offsets[1:] - offsets[:-1]
    return bool((sizes == sizes[:1]).all())


@cache
def _numpy_is_vectorised() -> bool:
    """Whether numpy sorts 64-bit integers by a processor extension: tried once, in a millisecond.

    No name of an extension tells: numpy chooses among several, by its own version. Its stable sort
    uses none, and takes about as long as its default sort does without one.
    """
    keys = np.random.default_rng(0).integers(0, 1 << 63, size=1 << 12, dtype=np.uint64)
    seconds = {"quicksort": float("inf"), "stable": float("inf")}
    for _ in range(5):  # in turn, so that a busy moment strikes both
        for kind in seconds:
            start = thread_time()
            np.sort(keys, kind=kind)  # type: ignore[call-overload]
            seconds[kind] = min(seconds[kind], thread_time() - start)
    return seconds["quicksort"] < 0.5 * seconds["stable"]


@cache
def _numpy_is_faster() -> bool:
    """Whether numpy sorts many packed keys faster than digits do: tried once, in milliseconds."""
    if not _numpy_is_vectorised():
        return False
    size = 1 << 16
    scores = np.random.default_rng(0).normal(size=size).astype(np.float32)
    bits, labels = scores.view(np.uint32), np.zeros(size, np.uint8)
    offsets = np.array([0, size])
    keys, spare = np.empty(size, np.uint64), np.empty(size, np.uint64)

    def by_numpy() -> None:
        _pack(0, 1, bits, labels, offsets, ONE_BIT, keys)
        keys.sort()

    def by_kernel() -> None:
        _sort_by_digits(0, 1, bits, labels, offsets, ONE_BIT, keys, spare)

    seconds = {sort: float("inf") for sort in (by_numpy, by_kernel)}
    for attempt in range(9):  # in turn, so that a busy moment strikes both
        for sort in seconds:
            start = thread_time()
            sort()
            if attempt > 0:
                seconds[sort] = min(seconds[sort], thread_time() - start)
    return seconds[by_numpy] < 0.9 * seconds[by_kernel]


@kernel
def _pack(
    first: int, last: int, bits: Array, labels: Array, offsets: Array, index_bits: int, keys: Array
) -> None:
    begin = offsets[first]
    for number in range(first, last):
        start, stop = offsets[number], offsets[number + 1]
        # Indices that cannot be negative: then several items are packed at once.
        list_bits, list_labels = bits[start:stop], labels[start:stop]
        list_keys = keys[start - begin : stop - begin]
        for i in range(list_bits.size):
            list_keys[i] = _packed(list_bits[i], list_labels[i], i, index_bits)


@kernel
def _sort_by_digits(
    first: int,
    last: int,
    bits: Array,
    labels: Array,
    offsets: Array,
    index_bits: int,
    keys: Array,
    spare: Array,
) -> None:
    base = offsets[first]
    for number in range(first, last):
        begin, end = offsets[number], offsets[number + 1]
        list_keys = keys[begin - base : end - base]
        _sort32(bits[begin:end], labels[begin:end], index_bits, list_keys, spare[: end - begin])


@inlined
def classes_of_keys(
    keys: Array,
    begin: int,
    middle: int,
    end: int,
    class_scores: Array,
    items: Array,
    above: Array,
    bits: Array,
    narrow: Array,
) -> bool:
    """As `ranked_classes`, from the sorted keys of a list at places begin .. end - 1 of a range.

    Args:
        middle: the place after the last positive.
        class_scores, items, above: out, of the range.
        bits, narrow: scratch, the same words as uint32 and as float32, two for each place.
    """
    tied, one = False, np.uint64(1)
    base, p, first_negative = np.uint64(begin), np.uint64(begin), np.uint64(middle)
    before = keys[begin]
    # Labels come in an order that no processor can guess: a place is chosen, not a branch. The rank
    # is written for now; less the place in the class it is what stands above of the other class.
    for rank in range(np.uint64(begin), np.uint64(end)):
        key = keys[rank]
        label = (key >> np.uint64(ONE_BIT)) & one
        at = p if label else first_negative + (rank - p)
        bits[base + at] = score_bits(key)
        items[at] = np.uint32(key) & INDEX
        above[at] = rank
        p += label
        # Of equal scores the label alone differs, once at most.
        tied |= (key ^ before) >> np.uint64(ONE_BIT) == one
        before = key
    # Unsigned numbers as indices, without a test for negative ones: then several are done at once.
    stop = np.uint64(end)
    for place in range(base, stop):
        class_scores[place] = narrow[base + place]
    for place in range(base, first_negative):
        above[place] -= np.int32(place)
    count = np.int32(middle - begin)
    for place in range(first_negative, stop):
        above[place] -= np.int32(place) - count
    return tied


@inner
def ranked_classes(
    scores: Array,
    labels: Array,
    positive_count: int | np.int64,
    class_scores: Array,
    items: Array,
    above: Array,
) -> bool:
    """Rank one list and its two classes apart: in every output positives first, then negatives.

    Args:
        scores, labels: as in `ranked`.
        positive_count: number of labels 1.
        class_scores: out, float64 (n,): the scores of each class in ranked order.
        items: out, uint32 (n,): their indices.
        above: out, int32 (n,): for each positive the negatives above it, tied ones included; for
            each negative the positives above it, tied ones not.

    Returns:
        Whether a positive ties with a negative.
    """
    size, tied = scores.size, False
    p, first_negative = np.uint64(0), np.uint64(positive_count)
    sorted_scores, order = np.empty(size), np.empty(size, np.uint32)
    ranked(scores, labels, sorted_scores, order)
    score, label = sorted_scores[0], np.uint64(order[0] >> np.uint32(ONE_BIT))
    for rank in range(np.uint64(size)):
        equal, was = sorted_scores[rank] == score, label
        score, label = sorted_scores[rank], np.uint64(order[rank] >> np.uint32(ONE_BIT))
        at = p if label else first_negative + (rank - p)
        class_scores[at] = score
        items[at] = order[rank] & INDEX
        above[at] = rank
        p += label
        tied |= equal & (label > was)
    for place in range(positive_count):
        above[place] -= place
    for place in range(positive_count, size):
        above[place] -= place - positive_count
    return tied


@inlined
def _key32(bits: np.uint32) -> np.uint32:
    """Key of a float32 given by its bits: ascending keys are descending scores; -0.0 equals 0.0."""
    if bits == _SIGN32:
        bits = np.uint32(0)
    if bits & _SIGN32:
        return bits
    return np.uint32(bits ^ np.uint32(0x7FFFFFFF))


@inlined
def _key64(bits: np.uint64) -> np.uint64:
    """As `_key32`, of a float64."""
    if bits == _SIGN64:
        bits = np.uint64(0)
    if bits & _SIGN64:
        return bits
    return np.uint64(bits ^ np.uint64(0x7FFFFFFFFFFFFFFF))


@inner
def _starts(counts: Array) -> None:
    """Numbers of items of each digit value, in place, to where the first of them goes."""
    for digit in range(counts.shape[0]):
        start = np.uint32(0)
        for value in range(counts.shape[1]):
            count = counts[digit, value]
            counts[digit, value] = start
            start += count


@inner
def _sort32(bits: Array, labels: Array, index_bits: int, keys: Array, spare: Array) -> None:
    """Write the packed keys of one list in ranked order.

    A key: the score's 32 bits, then the label and the index, which has the lowest `index_bits`. Of
    a label of several bits (index_bits < 31) the upper one alone counts among equal scores.
    """
    n = bits.size
    if n <= _HANDFUL:
        _insert(bits, labels, index_bits, keys)
        return
    if n < SHORT:
        _sort32_short(bits, labels, index_bits, keys, spare)
        return
    counts = np.zeros((3, _VALUES), np.uint32)
    for i in range(n):
        key = _packed(bits[i], labels[i], i, index_bits)
        # Score and label are the 33 bits above the index: three digits.
        # Unsigned numbers as indices spare a test for negative ones.
        counts[0, (key >> np.uint64(31)) & _DIGIT] += 1
        counts[1, (key >> np.uint64(42)) & _DIGIT] += 1
        counts[2, key >> np.uint64(53)] += 1
    _starts(counts)
    # The first pass packs the keys again: cheaper than to write them down and read them back.
    place = counts[0]
    for i in range(n):
        key = _packed(bits[i], labels[i], i, index_bits)
        value = (key >> np.uint64(31)) & _DIGIT
        at = place[value]
        place[value] = at + np.uint32(1)
        keys[at] = key
    _distribute(keys, spare, counts[1], np.uint64(42), _DIGIT)
    _distribute(spare, keys, counts[2], np.uint64(53), _DIGIT)


@inner
def _insert(bits: Array, labels: Array, index_bits: int, keys: Array) -> None:
    """As `_sort32`, by insertion, without a counter."""
    for i in range(bits.size):
        key, place = _packed(bits[i], labels[i], i, index_bits), i
        while place > 0 and keys[place - 1] > key:
            keys[place] = keys[place - 1]
            place -= 1
        keys[place] = key


@inner
def _sort32_short(bits: Array, labels: Array, index_bits: int, keys: Array, spare: Array) -> None:
    """As `_sort32`, by five digits of 7 bits: fewer counters than there are in three of 11."""
    counts = np.zeros((5, 1 << 7), np.uint32)
    digit = np.uint64((1 << 7) - 1)
    for i in range(bits.size):
        key = _packed(bits[i], labels[i], i, index_bits)
        spare[i] = key
        for k in range(5):
            counts[k, (key >> np.uint64(31 + 7 * k)) & digit] += 1
    _starts(counts)
    source, target = spare, keys
    for k in range(5):
        _distribute(source, target, counts[k], np.uint64(31 + 7 * k), digit)
        source, target = target, source


@inlined
def score_bits(key: np.uint64) -> np.uint32:
    """Bits of the float32 score in a packed key."""
    return _key32(np.uint32(key >> np.uint64(32)))  # its own inverse


@inlined
def _packed(bits: np.uint32, label: np.uint8, i: int, index_bits: int) -> np.uint64:
    key = np.uint64(_key32(bits)) << np.uint64(32)
    return key | (np.uint64(label) << np.uint64(index_bits)) | np.uint64(i)


@inner
def _distribute(
    source: Array, target: Array, place: Array, shift: np.uint64, digit: np.uint64
) -> None:
    """One pass: move each key to the next place of its digit."""
    for i in range(source.size):
        key = source[i]
        value = (key >> shift) & digit
        at = place[value]
        place[value] = at + np.uint32(1)
        target[at] = key


@inner
def _sorted64(bits: Array, labels: Array, order: Array, keys: Array, spare: Array) -> Array:
    """Keys in ranked order, in one of the two scratch arrays; writes `order`."""
    n = bits.size
    spare_order = np.empty(n, np.uint32)
    counts = np.zeros((6, _VALUES), np.uint32)
    negatives = 0
    for i in range(n):
        negatives += labels[i] == 0
    # Label 0 enters first, and a stable sort keeps it first among ties.
    zero, one = 0, negatives
    for i in range(n):
        key = _key64(bits[i])
        if labels[i]:
            at = one
            one += 1
        else:
            at = zero
            zero += 1
        keys[at] = key
        order[at] = (np.uint32(labels[i]) << np.uint32(31)) | np.uint32(i)
        for digit in range(6):
            counts[digit, (key >> np.uint64(_BITS * digit)) & _DIGIT] += 1
    _starts(counts)
    for pair in range(3):
        low = 2 * pair
        _distribute_pairs(keys, order, spare, spare_order, counts[low], np.uint64(_BITS * low))
        high = low + 1
        _distribute_pairs(spare, spare_order, keys, order, counts[high], np.uint64(_BITS * high))
    return keys


@inner
def _distribute_pairs(
    keys: Array, items: Array, to_keys: Array, to_items: Array, place: Array, shift: np.uint64
) -> None:
    """`_distribute` for a key and its item."""
    for i in range(keys.size):
        key = keys[i]
        value = (key >> shift) & _DIGIT
        at = place[value]
        place[value] = at + np.uint32(1)
        to_keys[at] = key
        to_items[at] = items[i]
