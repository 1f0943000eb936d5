"""Which rows train and which validate: by what they hold, not by where they stand."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from directloss.errors import ArgumentError

Array = NDArray[Any]

MOST = 200_000
"""Rows that weights may stand for in training, unless there are many to begin with."""

_FEW = 20
"""Rows of a class below which more rows are drawn."""

_LARGE = 200  # power of two from which weights are divided

_BLOCK = 8192  # rows whose numbers fit into a processor's cache


class Split(NamedTuple):
    """Numbers of the rows of the two parts; a row of weight 2 is there twice."""

    train: Array
    validation: Array


def fingerprints(X: Any, generator: np.random.Generator) -> Array:
    """A number a row, uint64 (n,): rows equal in single precision have equal ones.

    Sorted by it, rows are in an order that looks random. It depends on what they hold, not on how
    they came, dense or sparse, nor on the last bits of double precision, which differ from one way
    of computing a feature to another.
    """
    factors = generator.integers(0, 2**64, X.shape[1], np.uint64) | np.uint64(1)
    if sparse.issparse(X):
        if not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
        sums = np.append(np.uint64(0), np.cumsum(_mixed(X.data) * factors[X.indices]))
        return np.asarray(sums[X.indptr[1:]] - sums[X.indptr[:-1]])
    blocks = range(0, len(X), _BLOCK)
    keys = [(_mixed(X[at : at + _BLOCK]) * factors).sum(1, np.uint64) for at in blocks]
    return np.concatenate(keys)


def _mixed(values: Array) -> Array:
    """The bits of numbers, spread over all 64; 0 stays 0."""
    with np.errstate(over="ignore", under="ignore"):
        single = values.astype(np.float32) + np.float32(0.0)  # -0.0 + 0.0 is 0.0
    return _scrambled(single.view(np.uint32).astype(np.uint64))


def _scrambled(bits: Array) -> Array:
    bits = bits ^ (bits >> np.uint64(32))
    bits *= np.uint64(0x9E3779B97F4A7C15)
    bits ^= bits >> np.uint64(29)
    return bits


def counts_of(weights: Array, classes: Array | None = None, *, most: int = MOST) -> Array:
    r"""How many rows each row stands for, int64 (n,).

    Whole weights are taken as they are, others in units of the smallest one if that makes them
    whole, unless they stand for more than `most` rows and 20 a row. Any other weights are drawn
    systematically: with m rows in all, row i is there :math:`\lfloor m w_i / \sum w\rfloor` times
    or once more. m is four times the number of rows, and up to `most` where otherwise more than a
    tenth of them, or nearly all of a class, would not be there.

    Args:
        weights: numbers >= 0, (n,).
        classes: of the rows, bool (n,), sorted; None: there are none.
        most: see above.
    """
    used = weights[weights > 0.0]
    limit = max(most, min(20 * used.size, 10_000_000), used.size)
    for unit in (1.0, used.min()):
        with np.errstate(over="ignore", invalid="ignore"):
            counts = np.rint(weights / unit)
            whole = np.allclose(weights, counts * unit, rtol=1e-9, atol=0.0)
            fits = whole and counts.sum() <= limit
        if fits:
            return counts.astype(np.int64)
    shares = weights / weights.max()
    shares /= shares.sum()
    rows = _drawn(shares, classes, most)
    ends = np.floor(np.cumsum(shares) * rows + 0.5).astype(np.int64)
    return np.diff(ends, prepend=0)


def _drawn(shares: Array, classes: Array | None, most: int) -> int:
    """How many rows to draw."""
    used = shares[shares > 0.0]
    parts = [] if classes is None else [shares[classes], shares[~classes]]
    rows = max(used.size, min(4 * used.size, 1_000_000))
    while rows < most:
        absent = np.maximum(0.0, 1.0 - rows * used).mean()  # share of the rows, expected
        few = (rows * own.sum() < min(_FEW, np.count_nonzero(own)) for own in parts)
        if absent <= 0.1 and not any(few):
            break
        rows = min(2 * rows, most)
    return rows


def check_weights(sample_weight: Any, rows: int) -> Array | None:
    """Weights of rows as float64 (n,), or None.

    Raises:
        ArgumentError: they have the wrong shape, are not numbers >= 0, or all zero.
    """
    if sample_weight is None:
        return None
    try:
        weights = np.asarray(sample_weight, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        came = f"what is no number ({error})"
        raise ArgumentError("sample_weight", came, f"numbers of shape ({rows},)") from error
    if weights.shape != (rows,):
        raise ArgumentError("sample_weight", f"shape {weights.shape}", f"shape ({rows},)")
    if not (np.isfinite(weights).all() and (weights >= 0.0).all()):
        raise ArgumentError("sample_weight", "NaN, infinity or less than 0", "numbers >= 0")
    if not weights.any():
        raise ArgumentError("sample_weight", "all weights zero", "a weight above zero")
    return weights


def in_range(weights: Array | None) -> Array | None:
    """Weights, divided by a power of two where products of their sums would leave the range."""
    if weights is None:
        return None
    exponent = int(np.frexp(weights.max())[1])
    return weights if abs(exponent) < _LARGE else np.ldexp(weights, -exponent)


def numbers_of_lists(group: Any, rows: int) -> Array:
    """The list of each row, as numbers from 0 without a gap.

    Args:
        group: a label a row; None: all rows are one list.
        rows: how many there are.

    Raises:
        ArgumentError: labels of another shape, of types without an order, or missing ones.
    """
    if group is None:
        return np.zeros(rows, np.int64)
    labels = _as_labels(group)
    if labels.ndim == 1 and pd.isna(labels).any():
        row = int(np.argmax(pd.isna(labels)))
        raise ArgumentError("group", f"{labels[row]} in row {row}", "a label for every row")
    if labels.shape != (rows,):
        came = f"shape {labels.shape} for {rows} rows"
        wanted = "a label a row; of sizes: np.repeat(np.arange(len(sizes)), sizes)"
        raise ArgumentError("group", came, wanted)
    try:
        return np.unique(labels, return_inverse=True)[1]
    except TypeError as error:
        types = sorted({type(label).__name__ for label in labels.tolist()})
        wanted = "labels of one type, all numbers or all text"
        raise ArgumentError("group", f"labels of types {', '.join(types)}", wanted) from error


def _as_labels(group: Any) -> Array:
    try:
        labels = np.asarray(group)
    except (TypeError, ValueError) as error:
        raise ArgumentError("group", f"what is no array ({error})", "a label a row") from error
    if labels.dtype.kind in "US" and isinstance(group, list | tuple):
        return np.asarray(group, object)  # where numpy takes 1 for the text "1"
    return labels


def arranged(keys: Array, first: Array, weights: Array | None) -> Array:
    """Numbers of the rows, sorted by `first` and then by key, each as often as its weight says."""
    order = np.lexsort((keys, first))
    return order if weights is None else np.repeat(order, counts_of(weights[order], first[order]))


def split(keys: Array, labels: Array, rows: Array, fraction: float, least: int) -> Split:
    """The same share of each class for validation; equal rows of a class stay together.

    Args:
        keys, labels: of all rows.
        rows: as `arranged` gives them, sorted by label.
        fraction: for validation.
        least: rows of a class that validation takes; with fewer there is no validation part.
    """
    validates = np.zeros(rows.size, np.bool_)
    starts = np.flatnonzero(np.diff(labels[rows], prepend=np.nan))
    for begin, end in zip(starts, [*starts[1:], rows.size], strict=True):
        own = keys[rows[begin:end]]
        cut = begin + np.searchsorted(own, own[min(round(fraction * own.size), own.size - 1)])
        if fraction == 0.0 or cut - begin < least:
            return Split(rows, rows[:0])
        validates[begin:cut] = True
    return Split(rows[~validates], rows[validates])


def split_lists(keys: Array, targets: Array, lists: Array, fraction: float, least: int) -> Split:
    """Whole lists for validation; equal lists stay together. Rows of a list stay in one piece.

    Args:
        keys, targets: of the rows.
        lists: number of the list of each row, from 0 without a gap.
        fraction: of the lists, for validation.
        least: lists with a target above 0 that validation takes; with fewer there is none.
    """
    own = np.zeros(lists.max() + 1, np.uint64)
    np.add.at(own, lists, _scrambled(keys + _mixed(targets)))
    # By the number of the list at the end, as equal lists stay lists of their own.
    rows = np.lexsort((targets, keys, lists, own[lists]))
    ordered = np.sort(own)
    validates = own[lists[rows]] < ordered[min(round(fraction * own.size), own.size - 1)]
    found = np.unique(lists[rows][validates & (targets[rows] > 0)]).size
    if fraction == 0.0 or found < least:
        return Split(rows, rows[:0])
    return Split(rows[~validates], rows[validates])
