"""`python -m benchmarks.reliability PART...`"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from benchmarks.reliability.document import write_page
from benchmarks.reliability.edge.run import edge
from benchmarks.reliability.fuzz import fuzz
from benchmarks.reliability.kills import kills, pairs
from benchmarks.reliability.storage import crowd, damage, disk
from benchmarks.reliability.stream import stream

PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "kills": kills,
    "pairs": pairs,
    "damage": damage,
    "disk": disk,
    "crowd": crowd,
    "fuzz": fuzz,
    "edge": edge,
    "stream": stream,
}
DOCS = Path(__file__).parents[2] / "docs"


def main(names: list[str]) -> None:
    """Runs the named parts, and makes the page."""
    for name in names:
        if name == "document":
            write_page(DOCS / "reliability", DOCS / "reliability.md")
            continue
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            figures = PARTS[name](Path(folder))
        record = {
            "figures": figures,
            "seconds": round(time.monotonic() - began),
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "machine": f"{os.cpu_count()} cores, {platform.system()}, Python "
            f"{platform.python_version()}, torch {torch.__version__}",
        }
        path = DOCS / "reliability" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(record, indent=2) + "\n")
        print(name, json.dumps(figures, indent=2), flush=True)


torch.set_num_threads(1)
main(sys.argv[1:])
