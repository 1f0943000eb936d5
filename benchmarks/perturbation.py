"""What noise on the scores costs: a step with two copies beside the plain step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import directloss as dl
from benchmarks.case import Case
from benchmarks.timing import Effort, interleave

TASKS: dict[str, dl.Task] = {
    "AveragePrecision": dl.AveragePrecision(),
    "NDCG": dl.NDCG(),
    "FBeta": dl.FBeta(),
}
SCALE = 0.3
"""Deviation of the noise in those of the scores."""


def measure(
    sizes: Sequence[int], effort: Effort, log: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    """Seconds of the step with noise, and its ratio to the plain one, of each task and size.

    In more rounds than other sections: both steps are short, and the ratio is all that counts.
    "alone" is that of single steps in turn, which find the caches as another step left them.
    """
    effort = replace(effort, seconds=4 * effort.seconds, most=4 * effort.most)
    singly = replace(effort, seconds=effort.seconds / 2, most=20 * effort.most, sample=0.0)
    for name, task in TASKS.items():
        for n in sorted(sizes):
            log(f"noise: {name}, n = {n}")
            case = Case(n)
            plain = dl.DirectLoss(task, epsilon=case.epsilon, unit="loss")
            noisy = dl.DirectLoss(
                task, epsilon=case.epsilon, unit="loss", perturbation=dl.Perturbation(SCALE)
            )
            steps = {"noisy": _step(noisy, case)}
            samples = interleave(steps, _step(plain, case), effort)["noisy"]
            alone = interleave(steps, _step(plain, case), singly)["noisy"]
            found = {"seconds": samples.seconds(), "ratio": samples.ratio()}
            yield {"task": name, "n": n, **found, "alone": alone.ratio()}


def _step(loss_fn: dl.DirectLoss, case: Case) -> Callable[[], None]:
    drawn = case.draw()

    def step() -> None:
        drawn.scores.grad = None
        loss_fn(drawn.scores, drawn.binary).backward()

    return step
