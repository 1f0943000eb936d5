"""How cost grows with the length of the list: the slope in a log-log plot."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

__all__ = ["FLOOR", "exponent"]

FLOOR = 10_000
"""Below this the fixed cost of a call shows, and a slope says nothing about growth."""


def exponent(points: Iterable[tuple[int, float]], floor: int = FLOOR) -> float | None:
    """Least-squares slope of log(cost) on log(n) over n >= `floor`; None for fewer than two."""
    kept = [(n, cost) for n, cost in points if n >= floor and cost > 0]
    if len({n for n, _ in kept}) < 2:
        return None
    n, cost = np.log(np.array(kept, np.float64)).T
    return float(np.polyfit(n, cost, 1)[0])
