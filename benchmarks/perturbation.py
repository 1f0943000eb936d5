"""What noise on the scores costs: a step with two copies beside the plain step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import repeat
from typing import Any

import directloss as dl
from benchmarks.case import Case, Drawn
from benchmarks.timing import Effort, Samples, interleave

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

    Both see other scores at every step. "alone" is the ratio of single steps in turn, which find
    the caches as another step left them; "again" that of steps in a row on one list, whose
    branches a processor learns by heart where no noise changes them.

    In more rounds than other sections: both steps are short, and the ratio is all that counts.
    """
    effort = replace(effort, seconds=4 * effort.seconds, most=4 * effort.most)
    singly = replace(effort, seconds=effort.seconds / 2, most=20 * effort.most, sample=0.0)
    for name, task in TASKS.items():
        for n in sorted(sizes):
            log(f"noise: {name}, n = {n}")
            case = Case(n)
            losses = [
                dl.DirectLoss(task, epsilon=case.epsilon, unit="loss", perturbation=noise)
                for noise in (dl.Perturbation(SCALE), None)
            ]
            samples = _beside(*losses, case.in_turn, effort)
            yield {
                "task": name,
                "n": n,
                "seconds": samples.seconds(),
                "ratio": samples.ratio(),
                "alone": _beside(*losses, case.in_turn, singly).ratio(),
                "again": _beside(*losses, partial(repeat, case.draw()), effort).ratio(),
            }


def _beside(
    noisy: dl.DirectLoss,
    plain: dl.DirectLoss,
    lists: Callable[[], Iterator[Drawn]],
    effort: Effort,
) -> Samples:
    steps = {"noisy": _step(noisy, lists())}
    return interleave(steps, _step(plain, lists()), effort)["noisy"]


def _step(loss_fn: dl.DirectLoss, lists: Iterator[Drawn]) -> Callable[[], None]:
    def step() -> None:
        drawn = next(lists)
        drawn.scores.grad = None
        loss_fn(drawn.scores, drawn.binary).backward()

    return step
