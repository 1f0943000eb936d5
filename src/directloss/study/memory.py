"""How much memory work takes."""

from __future__ import annotations

import sys


def peak_megabytes() -> float:
    """The most that this process has held so far; NaN where the system does not say."""
    if sys.platform == "win32":
        return float("nan")
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes or kibibytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
