"""What a mask costs: a step with one beside a step on the same tensors without.

    python -m benchmarks.masks [--rounds 40] [--threads 1]

One line a task: the median ratio of neighbours, in turn, at 16 x 11,426 scores of which 5 % are
positives, for masks that keep all entries, those of lists of half to full length, and 70 % at
random.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

import directloss as dl
from benchmarks.timing import Effort, interleave

__all__ = ["ratios"]

SHAPE = (16, 11_426)
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    print("| task | all | padded | random |\n|---|---:|---:|---:|")
    for task in TASKS:
        print(
            f"| {task!r} |", *(f"{r:.2f} |" for r in ratios(task, rounds=options.rounds).values())
        )


if __name__ == "__main__":
    main()
