"""Metrics as references define them where scores tie: a tie is one threshold."""

from __future__ import annotations

import numpy as np

from directloss.inference._kernel import Array, kernel
from directloss.inference.sorting import LABEL, ranked

__all__ = ["average_precisions", "roc_areas"]


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


@kernel
def roc_areas(
    first: int,
    last: int,
    scores: Array,
    labels: Array,
    offsets: Array,
    max_fpr: float,
    metrics: Array,
    defined: Array,
) -> None:
    """Area under the ROC curve up to a false positive rate, over that rate; a tie is a line.

    Args:
        max_fpr: in (0, 1]; 1 for the whole curve. Others as in `average_precisions`.
    """
    for number in range(first, last):
        begin, end = offsets[number], offsets[number + 1]
        size = end - begin
        sorted_scores = np.empty(size, np.float64)
        order = np.empty(size, np.uint32)
        ranked(scores[begin:end], labels[begin:end], sorted_scores, order)
        positives = 0
        for rank in range(size):
            positives += (order[rank] & LABEL) != 0
        negatives = size - positives
        defined[number] = 0 < positives < size
        metrics[number] = 0.0
        if not defined[number]:
            continue
        limit = max_fpr * negatives
        tp = fp = new_tp = new_fp = 0
        area = 0.0
        for rank in range(size):
            if order[rank] & LABEL:
                new_tp += 1
            else:
                new_fp += 1
            if rank + 1 < size and sorted_scores[rank + 1] == sorted_scores[rank]:
                continue
            # From (fp, tp) the curve goes straight to (fp + new_fp, tp + new_tp).
            width = min(float(new_fp), limit - fp)
            if width > 0.0:
                area += width * (tp + 0.5 * new_tp * width / new_fp)
            tp, fp = tp + new_tp, fp + new_fp
            new_tp = new_fp = 0
        metrics[number] = area / (limit * positives)
