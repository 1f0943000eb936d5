"""Many lists in one call: threads over ragged batches, and retrieval within a batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import torch
from torch import Tensor

import directloss as dl
from benchmarks import packages
from benchmarks.timing import Effort, Step, interleave, time_calls

__all__ = ["SHAPES", "ragged", "retrieval"]

SHAPES = ((4096, 128), (100, 10_000))
"""Numbers of lists, and their mean length."""

PAIRS = 5
HALF_A_PAIR = 0.2
"""Share of the effort of a step that goes into each half of a pair."""

EMBEDDING = 128
RETRIEVAL_CLASSES = (8, 16, 20)
"""As many samples a class: pytorch-metric-learning's Smooth-AP is right for such batches only."""


def ragged(
    effort: Effort, log: Callable[[str], None], shapes: tuple[tuple[int, int], ...] = SHAPES
) -> Iterator[dict[str, Any]]:
    """Lists of uneven length, told apart by `groups`, and even ones as rows; one and two threads.

    The speed-up is that of the best of five interleaved pairs.
    """
    for lists, length in shapes:
        for layout in ("rows", "ragged", "ragged, in order"):
            log(f"batches: {lists} lists of {length}, {layout}")
            step, scores = _batch(lists, length, layout)
            # A training loop does not change the number of threads between two steps, and the
            # first step after a change finds the other processor asleep and its cache empty.
            calls = max(math.ceil(HALF_A_PAIR * effort.seconds / _warm(step)), 1)
            pairs = []
            for _ in range(PAIRS):
                with threads(1):
                    step()
                    one = time_calls(step, calls)
                with threads(2):
                    step()
                    pairs.append((one, time_calls(step, calls)))
            rows = scores.detach().reshape(lists, length)
            with threads(1):
                sort = min(time_calls(lambda: torch.sort(rows), calls) for _ in range(PAIRS))  # noqa: B023
            yield {
                "lists": lists,
                "length": length,
                "layout": layout,
                "one_thread": median(one for one, _ in pairs),
                "two_threads": median(two for _, two in pairs),
                "speed_up": max(one / two for one, two in pairs),
                "ratio": min(one for one, _ in pairs) / sort,
            }


def _batch(lists: int, length: int, layout: str) -> tuple[Step, Tensor]:
    generator = torch.Generator().manual_seed(0)
    n = lists * length
    targets = (torch.rand(n, generator=generator) < 0.2).float()
    scores = torch.randn(n, generator=generator) + 0.5 * targets
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.1, unit="loss")
    groups = None
    if layout != "rows":
        # From half to one and a half of the mean length: in any order, as a shuffling loader gives
        # them, or list by list, as a table of queries does.
        weights = 0.5 + torch.rand(lists, generator=generator)
        groups = torch.multinomial(weights, n, replacement=True, generator=generator)
        if layout == "ragged, in order":
            groups = groups.sort().values
    else:
        scores, targets = scores.reshape(lists, length), targets.reshape(lists, length)
    scores.requires_grad_()

    def step() -> None:
        scores.grad = None
        loss_fn(scores, targets, groups=groups).backward()

    return step, scores


def retrieval(effort: Effort, log: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Every sample of a batch is a query that ranks the others by cosine similarity."""
    reason = packages.missing("pytorch_metric_learning")
    for classes in RETRIEVAL_CLASSES:
        n = classes * classes
        log(f"retrieval: {n} embeddings")
        about = {"n": n, "embedding": EMBEDDING}
        if reason is not None:
            yield {**about, "stopped": reason}
            return
        embeddings, labels = _embeddings(classes)
        steps = {"pytorch-metric-learning": _metric_learning(embeddings, labels)}
        ours = _direct(embeddings, labels)
        samples = interleave(steps, ours, effort)["pytorch-metric-learning"]
        yield {
            **about,
            "directloss": median(samples.reference),
            "pytorch-metric-learning": samples.seconds(),
            "times_faster": samples.ratio(),
        }


def _embeddings(classes: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(classes * classes, EMBEDDING, generator=generator)
    return embeddings.requires_grad_(), torch.arange(classes).repeat_interleave(classes)


def _direct(embeddings: Tensor, labels: Tensor) -> Step:
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=0.1, unit="loss")
    targets = (labels[:, None] == labels).float()
    others = ~torch.eye(labels.numel(), dtype=torch.bool)

    def step() -> None:
        embeddings.grad = None
        directions = torch.nn.functional.normalize(embeddings)
        loss_fn(directions @ directions.T, targets, mask=others).backward()

    return step


def _metric_learning(embeddings: Tensor, labels: Tensor) -> Step:
    from pytorch_metric_learning.losses import SmoothAPLoss

    loss_fn = SmoothAPLoss()

    def step() -> None:
        embeddings.grad = None
        loss_fn(embeddings, labels).backward()

    return step


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch, and with it the solvers, use `count` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _warm(step: Step) -> float:
    with threads(2):
        step()
    with threads(1):
        step()
        return time_calls(step, 1)
