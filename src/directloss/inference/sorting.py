"""A stable radix sort of the scores of one list, as fast as the memory lets it.

Scores become unsigned integers whose ascending order is the descending order of the scores
(the usual trick on IEEE 754 bits). A float32 key shares its 64-bit word with the label and the
index, so that one array is sorted and everything is read back from it without a gather. A float64
key needs the whole word; label and index travel beside it.

A counting sort by digits of 11 bits depends on no processor extension, and runs inside a kernel
that holds no GIL. Where numpy's own sort is vectorised for the processor at hand (with AVX-512 it
takes a third of the time) `sorted_keys` takes that for long lists and for rows, and the kernels get
the keys sorted: the same keys, which are all different, so that the order is the same, too.
"""

from __future__ import annotations

from functools import cache
from time import thread_time

import numpy as np

from directloss.inference._kernel import Array, inlined, inner, kernel

__all__ = [
    "INDEX",
    "LABEL",
    "ONE_BIT",
    "SHORT",
    "ranked",
    "ranked_classes",
    "score_bits",
    "sorted32",
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
_BLOCK = 1 << 10
"""Keys that are taken apart at once: they stay in the nearest cache."""
_WORTH_A_CALL = 1 << 13
"""Items of all lists below which calling numpy costs more than it saves."""
_WORTH_A_CALL_EACH = 1 << 11
"""The same for the mean list, where lists of uneven length are sorted one by one."""
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
        keys = sorted32(scores.view(np.uint32), labels, ONE_BIT, first, second)
        bits32 = np.empty(1, np.uint32)
        score32 = bits32.view(np.float32)
        for rank in range(keys.size):
            order[rank] = np.uint32(keys[rank])
            bits32[0] = score_bits(keys[rank])
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
    memory: Array,
) -> Array:
    """Packed keys of lists first .. last - 1, each list in ranked order, as numpy sorts them.

    Args:
        scores, labels, offsets: of a ragged batch, as in `ranked`.
        index_bits: of a key, that the index may have; the label stands above them.
        memory: uint64, an entry for each item of these lists.

    Returns:
        `memory`, written; or none of it where a kernel's own sort is the faster one: for few items,
        many short lists of uneven length, scores of 64 bits, or a numpy without a fast sort here.
    """
    lists, items = last - first, memory.size
    if items < _WORTH_A_CALL or scores.itemsize != 4 or not _numpy_is_faster():
        return memory[:0]
    size = items // lists
    even = lists == 1 or bool((np.diff(offsets[first : last + 1]) == size).all())
    if not even and size < _WORTH_A_CALL_EACH:
        return memory[:0]
    _pack(first, last, scores.view(np.uint32), labels, offsets, index_bits, memory)
    if even:
        memory.reshape(lists, size).sort(axis=1)
    else:
        for number in range(first, last):
            begin, end = offsets[number] - offsets[first], offsets[number + 1] - offsets[first]
            memory[begin:end].sort()
    return memory


@cache
def _numpy_is_faster() -> bool:
    """Whether numpy sorts packed keys faster than `sorted32`: tried once, in some milliseconds.

    No name of a processor extension tells: numpy chooses among several, by its own version.
    """
    size = 1 << 16
    scores = np.random.default_rng(0).normal(size=size).astype(np.float32)
    bits, labels = scores.view(np.uint32), np.zeros(size, np.uint8)
    offsets = np.array([0, size])
    keys, spare = np.empty(size, np.uint64), np.empty(size, np.uint64)

    def by_numpy() -> None:
        _pack(0, 1, bits, labels, offsets, ONE_BIT, keys)
        keys.sort()

    def by_kernel() -> None:
        sorted32(bits, labels, ONE_BIT, keys, spare)

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


@inner
def ranked_classes(
    scores: Array,
    labels: Array,
    wide: bool | None,
    presorted: Array,
    positive_count: int | np.int64,
    words: Array,
    items: Array,
    above: Array,
    spare: Array,
) -> None:
    """Rank one list and its two classes apart: in every output positives first, then negatives.

    Args:
        scores, labels: as in `ranked`.
        wide: None for float32, any other for float64: what is compiled is for one of the two.
        presorted: this list's keys from `sorted_keys`, or none.
        positive_count: number of labels 1.
        words: out, uint64 (n,): the bits of a float64 each, the scores of each class in ranked
            order.
        items: out, uint32 (n,): their indices.
        above: out, int32 (n,): for each positive the negatives above it, tied ones included; for
            each negative the positives above it, tied ones not.
        spare: scratch, uint64 (2 n,); not used where the keys are presorted.
    """
    size, class_scores = scores.size, words.view(np.float64)
    first, second = spare[:size], spare[size : 2 * size]
    p, one = np.uint64(0), np.uint64(1)
    first_negative = np.uint64(positive_count)
    # Labels come in an order that no processor can guess: a place is chosen, not a branch. The rank
    # is written for now; less the place in the class it is what stands above of the other class.
    if wide is None:
        keys = presorted
        if keys.size == 0:
            keys = sorted32(scores.view(np.uint32), labels, ONE_BIT, first, second)
        for rank in range(np.uint64(keys.size)):
            key = keys[rank]
            label = (key >> np.uint64(ONE_BIT)) & one
            at = p if label else first_negative + (rank - p)
            words[at] = key
            above[at] = rank
            p += label
        _unpack(words, class_scores, items)
    else:
        order = np.empty(size, np.uint32)
        keys = _sorted64(scores.view(np.uint64), labels, order, first, second)
        bits64 = np.empty(1, np.uint64)
        score64 = bits64.view(np.float64)
        for rank in range(np.uint64(keys.size)):
            label = np.uint64(order[rank] >> np.uint32(ONE_BIT))
            at = p if label else first_negative + (rank - p)
            bits64[0] = _key64(keys[rank])
            class_scores[at] = score64[0]
            items[at] = order[rank] & INDEX
            above[at] = rank
            p += label
    for class_above in (above[:positive_count], above[positive_count:]):
        for place in range(class_above.size):
            class_above[place] -= place


@inner
def _unpack(packed: Array, scores: Array, items: Array) -> None:
    """Scores and indices of packed keys, float64 and uint32; the scores in the keys' own memory."""
    narrow = np.empty(_BLOCK, np.float32)
    bits = narrow.view(np.uint32)
    for begin in range(0, packed.size, _BLOCK):
        end = min(begin + _BLOCK, packed.size)
        keys, indices, wide = packed[begin:end], items[begin:end], scores[begin:end]
        for k in range(keys.size):
            indices[k] = np.uint32(keys[k]) & INDEX
            bits[k] = score_bits(keys[k])
        for k in range(keys.size):
            wide[k] = narrow[k]


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


@kernel
def sorted32(bits: Array, labels: Array, index_bits: int, keys: Array, spare: Array) -> Array:
    """Packed keys in ranked order, in one of the two scratch arrays.

    A key: the score's 32 bits, then the label and the index, which has the lowest `index_bits`. Of
    a label of several bits (index_bits < 31) the upper one alone counts among equal scores.
    """
    if bits.size < SHORT:
        return _sorted32_short(bits, labels, index_bits, keys, spare)
    n = bits.size
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
        spare[at] = key
    _distribute(spare, keys, counts[1], np.uint64(42), _DIGIT)
    _distribute(keys, spare, counts[2], np.uint64(53), _DIGIT)
    return spare


@inner
def _sorted32_short(
    bits: Array, labels: Array, index_bits: int, keys: Array, spare: Array
) -> Array:
    """As `sorted32`, by five digits of 7 bits: fewer counters than there are in three of 11."""
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
    return source


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
