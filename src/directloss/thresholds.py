"""Where to cut: the threshold on scores that suits a metric of counts."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from directloss._arguments import as_tensor
from directloss.errors import ArgumentError, NonFiniteScoreError
from directloss.inference._kernel import Array
from directloss.lists import host
from directloss.tasks.base import TaskBase
from directloss.tasks.counting import Counting, CountingTask

__all__ = ["fit_threshold"]


def fit_threshold(scores: Tensor | Array, targets: Tensor | Array, task: TaskBase) -> float:
    """The threshold t for which the decisions score > t have the best metric, exactly.

    After training on a ranking metric a score of 0 means nothing: the metric, and so the loss, does
    not see a constant that is added to all scores. A head that is read at 0 gets its threshold by
    ``head.bias -= fit_threshold(scores, targets, task)``, on scores that the head made of training
    or validation data, all of one list.

    A metric of counts never gets worse by a true positive more or a false positive less where it is
    better than calling nothing positive, so that a best cut lies right below a positive or above
    everything; with a `CountingTask` all cuts are tried. Among equals the cut that calls the fewest
    items positive, about halfway between the two scores that it parts, a number of the scores'
    type. In O(n log n).

    Args:
        scores: of any shape, finite, of one list; a numpy array, too.
        targets: in that shape, 0 or 1; a numpy array, too.
        task: the metric of decisions, such as ``FBeta()``.

    Raises:
        ArgumentError: an argument has the wrong shape or type, or the task is no metric of counts.
        NonFiniteScoreError: a score is not finite.
    """
    if not isinstance(task, Counting):
        raise ArgumentError("task", repr(task), "a metric of counts, such as FBeta()")
    scores, targets = as_tensor("scores", scores), as_tensor("targets", targets)
    axes = tuple(range(scores.ndim)) if isinstance(scores, Tensor) else None
    layout = task.read(scores, targets, axes).layout
    flat = host(layout.scores).reshape(-1).astype(np.float64)
    if not flat.size:
        raise ArgumentError("scores", "none", "at least one")
    if not np.isfinite(flat).all():
        wrong = flat.size - np.count_nonzero(np.isfinite(flat))
        raise NonFiniteScoreError("scores", f"{wrong} that are not finite", "finite scores")
    positive = task.read_targets(host(layout.targets).reshape(-1)) == 1
    level, threshold = _best(task, flat, positive)
    # As the scores' type has it; and where that is the level, which is to be above, just below it.
    rounded = torch.tensor([threshold, level], dtype=layout.scores.dtype, device="cpu")
    if rounded[0] == rounded[1]:
        rounded = torch.nextafter(rounded, torch.full_like(rounded, -math.inf))
    return rounded[0].item()


def _best(task: Counting, scores: Array, positive: Array) -> tuple[float, float]:
    """The lowest score above the best threshold, infinite if there is none; and the threshold."""
    # Plain sorts: those of places take several times as long.
    hits, alarms = np.sort(scores[positive]), np.sort(scores[~positive])
    levels = np.unique(scores if isinstance(task, CountingTask) else hits)[::-1]
    # All from a level up is called positive; before the first level nothing.
    tp, fp = (
        np.append(0.0, sizes.size - np.searchsorted(sizes, levels)) for sizes in (hits, alarms)
    )
    totals = (np.full(tp.size, sizes.size) for sizes in (hits, alarms))
    cut = int(np.argmin(task.loss_at(tp, fp, *totals)))
    if cut == 0:
        highest = float(scores.max())
        return math.inf, highest / 2.0 + (highest + 2.0) / 2.0
    level = float(levels[cut - 1])
    lower = [sizes[: np.searchsorted(sizes, level)][-1:] for sizes in (hits, alarms)]
    below = float(max((each[0] for each in lower if each.size), default=level - 2.0))
    return level, level / 2.0 + below / 2.0
