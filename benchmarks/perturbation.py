"""What noise on the scores costs: a step with two copies beside the plain step.

    python -m benchmarks.perturbation

Forward and backward on one thread, the two in turn; the median ratio of neighbours.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

import directloss as dl
from benchmarks.case import Case
from benchmarks.timing import Effort, interleave

SIZES = (1_000, 10_000, 100_000, 1_000_000)
TASKS: dict[str, dl.Task] = {
    "AveragePrecision": dl.AveragePrecision(),
    "NDCG": dl.NDCG(),
    "FBeta": dl.FBeta(),
}


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print("| task |", *(f"{n:,} |" for n in SIZES))
    print("|---|" + "---|" * len(SIZES))
    for name, task in TASKS.items():
        ratios = [f"{_ratio(task, Case(n)):.2f} |" for n in SIZES]
        print(f"| {name} |", *ratios)


def _ratio(task: dl.Task, case: Case) -> float:
    noise = dl.Perturbation(scale=0.3)
    plain = dl.DirectLoss(task, epsilon=case.epsilon, unit="loss")
    noisy = dl.DirectLoss(task, epsilon=case.epsilon, unit="loss", perturbation=noise)
    steps = {"noisy": _step(noisy, case)}
    return interleave(steps, _step(plain, case), Effort())["noisy"].ratio()


def _step(loss_fn: dl.DirectLoss, case: Case) -> Callable[[], None]:
    drawn = case.draw()

    def step() -> None:
        drawn.scores.grad = None
        loss_fn(drawn.scores, drawn.binary).backward()

    return step


if __name__ == "__main__":
    main()
