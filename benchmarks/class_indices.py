"""Losses of class indices beside cross-entropy: memory and time of one forward and backward pass.

    python -m benchmarks.class_indices [--shape 8 21 512 512] [--rounds 3] [--threads 1]

One line a loss. Memory: the peak growth of the process, in a fresh one, over that of cross-entropy;
scores, targets and what was loaded and compiled before are not in it. Time: the median ratio of
neighbours. The targets are discs of 21 classes on a background, and 1 % are unlabelled (255).
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

import directloss as dl
from benchmarks.memory import peak_growth
from benchmarks.timing import Effort, interleave

__all__ = ["LOSSES", "measure", "table"]

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


def _growth(name: str, shape: Sequence[int], threads: int) -> int | None:
    torch.set_num_threads(threads)
    _step(name, (2, shape[1], 64, 64))()
    return peak_growth(_step(name, shape))


def growth(name: str, shape: Sequence[int], threads: int) -> int:
    """Peak growth in bytes of one step, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(_growth, (name, tuple(shape), threads))
    if found is None:
        raise SystemExit("the peak of memory is only known on Linux")
    return found


def measure(shape: Sequence[int], rounds: int, threads: int) -> dict[str, dict[str, float]]:
    """Bytes and seconds of cross-entropy, and of each other loss the ratios to them."""
    reference = growth(REFERENCE, shape, threads)
    memory = {name: growth(name, shape, threads) / reference for name in LOSSES}
    torch.set_num_threads(threads)
    own = {name: _step(name, shape) for name in LOSSES if name != REFERENCE}
    effort = Effort(seconds=0.0, fewest=rounds, most=rounds, sample=0.0)
    timed = interleave(own, _step(REFERENCE, shape), effort)
    found = {
        name: {"memory": memory[name], "time": samples.ratio()} for name, samples in timed.items()
    }
    seconds = min(min(samples.reference) for samples in timed.values())
    return {REFERENCE: {"memory": float(reference), "time": seconds}, **found}


def table(found: dict[str, dict[str, float]]) -> str:
    """As it stands on the page."""
    reference = found[REFERENCE]
    lines = [
        "| loss | memory | time |",
        "|---|---:|---:|",
        f"| cross-entropy | 1 ({reference['memory'] / 2**20:.0f} MiB) "
        f"| 1 ({reference['time']:.2g} s) |",
    ]
    lines += [
        f"| {name} | {ratios['memory']:.2f} | {ratios['time']:.1f} |"
        for name, ratios in found.items()
        if name != REFERENCE
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=4, default=[8, 21, 512, 512])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    print(table(measure(options.shape, options.rounds, options.threads)))


if __name__ == "__main__":
    main()
