"""Whether lists have anything to rank."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["any_order"]


def any_order(targets: NDArray[Any], groups: NDArray[Any]) -> bool:
    """Whether two items of a list differ in their target.

    Args:
        targets: numbers or truth values (n,).
        groups: integers (n,): the list of each.
    """
    order = np.lexsort((targets, groups))
    same_list = np.diff(groups[order]) == 0
    return bool((same_list & (np.diff(targets[order].astype(np.float64)) != 0.0)).any())
