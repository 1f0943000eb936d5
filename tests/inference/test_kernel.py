"""How kernels are compiled changes nothing of what they return."""

from __future__ import annotations

import os
import subprocess
import sys

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


def test_kernels_run_as_python_where_numba_is_told_not_to_compile() -> None:
    interpreted = printed(NUMBA_DISABLE_JIT="1")
    assert len(interpreted.splitlines()) == 4
    assert interpreted == printed()
