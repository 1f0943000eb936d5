r"""Exact inference on a linear chain with a cost a position: Viterbi for a weight of either sign.

A sequence of n positions takes a label from 0 .. K - 1 at each. With the scores and the cost

    S(y) = start[y_1] + sum_t emission[t, y_t] + sum_{t > 1} transition[y_{t-1}, y_t] + end[y_n]
    C(y) = sum_t cost[t, y_t]

the maximum of S + weight * C is that of a chain with emissions `emission + weight * cost`: the
costs are a sum over positions too. O(n K^2), whatever the sign of the weight.

**What decides between two paths**, in this order, each added up along the path:

1. the number of +inf less the number of -inf among its scores: an infinite score is read as a
   number larger than any other, so a label or a step of -inf is used only where every path uses
   one;
2. S + weight * C; for weight -inf -C, the ground truth;
3. C for weight >= 0 and -C for weight < 0; for weight -inf S.

Such an order is not changed by adding the same to both sides, which is all that the recursion over
positions needs. The third makes the prediction (weight 0) the worst one among equals, so that the
order of labels does not count.

Source: Viterbi, IEEE Transactions on Information Theory 13, 1967.
"""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, inner, kernel

__all__ = ["solve_chain"]


_LEAST = (-np.inf, -np.inf, -np.inf)


@kernel
def solve_chain(
    first: int,
    last: int,
    emissions: Array,
    transitions: Array,
    shared: bool,
    start: Array,
    end: Array,
    lengths: Array,
    costs: Array,
    cost_rows: Array,
    weights: Array,
    labels: Array,
    task_losses: Array,
    values: Array,
    counted: Array,
) -> None:
    """Solve every weight on sequences `first` to `last`.

    Args:
        first, last: range of sequences to solve; others are not touched.
        emissions: float64 (B, T, K). No score may be NaN within a sequence's length.
        transitions: float64 (1, K, K) if `shared`, else (B * (T - 1), K, K); [.., j, k] is the
            score of a step from label j to label k.
        shared: whether all steps of all sequences have the same transitions.
        start, end: float64 (K,).
        lengths: int64 (B,), 0 .. T.
        costs: float64 (R, K), finite.
        cost_rows: int64 (B, T): the row of `costs` that holds at a position; -1 for a position
            whose label costs nothing and is not counted.
        weights: float64 (W,), any sign, 0 or -inf.
        labels: out, int64 (W, B, T); 0 beyond a sequence's length.
        task_losses: out, float64 (W, B): C / m, with m the number of counted positions.
        values: out, float64 (W, B): S / m, infinite scores as 0.
        counted: out, float64 (B,): m. Where it is 0 so are losses and values.
    """
    longest, classes = emissions.shape[1], emissions.shape[2]
    came_from = np.empty((longest, classes), np.int64)
    # Keys of the best path up to each label: of this position, and of the one before.
    here, before = np.empty((classes, 3)), np.empty((classes, 3))
    for s in range(first, last):
        length = lengths[s]
        positions = 0
        for t in range(length):
            positions += cost_rows[s, t] >= 0
        counted[s] = positions
        labels[:, s] = 0
        task_losses[:, s] = 0.0
        values[:, s] = 0.0
        if length == 0:
            continue
        step = 0 if shared else s * (longest - 1)
        for w in range(weights.size):
            weight = weights[w]
            for t in range(length):
                row = cost_rows[s, t]
                for k in range(classes):
                    cost = costs[row, k] if row >= 0 else 0.0
                    key = _key(emissions[s, t, k], cost, weight)
                    if t == 0:
                        key = _sum(key, _key(start[k], 0.0, weight))
                    else:
                        matrix = transitions[step if shared else step + t - 1]
                        way, came_from[t, k] = _best_step(before, matrix, k, weight)
                        key = _sum(key, way)
                    if t == length - 1:
                        key = _sum(key, _key(end[k], 0.0, weight))
                    here[k, 0], here[k, 1], here[k, 2] = key
                here, before = before, here

            label, best = 0, _LEAST
            for k in range(classes):
                key = (before[k, 0], before[k, 1], before[k, 2])
                if _exceeds(key, best):
                    label, best = k, key
            score, total_cost = _finite(end[label]), 0.0
            for t in range(length - 1, -1, -1):
                labels[w, s, t] = label
                score += _finite(emissions[s, t, label])
                if cost_rows[s, t] >= 0:
                    total_cost += costs[cost_rows[s, t], label]
                if t == 0:
                    score += _finite(start[label])
                else:
                    origin = came_from[t, label]
                    matrix = transitions[step if shared else step + t - 1]
                    score += _finite(matrix[origin, label])
                    label = origin
            if positions > 0:
                task_losses[w, s] = total_cost / positions
                values[w, s] = score / positions


@inner
def _best_step(
    before: Array, matrix: Array, k: int, weight: float
) -> tuple[tuple[float, float, float], int]:
    """The best way to label k from any label before: its key, and that label."""
    origin, best = 0, _LEAST
    for j in range(matrix.shape[0]):
        key = _sum((before[j, 0], before[j, 1], before[j, 2]), _key(matrix[j, k], 0.0, weight))
        if _exceeds(key, best):
            origin, best = j, key
    return best, origin


@inner
def _key(score: float, cost: float, weight: float) -> tuple[float, float, float]:
    """What a score and a cost add to the three criteria."""
    if np.isinf(score):
        infinite, score = np.sign(score), 0.0
    else:
        infinite = 0.0
    if weight == -np.inf:
        return infinite, -cost, score
    return infinite, score + weight * cost, cost if weight >= 0 else -cost


@inner
def _sum(
    a: tuple[float, float, float], b: tuple[float, float, float]
) -> tuple[float, float, float]:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


@inner
def _exceeds(a: tuple[float, float, float], b: tuple[float, float, float]) -> bool:
    """Whether a comes strictly before b in lexicographic order."""
    if a[0] != b[0]:
        return a[0] > b[0]
    if a[1] != b[1]:
        return a[1] > b[1]
    return a[2] > b[2]


@inner
def _finite(score: float) -> float:
    return score if np.isfinite(score) else 0.0
