"""Metrics as references define them where scores tie: a tie is one threshold."""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, kernel
from directloss.inference.sorting import LABEL, ranked

__all__ = ["average_precisions"]


@kernel
def average_precisions(
    first: int,
    last: int,
    scores: Array,
    labels: Array,
    offsets: Array,
    metrics: Array,
    defined: Array,
) -> None:
    """AP = sum over thresholds of (recall gained there) * (precision there).

    Args:
        scores, labels, offsets: as in `solve_rankings`.
        metrics: out, float64 (L,).
        defined: out, bool (L,): False without positives or without negatives.
    """
    for number in range(first, last):
        begin, end = offsets[number], offsets[number + 1]
        size = end - begin
        sorted_scores = np.empty(size, np.float64)
        order = np.empty(size, np.uint32)
        ranked(scores[begin:end], labels[begin:end], sorted_scores, order)
        found = tied = 0
        total = 0.0
        for rank in range(size):
            tied += (order[rank] & LABEL) != 0
            if rank + 1 < size and sorted_scores[rank + 1] == sorted_scores[rank]:
                continue
            found += tied
            total += tied * (found / (rank + 1.0))
            tied = 0
        defined[number] = 0 < found < size
        metrics[number] = total / found if defined[number] else 0.0
