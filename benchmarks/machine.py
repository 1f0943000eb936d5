"""Where and when a run was made: no figure means anything without it."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["describe", "load"]

PACKAGES = (
    "directloss",
    "torch",
    "numpy",
    "numba",
    "scikit-learn",
    "torchmetrics",
    "pytorch-metric-learning",
)
FLAGS = ("avx2", "avx512f")


def describe() -> dict[str, Any]:
    """Processor, vector units, cores, system, versions, date and load."""
    cpu = _cpu()
    flags = cpu.get("flags", "").split()
    return {
        "processor": cpu.get("model name") or platform.processor() or platform.machine(),
        "family": f"family {cpu.get('cpu family', '?')}, model {cpu.get('model', '?')}",
        "flags": {name: name in flags for name in FLAGS},
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_average": load(),
    }


def load() -> list[float]:
    """Processes that wanted a core, over the last 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def _cpu() -> dict[str, str]:
    file = Path("/proc/cpuinfo")
    if not file.exists():
        return {}
    first = file.read_text().split("\n\n")[0]
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
