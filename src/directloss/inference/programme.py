"""The dynamic programme of the paper: the readable reference for loss-augmented inference.

`average_precision` follows section 4 of Song, Schwing, Zemel and Urtasun, "Training Deep Neural
Networks via Direct Loss Minimization" (ICML 2016), with the boundary of its recursion made
complete; `ranking` is the same programme in terms of positives alone, for any gain table.
Both take ``O(P N)`` time and memory and hold for a weight of either sign.

    maximise  F + weight * Delta       F     = 1/(P N) * sum_ij y_ij (phi_i - phi_j)
                                       Delta = 1 - sum_i G(i, n_i)

over the interleavings ``0 <= n_1 <= ... <= n_P <= N`` of the positives and the negatives, each
sorted by descending score; ``n_i`` is the number of negatives above positive i.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def average_precision(
    positive_scores: ArrayLike, negative_scores: ArrayLike, weight: float
) -> tuple[float, Integers]:
    """Maximise ``F + weight * (1 - AP)`` with the paper's programme.

    ``h(i, j)`` is the best value of a ranking of the top i positives and the top j negatives.
    Its last item is either positive i, which then has i positives (itself included) among i + j
    items, or negative j:

        h(i, j) = max{ h(i-1, j) - weight/P * i/(i+j) + b(i, j),    positive i stands last
                       h(i, j-1) + g(i, j) }                        negative j stands last

        b(i, j) = -1/(P N) * sum_{k <= j} (phi_i - phi_k)           its pairs with y = -1
        g(i, j) = +1/(P N) * sum_{k <= i} (phi_k - phi_j)           its pairs with y = +1

    Each pair is counted once, when the lower of its two items is placed. Along ``i = 0`` and
    ``j = 0`` only one of the two cases exists, and the recursion runs along both edges from
    ``h(0, 0) = 0``: ``h(0, j) = 0`` and ``h(i, 0) = -weight * i/P``.

    Args:
        positive_scores: shape ``(P,)``, finite, any order, ``P >= 1``.
        negative_scores: shape ``(N,)``, finite, any order, ``N >= 1``.
        weight: finite, of either sign; ``+eps`` and ``-eps`` of the theorem, 0 for inference.

    Returns:
        The objective ``h(P, N) + weight`` and the counts ``n`` of shape ``(P,)``.

    Raises:
        ValueError: for an empty class, a score that is not finite, a weight that is not finite.
    """
    positive = _sorted_scores("positive_scores", positive_scores)
    negative = _sorted_scores("negative_scores", negative_scores)
    _require_finite_weight(weight)
    h, positive_last = _fill(positive, negative, weight)
    return float(h[-1, -1] + weight), _back_track(positive_last)


def ranking(
    positive_scores: ArrayLike, negative_scores: ArrayLike, gain: ArrayLike, weight: float
) -> tuple[float, Integers]:
    """Maximise ``F + weight * (1 - sum_i G(i, n_i))`` for any gain table G.

    F is a sum over positives, ``1/(P N) * sum_i [sum_{j > n_i} - sum_{j <= n_i}](phi_i - phi_j)``,
    so the whole objective is ``weight + sum_i v_i(n_i)``, and only ``n_{i-1} <= n_i`` couples its
    terms. With ``f_i(n)`` the best value of the top i positives when ``n_i = n``,

        f_1(n) = v_1(n),      f_i(n) = v_i(n) + max_{m <= n} f_{i-1}(m),

    one running maximum a row. For a metric of ranks and discounts ``G(i, n) = r_i D(i + n)``; for
    average precision that is ``1/P * i / (i + n)``.

    Args:
        positive_scores: shape ``(P,)``, finite, any order, ``P >= 1``.
        negative_scores: shape ``(N,)``, finite, any order, ``N >= 1``.
        gain: shape ``(P, N + 1)``, ``G[i - 1, n]``, finite.
        weight: finite, of either sign.

    Returns:
        The objective and the counts ``n`` of shape ``(P,)``.

    Raises:
        ValueError: for an empty class, a wrong shape, a number that is not finite.
    """
    positive = _sorted_scores("positive_scores", positive_scores)
    negative = _sorted_scores("negative_scores", negative_scores)
    _require_finite_weight(weight)
    gain = np.asarray(gain, dtype=np.float64)
    if gain.shape != (len(positive), len(negative) + 1):
        raise ValueError(
            f"gain must have shape ({len(positive)}, {len(negative) + 1}), got {gain.shape}"
        )

    above = np.arange(len(negative) + 1)
    prefix = np.concatenate([[0.0], np.cumsum(negative)])
    # (N - n) pairs count +(phi_i - phi_j), n pairs count -(phi_i - phi_j).
    margins = positive[:, None] * (len(negative) - 2 * above) - (prefix[-1] - 2 * prefix)
    v = margins / (len(positive) * len(negative)) - weight * gain

    best = v[0]
    rows = [best]
    for row in v[1:]:
        best = row + np.maximum.accumulate(best)
        rows.append(best)

    n = np.empty(len(positive), dtype=np.int64)
    limit = len(negative)
    for i in range(len(positive) - 1, -1, -1):
        limit = n[i] = int(np.argmax(rows[i][: limit + 1]))
    return float(best.max() + weight), n


@njit(cache=True)
def _fill(positive: Floats, negative: Floats, weight: float) -> tuple[Floats, NDArray[np.bool_]]:
    P, N = len(positive), len(negative)
    h = np.zeros((P + 1, N + 1))
    positive_last = np.zeros((P + 1, N + 1), dtype=np.bool_)
    negatives_above = np.zeros(N + 1)
    for j in range(1, N + 1):
        negatives_above[j] = negatives_above[j - 1] + negative[j - 1]
    positives_above = 0.0
    for i in range(1, P + 1):
        phi_i = positive[i - 1]
        positives_above += phi_i
        for j in range(N + 1):
            b = -(j * phi_i - negatives_above[j]) / (P * N)
            h[i, j] = h[i - 1, j] - weight / P * i / (i + j) + b
            positive_last[i, j] = True
            if j > 0:
                g = (positives_above - i * negative[j - 1]) / (P * N)
                if h[i, j - 1] + g > h[i, j]:
                    h[i, j] = h[i, j - 1] + g
                    positive_last[i, j] = False
    return h, positive_last


@njit(cache=True)
def _back_track(positive_last: NDArray[np.bool_]) -> Integers:
    """Walk from (P, N) to row 0; a positive that is placed at (i, j) has j negatives above."""
    i, j = positive_last.shape[0] - 1, positive_last.shape[1] - 1
    n = np.empty(i, dtype=np.int64)
    while i > 0:
        if positive_last[i, j]:
            i -= 1
            n[i] = j
        else:
            j -= 1
    return n


def _sorted_scores(name: str, scores: ArrayLike) -> Floats:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"{name} must be one-dimensional and not empty, got shape {values.shape}")
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise ValueError(f"{name} must be finite, got {bad} of {values.size} that are not")
    return np.ascontiguousarray(np.sort(values)[::-1])


def _require_finite_weight(weight: float) -> None:
    if not np.isfinite(weight):
        raise ValueError(f"weight must be finite, got {weight}")
