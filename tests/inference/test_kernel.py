"""How kernels are compiled changes nothing of what they return."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.needs import kernels_as_python

STEPS = """
import torch
import directloss as dl
generator = torch.Generator().manual_seed(0)
targets = (torch.rand(40, generator=generator) < 0.3).float()
for task in (dl.AveragePrecision(), dl.NDCG(), dl.Jaccard(), dl.ZeroOne()):
    scores = torch.randn(40, generator=generator, requires_grad=True)
    loss = dl.DirectLoss(task, direction="both")(scores, targets)
    loss.backward()
    print(loss.item(), *scores.grad.tolist())
"""


def printed(**environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", STEPS],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@kernels_as_python
def test_kernels_run_as_python_where_numba_is_told_not_to_compile() -> None:
    interpreted = printed(NUMBA_DISABLE_JIT="1")
    assert len(interpreted.splitlines()) == 4
    assert interpreted == printed()


BEYOND = """
import numpy as np
from directloss.inference.checks import count_classes
two = np.zeros(2, np.int64)
count_classes(np.zeros(2, np.uint8), np.array([0, 2]), two, two)  # offsets[2] is not there
"""


def test_an_index_beyond_an_array_is_an_error_where_numba_is_told_to_check(tmp_path: Path) -> None:
    def error(**environment: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", BEYOND],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), **environment},
            capture_output=True,
            text=True,
        ).stderr

    assert "IndexError" not in error(NUMBA_BOUNDSCHECK="0")
    # The code without the checks is kept, and not taken for the one with them.
    assert "IndexError" in error(NUMBA_BOUNDSCHECK="1")
