"""Argmax by trying every configuration: the reference that nothing has to be believed for.

Every function here answers ``y(weight) = argmax_y F(y) + weight * Delta(y)`` by listing all of the
finite set Y, computing F and Delta of each member from their definitions, and taking the best.
No structure of the problem is used, so the fast solvers can be proved against these. The cost is
exponential in the size of a list; eight items are comfortable, ten are not.

``weight`` has either sign. Three of its values have names: 0 is inference (prediction), and
``-inf`` is the ground truth, which has the least Delta and, among those, the largest F. The
returned objective is ``F + weight * Delta``, and F alone where the weight is ``-inf``.

Scores may be infinite. An infinite score is read as one huge number ``+-M``, larger than any
weight, in the limit ``M -> inf``. So F becomes a pair ``(number of M, the rest)``, of which the
first part is maximised before everything else, at weight ``-inf`` too; the returned objective
holds the rest, that is F with non-finite scores replaced by 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import combinations_with_replacement, permutations, product

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Two sums of the same terms in another order differ by rounding only; configurations that the
# mathematics calls equal in a leading criterion must reach the next one together.
ROUNDING = 1e-12


# --- ranking by pairs -----------------------------------------------------------------------------


def interleavings(positives: int, negatives: int) -> Iterator[tuple[int, ...]]:
    """Yield every interleaving of two sorted lists as its counts ``n_1 <= ... <= n_P``.

    ``n_i`` in ``0..N`` is the number of negatives above positive i, positives in rank order.
    There are ``(P + N choose P)`` of them.
    """
    return combinations_with_replacement(range(negatives + 1), positives)


def average_precision_gain(positives: int, negatives: int) -> Floats:
    """Return the gain table of average precision, ``G(i, n) = 1/P * i / (i + n)``.

    Shape ``(P, N + 1)``: row ``i - 1`` is the i-th positive of the ranking, column n the number
    of negatives above it, so that ``i / (i + n)`` is the precision at its position ``i + n``.
    """
    ranks = np.arange(1, positives + 1) / positives
    discount = 1.0 / np.arange(1, positives + negatives + 1)
    return ranking_gain(ranks, discount, negatives, by_position=True)


def reciprocal_rank_gain(positives: int, negatives: int) -> Floats:
    """Return the gain table of the reciprocal rank: ``G(1, n) = 1 / (1 + n)``, 0 in other rows."""
    gain = np.zeros((positives, negatives + 1))
    gain[0] = 1.0 / np.arange(1, negatives + 2)
    return gain


def roc_auc_gain(positives: int, negatives: int) -> Floats:
    """Return the gain table of the area under the ROC curve: ``G(i, n) = 1/P * (1 - n / N)``."""
    ranks = np.full(positives, 1.0 / positives)
    discount = 1.0 - np.arange(negatives + 1) / negatives
    return ranking_gain(ranks, discount, negatives, by_position=False)


def ranking_gain(
    rank_weights: ArrayLike, discount: ArrayLike, negatives: int, *, by_position: bool
) -> Floats:
    """Return ``G(i, n) = r_i D(i + n)`` (by position) or ``r_i D(n)`` (by negatives above).

    Args:
        rank_weights: ``r_1 .. r_P``, one weight for each positive in rank order.
        discount: by position ``D(1) .. D(P + N)``, by negatives above ``D(0) .. D(N)``.
        negatives: N.
        by_position: which of the two readings of D is meant.

    Returns:
        The table ``G[i - 1, n]`` of shape ``(P, N + 1)``.
    """
    rank_weights, discount = _floats(rank_weights), _floats(discount)
    positives = len(rank_weights)
    wanted = positives + negatives if by_position else negatives + 1
    if discount.shape != (wanted,):
        raise ValueError(f"discount must have shape ({wanted},), got {discount.shape}")
    above = np.arange(negatives + 1)
    if by_position:  # D(i + n) is entry i + n - 1, and i - 1 counts the positives from 0
        above = np.arange(positives)[:, None] + above
    return np.asarray(rank_weights[:, None] * discount[above])


def pairwise_score(positive_scores: ArrayLike, negative_scores: ArrayLike, n: ArrayLike) -> float:
    """Return ``F = 1/(P N) * sum_ij y_ij (phi_i - phi_j)`` of one interleaving.

    Args:
        positive_scores: shape ``(P,)``, finite, any order.
        negative_scores: shape ``(N,)``, finite, any order.
        n: negatives above each positive in rank order; ``y_ij = +1`` where ``j > n_i``, else -1.
    """
    signs = _pair_signs(np.atleast_2d(np.asarray(n, dtype=np.int64)), len(_floats(negative_scores)))
    return float(_pairwise(signs, _descending(positive_scores), _descending(negative_scores))[0])


def ranking_task_loss(gain: ArrayLike, n: ArrayLike) -> float:
    """Return ``Delta = 1 - sum_i G(i, n_i)`` of one interleaving."""
    gain = _floats(gain)
    return float(1.0 - gain[np.arange(len(gain)), np.asarray(n, dtype=np.int64)].sum())


def best_interleaving(
    positive_scores: ArrayLike, negative_scores: ArrayLike, gain: ArrayLike, weight: float
) -> tuple[float, Integers]:
    """Maximise ``F + weight * Delta`` over all interleavings, F the pairwise score.

    Args:
        positive_scores: shape ``(P,)``, any order; they are ranked among themselves by score.
        negative_scores: shape ``(N,)``, likewise.
        gain: shape ``(P, N + 1)``, ``Delta = 1 - sum_i G(i, n_i)``.
        weight: of either sign; ``-inf`` for the ground truth.

    Returns:
        The objective and the counts ``n`` of one best interleaving.
    """
    positive, negative = _descending(positive_scores), _descending(negative_scores)
    gain = _floats(gain)
    if gain.shape != (len(positive), len(negative) + 1):
        raise ValueError(
            f"gain must have shape ({len(positive)}, {len(negative) + 1}), got {gain.shape}"
        )
    counts, signs = _all_interleavings(len(positive), len(negative))
    losses = 1.0 - gain[np.arange(len(positive)), counts].sum(axis=1)

    def score(values: Floats) -> Floats:
        return _pairwise(signs, values[: len(positive)], values[len(positive) :])

    objective, best = _best(score, np.concatenate([positive, negative]), losses, weight)
    return objective, counts[best].copy()


def best_ranking(
    scores: ArrayLike,
    labels: ArrayLike,
    metric: Callable[[Integers], float],
    weight: float,
) -> tuple[float, Integers]:
    """Maximise ``F + weight * (1 - metric)`` over all permutations, F the pairwise score.

    This one does not assume that an optimal ranking keeps positives and negatives in the order
    of their scores: ``F = 1/(P N) * sum_ij y_ij (phi_i - phi_j)`` is summed over the pairs of
    every permutation, with ``y_ij = +1`` where positive i stands above negative j, else -1.

    Args:
        scores: shape ``(n,)``.
        labels: shape ``(n,)``, 0 or 1, at least one of each.
        metric: takes the 0/1 labels from the top of the ranking to its bottom.
        weight: of either sign; ``-inf`` for the ground truth.

    Returns:
        The objective and one best ranking: the indices of the items from top to bottom.
    """
    scores, relevance = _floats(scores), np.asarray(labels, dtype=np.int64)
    rankings, positions = _all_rankings(len(scores))
    positive, negative = np.flatnonzero(relevance == 1), np.flatnonzero(relevance == 0)
    signs = np.sign(positions[:, None, negative] - positions[:, positive, None])

    values = cache(lambda sequence: metric(np.array(sequence, dtype=np.int64)))
    losses = np.array([1.0 - values(tuple(row)) for row in relevance[rankings].tolist()])

    def score(items: Floats) -> Floats:
        return _pairwise(signs, items[positive], items[negative])

    objective, best = _best(score, scores, losses, weight)
    return objective, rankings[best].copy()


# --- ranking by position --------------------------------------------------------------------------


def best_ordering(
    scores: ArrayLike,
    gains: ArrayLike,
    discount: ArrayLike,
    weight: float,
    divisor: float | None = None,
) -> tuple[float, Integers]:
    """Maximise ``F + weight * Delta`` over all orderings, F a sum over positions.

    ``F = 1/S * sum_i phi_i D(p_i)`` and ``Delta = 1 - 1/divisor * sum_i gain_i D(p_i)`` with
    ``p_i`` the position of item i, counted from 1, and ``S = divisor / max_i gain_i``.

    Args:
        scores: shape ``(n,)``.
        gains: shape ``(n,)``, non-negative, at least one positive; 0/1 labels for binary tasks.
        discount: ``D(1) .. D(n)``.
        weight: of either sign; ``-inf`` for the ground truth.
        divisor: what Delta divides by: by default the sum of the best ordering (so that Delta is
            1 - NDCG); k for precision@k, P for recall@k.

    Returns:
        The objective and one best ordering: the indices of the items from top to bottom.
    """
    scores, gains, discount = _floats(scores), _floats(gains), _floats(discount)
    orderings, positions = _all_rankings(len(scores))
    placed = discount[positions]
    if divisor is None:
        divisor = float((placed @ gains).max())
    scale = divisor / float(gains.max())
    losses = 1.0 - placed @ gains / divisor
    objective, best = _best(lambda items: placed @ items / scale, scores, losses, weight)
    return objective, orderings[best].copy()


# --- counting -------------------------------------------------------------------------------------


def best_subset(
    scores: ArrayLike,
    labels: ArrayLike,
    task_loss: Callable[[int, int, int, int], float],
    weight: float,
) -> tuple[float, Integers]:
    """Maximise ``F + weight * Delta`` over all subsets, ``F = 1/n * sum_i y_i phi_i``.

    Args:
        scores: shape ``(n,)``.
        labels: shape ``(n,)``, 0 or 1.
        task_loss: ``Delta(tp, fp, P, N)`` of the counts of a subset ``y`` in ``{0, 1}^n``.
        weight: of either sign; ``-inf`` for the ground truth.

    Returns:
        The objective and the 0/1 vector ``y`` of one best subset.
    """
    scores, relevance = _floats(scores), np.asarray(labels, dtype=np.int64)
    subsets = np.array(list(product((0, 1), repeat=len(scores))), dtype=np.int64)
    true_positives = (subsets @ relevance).tolist()
    false_positives = (subsets @ (1 - relevance)).tolist()
    positives = int(relevance.sum())
    negatives = len(relevance) - positives
    losses = np.array(
        [
            task_loss(tp, fp, positives, negatives)
            for tp, fp in zip(true_positives, false_positives, strict=True)
        ]
    )
    objective, best = _best(lambda items: subsets @ items / len(items), scores, losses, weight)
    return objective, subsets[best].copy()


# --- shared ---------------------------------------------------------------------------------------


def _best(
    score: Callable[[Floats], Floats], items: Floats, losses: Floats, weight: float
) -> tuple[float, int]:
    """Return objective and index of the best configuration; `score` is linear in the items."""
    infinite = np.isinf(items)
    finite_score = score(np.where(infinite, 0.0, items))
    infinite_score = score(np.where(infinite, np.sign(items), 0.0))
    leading = [infinite_score]
    if weight == -np.inf:
        leading.append(-losses)
        objective = finite_score
    else:
        objective = finite_score + weight * losses
    candidates = np.arange(len(losses))
    for criterion in leading:
        values = criterion[candidates]
        candidates = candidates[values >= values.max() - ROUNDING]
    best = int(candidates[np.argmax(objective[candidates])])
    return float(objective[best]), best


def _pairwise(signs: Integers, positive: Floats, negative: Floats) -> Floats:
    """Sum ``y_ij (phi_i - phi_j) / (P N)`` for a stack of sign matrices ``(..., P, N)``."""
    margins = positive[:, None] - negative
    return np.asarray((signs * margins).sum(axis=(-2, -1)) / margins.size)


def _pair_signs(counts: Integers, negatives: int) -> Integers:
    """Return y of shape ``(K, P, N)``: +1 where positive i is above negative j."""
    return np.where(np.arange(negatives) >= counts[:, :, None], 1, -1)


@cache
def _all_interleavings(positives: int, negatives: int) -> tuple[Integers, Integers]:
    counts = np.array(list(interleavings(positives, negatives)), dtype=np.int64)
    return counts, _pair_signs(counts, negatives)


@cache
def _all_rankings(items: int) -> tuple[Integers, Integers]:
    """Return all rankings ``(n!, n)`` and, for each, the position of every item (from 0)."""
    rankings = np.array(list(permutations(range(items))), dtype=np.int64)
    return rankings, np.argsort(rankings, axis=1)


def _floats(values: ArrayLike | Sequence[float]) -> Floats:
    return np.asarray(values, dtype=np.float64)


def _descending(values: ArrayLike) -> Floats:
    return np.sort(_floats(values))[::-1]
