r"""Exact inference on a linear chain with a cost a position: Viterbi for a weight of either sign.

A sequence of n positions takes a label from 0 .. K - 1 at each. With the scores and the cost

    S(y) = start[y_1] + sum_t emission[t, y_t] + sum_{t > 1} transition[y_{t-1}, y_t] + end[y_n]
    C(y) = sum_t cost[t, y_t]

the maximum of S + weight * C is that of a chain with emissions `emission + weight * cost`: the
costs are a sum over positions too. O(n K^2), whatever the sign of the weight.

**What decides between two paths**, in this order, each added up along the path:

1. the number of +inf less the number of -inf among its scores: an infinite score is read as a
   number larger than any other, so a label or a step with -inf is used only where all paths use one;
2. S + weight * C; for weight -inf -C, the ground truth;
3. C for weight >= 0 and -C for weight < 0; for weight -inf S.

Such an order is not changed by adding the same to both sides, which is all that the recursion over
positions needs. The third makes the prediction (weight 0) the worst one among equals, so that the
order of labels does not count.

Source: Viterbi, IEEE Transactions on Information Theory 13, 1967.
"""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, inlined, kernel

__all__ = ["solve_chain"]


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
    origin = np.empty((longest, classes), np.int64)
    now, before = np.empty((3, classes)), np.empty((3, classes))
    for s in range(first, last):
        length = lengths[s]
        positions = 0
        for t in range(length):
            positions += cost_rows[s, t] >= 0
        counted[s] = positions
        for w in range(weights.size):
            weight = weights[w]
            path = labels[w, s]
            path[:] = 0
            values[w, s] = 0.0
            task_losses[w, s] = 0.0
            if length == 0:
                continue

            for t in range(length):
                row = cost_rows[s, t]
                least = costs[row].min() if row >= 0 else 0.0
                matrix = transitions[0 if shared else s * (longest - 1) + t - 1] if t else None
                for k in range(classes):
                    # Less the least, which every label shares, so that equal sums of least costs
                    # are equal to the last bit: they are 0.
                    cost = costs[row, k] - least if row >= 0 else 0.0
                    here = _key(emissions[s, t, k], cost, weight)
                    if t == 0:
                        here = _sum(here, _key(start[k], 0.0, weight))
                    if t == length - 1:
                        here = _sum(here, _key(end[k], 0.0, weight))
                    if t > 0:
                        here = _sum(here, _best_step(before, matrix, k, weight, origin[t]))
                    now[0, k], now[1, k], now[2, k] = here
                now, before = before, now

            best = 0
            for k in range(1, classes):
                if _exceeds(_column(before, k), _column(before, best)):
                    best = k
