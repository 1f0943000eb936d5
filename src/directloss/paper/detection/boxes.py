"""Boxes as arrays `(n, 4)` of x0, y0, x1, y1 in pixels, x1 and y1 one past the last pixel.

With this convention width = x1 - x0, and areas and overlaps are those of PASCAL VOC, whose files
count pixels from 1 and name the last pixel itself.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torchvision.ops import box_iou, nms

Boxes = NDArray[np.float64]
Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

LEAST_OVERLAP = 0.5
"""From which on a box counts as that of an object."""


def overlaps(boxes: ArrayLike, others: ArrayLike) -> Floats:
    """Intersection over union of every pair, `(n, m)`, in [0, 1]."""
    table: torch.Tensor = box_iou(_tensor(boxes), _tensor(others))
    return table.numpy()


def best_overlaps(boxes: ArrayLike, others: ArrayLike) -> Floats:
    """For each box the largest overlap with any of `others`, `(n,)`; 0 where there are none."""
    best: Floats = overlaps(boxes, others).max(axis=1, initial=0.0)
    return best


def suppress(boxes: ArrayLike, scores: ArrayLike, threshold: float) -> Indices:
    """Greedy suppression: the boxes to keep, best first.

    The best box is kept, all that overlap it by more than `threshold` go, and so on with what is
    left. Among equal scores the earlier box counts as better.
    """
    ranked = torch.as_tensor(np.asarray(scores, dtype=np.float64))
    kept: torch.Tensor = nms(_tensor(boxes), ranked, threshold)
    return kept.numpy()


def _tensor(boxes: ArrayLike) -> torch.Tensor:
    # float64, so that an overlap of exactly the threshold compares as equal to it.
    return torch.from_numpy(np.asarray(boxes, dtype=np.float64).reshape(-1, 4))
