"""Losses of class indices beside cross-entropy: memory and time of one forward and backward pass.

Memory: the peak growth of the process, in a fresh one, over that of cross-entropy; scores, targets
and what was loaded and compiled before are not in it. Time: the median ratio of neighbours. The
targets are discs of 21 classes on a background, and 1 % are unlabelled (255).
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

import directloss as dl
from benchmarks.memory import peak_growth
from benchmarks.timing import Effort, interleave

__all__ = ["LOSSES", "REFERENCE", "data", "growth", "measure"]

SHAPE = (8, 21, 512, 512)
EFFORT = Effort(seconds=0.0, fewest=3, most=3, sample=0.0)
IGNORED = 255
REFERENCE = "cross-entropy"

Loss = Callable[[Tensor, Tensor], Tensor]


def _ours(task: dl.Task, **options: Any) -> Loss:
    return dl.DirectLoss(task, epsilon=1.0, class_dim=1, ignore_index=IGNORED, **options)


LOSSES: dict[str, Callable[[], Loss]] = {
    REFERENCE: lambda: lambda scores, targets: cross_entropy(scores, targets, ignore_index=IGNORED),
    "Jaccard(), classes": lambda: _ours(dl.Jaccard()),
    "Jaccard(), classes of each image": lambda: _ours(dl.Jaccard(), dim=(2, 3)),
    "FBeta(), classes": lambda: _ours(dl.FBeta()),
    "BalancedError(), classes": lambda: _ours(dl.BalancedError()),
}


def data(shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Scores of a network that is often right, and the classes."""
    images, classes, height, width = shape
    generator = torch.Generator().manual_seed(0)
    row, column = torch.arange(height)[:, None], torch.arange(width)
    targets = torch.zeros(images, height, width, dtype=torch.int64)
    for image in targets:
        for label in torch.randperm(classes, generator=generator)[: max(classes // 3, 1)].tolist():
            y, x, size = torch.rand(3, generator=generator).tolist()
            far = ((row / height - y) ** 2 + (column / width - x) ** 2).sqrt()
            image[far < 0.05 + 0.2 * size] = label
    scores = torch.randn(*shape, generator=generator)
    scores.scatter_add_(1, targets[:, None], torch.full((images, 1, height, width), 2.0))
    targets[torch.rand(targets.shape, generator=generator) < 0.01] = IGNORED
    return scores.requires_grad_(), targets


def _step(name: str, shape: Sequence[int]) -> Callable[[], object]:
    loss_fn = LOSSES[name]()
    scores, targets = data(shape)

    def step() -> None:
        scores.grad = None
        loss_fn(scores, targets).backward()

    return step


def _growth(name: str, shape: Sequence[int]) -> int | None:
    torch.set_num_threads(1)
    _step(name, (2, shape[1], 64, 64))()
    return peak_growth(_step(name, shape))


def growth(name: str, shape: Sequence[int]) -> int:
    """Peak growth in bytes of one step, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(_growth, (name, tuple(shape)))
    if found is None:
        raise SystemExit("the peak of memory is only known on Linux")
    return found


def measure(log: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Bytes and seconds of each loss, and their ratios to those of cross-entropy."""
    log("class indices: memory")
    memory = {name: growth(name, SHAPE) for name in LOSSES}
    own = {name: _step(name, SHAPE) for name in LOSSES if name != REFERENCE}
    log("class indices: time")
    timed = interleave(own, _step(REFERENCE, SHAPE), EFFORT)
    reference = min(min(samples.reference) for samples in timed.values())
    for name, grown in memory.items():
        samples = timed.get(name)
        yield {
            "loss": name,
            "growth_bytes": grown,
            "memory_ratio": grown / memory[REFERENCE],
            "seconds": reference if samples is None else samples.seconds(),
            "ratio": 1.0 if samples is None else samples.ratio(),
        }
