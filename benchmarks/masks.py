"""What a mask costs: a step with one beside a step on the same tensors without.

Median ratios of neighbours, in turn, on lists of which 5 % are positives, for masks that keep all
entries, those of lists of half to full length, and 70 % at random.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

import directloss as dl
from benchmarks.timing import Effort, interleave

__all__ = ["KINDS", "measure", "ratios"]

SHAPE = (16, 11_426)
KINDS = {"all": "keeps all", "padded": "half to full length", "random": "70 % at random"}
TASKS: tuple[dl.Task, ...] = (dl.AveragePrecision(), dl.NDCG(10), dl.FBeta(), dl.BalancedError())


def _step(
    task: dl.Task, scores: Tensor, targets: Tensor, mask: Tensor | None
) -> Callable[[], None]:
    loss_fn = dl.DirectLoss(task, epsilon=1.0)

    def step() -> None:
        scores.grad = None
        loss_fn(scores, targets, mask=mask).backward()

    return step


def ratios(task: dl.Task, shape: Sequence[int] = SHAPE, rounds: int = 40) -> dict[str, float]:
    """Seconds with a mask over those without one."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(*shape, generator=generator).requires_grad_()
    targets = (torch.rand(*shape, generator=generator) < 0.05).float()
    lengths = torch.linspace(0.5, 1.0, shape[0]) * shape[1]
    padded = torch.arange(shape[1]) < lengths[:, None]
    drawn = torch.rand(*shape, generator=generator) < 0.7
    masks = {"all": torch.ones(*shape, dtype=torch.bool), "padded": padded, "random": drawn}
    steps = {name: _step(task, scores, targets, mask) for name, mask in masks.items()}
    effort = Effort(seconds=0.0, fewest=rounds, most=rounds, sample=0.0)
    found = interleave(steps, _step(task, scores, targets, None), effort)
    return {name: found[name].ratio() for name in masks}


def measure(log: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """The ratios of each task."""
    for task in TASKS:
        log(f"masks: {task!r}")
        yield {"task": repr(task), **ratios(task)}
