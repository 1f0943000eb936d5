"""Rows of one class wait for the other, so that a stream of rare positives trains.

What waits is a tuple of plain arrays, so that a file of the estimator holds no further type:
features, positives (n, labels), and weights (n,) or None.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from scipy import sparse

from directloss.sklearn._rows import Array
from directloss.sklearn._training import Layers

Rows = tuple[Any, Array, Array | None]

MOST = 100_000
"""Rows that wait; of more the last ones."""


def joined(first: Rows, then: Rows) -> Rows:
    """All rows of two."""
    (X, positive, weights), (more, also, further) = first, then
    if sparse.issparse(X) or sparse.issparse(more):
        features: Any = sparse.vstack([sparse.csr_array(X), sparse.csr_array(more)], format="csr")
    else:
        features = np.concatenate([X, more])
    if weights is not None or further is not None:
        weights = np.concatenate([_weights(first), _weights(then)])
    return features, np.concatenate([positive, also]), weights


def has_both(rows: Rows) -> bool:
    """Whether each label has rows of both classes, of a weight above 0."""
    counted = rows[1][_weights(rows) > 0.0]
    return bool(counted.any(0).all() and not counted.all(0).any())


def last(rows: Rows) -> Rows:
    """The last rows, as many as wait."""
    X, positive, weights = rows
    return X[-MOST:], positive[-MOST:], None if weights is None else weights[-MOST:]


def guess(rows: Rows, hidden: tuple[int, ...]) -> list[Layers]:
    """A network a label whose score is the log-odds of these rows, whatever the features.

    Of the frequency of positives, with one row of each class more than came.
    """
    weights = _weights(rows)
    positives = weights @ rows[1]
    odds = np.log(positives + 1.0) - np.log(weights.sum() - positives + 1.0)
    widths = [rows[0].shape[1], *hidden, 1]
    layers = [(np.zeros((out, into)), np.zeros(out)) for into, out in pairwise(widths)]
    return [[*layers[:-1], (layers[-1][0], np.array([own]))] for own in odds]


def _weights(rows: Rows) -> Array:
    return np.ones(len(rows[1])) if rows[2] is None else rows[2]
