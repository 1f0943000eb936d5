"""What a process pays once: the import, the first loss, and compiling."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

__all__ = ["measure"]

REPETITIONS = 5

FIRST = (
    ("AveragePrecision()", "positive"),
    ("AveragePrecision()", "negative"),
    ("AveragePrecision()", "both"),
    ("AveragePrecision(k=10)", "both"),
    ("NDCG()", "positive"),
    ("PartialAUC(0.1)", "both"),
    ("Jaccard()", "positive"),
    ("ZeroOne()", "positive"),
)
"""Tasks and directions of a first loss; what one compiles, another may share."""

_IMPORT = """
import time, torch
start = time.perf_counter()
from directloss import DirectLoss
print(time.perf_counter() - start)
"""

# torch's own first backward is not ours: cross-entropy takes one before the clock starts.
_FIRST_LOSS = """
import time, torch, directloss as dl
torch.set_num_threads(1)
scores = torch.randn(1000, requires_grad=True)
targets = (torch.rand(1000) < 0.2).float()
torch.nn.functional.binary_cross_entropy_with_logits(scores, targets).backward()
start = time.perf_counter()
dl.DirectLoss(dl.{task}, direction="{direction}")(scores, targets).backward()
print(time.perf_counter() - start)
"""


def measure(log: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Seconds in fresh processes: medians, and for compiling one run of each loss."""
    log("startup: import")
    seconds = [run(_IMPORT) for _ in range(REPETITIONS)]
    yield {"what": "import directloss, after torch", "seconds": median(seconds)}
    for task, direction in FIRST:
        name = f"first loss, {task} {direction}"
        log(f"startup: {name}")
        code = _FIRST_LOSS.format(task=task, direction=direction)
        with TemporaryDirectory() as cache:
            cold = run(code, NUMBA_CACHE_DIR=cache)
            warm = [run(code, NUMBA_CACHE_DIR=cache) for _ in range(REPETITIONS)]
        yield {"what": f"{name}, nothing compiled yet", "seconds": cold}
        yield {"what": f"{name}, compiled before", "seconds": median(warm)}


def run(code: str, **environment: str) -> float:
    """The number that `code` prints last, in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])
