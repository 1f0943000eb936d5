"""The threshold on scores that suits a metric of counts."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from directloss.tasks.counting import Counting


def best_threshold(task: Counting, scores: Tensor, targets: Tensor) -> float:
    """The threshold t for which the decisions score > t have the best metric.

    Exact: where it is better than calling nothing positive, a metric of counts never gets worse by
    a true positive more or a false positive less, so that a best cut lies right below a positive or
    above everything. Among equals the cut that calls the fewest samples positive; halfway between
    the two scores that it parts.

    Args:
        task: the metric.
        scores: (n,), finite.
        targets: (n,), 0 or 1.
    """
    values, inverse = np.unique(-scores.double().numpy(), return_inverse=True)
    positive = targets.numpy() > 0
    found = np.bincount(inverse, weights=positive, minlength=values.size)
    others = np.bincount(inverse, weights=~positive, minlength=values.size)
    cuts = np.append(0, np.flatnonzero(found) + 1)  # how many distinct scores lie above the cut
    tp, fp = (np.append(0.0, np.cumsum(counts))[cuts] for counts in (found, others))
    totals = (np.full(cuts.size, int(counts.sum())) for counts in (found, others))
    cut = cuts[np.argmin(task.loss_at(tp, fp, *totals))]
    above = -values[cut - 1] if cut else -values[0] + 2.0
    below = -values[cut] if cut < values.size else -values[-1] - 2.0
    return float(above + below) / 2.0
