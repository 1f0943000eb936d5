"""Where the time of a step of average precision goes, part by part.

Each part is timed by itself, on the same scores, or as the difference of two calls of the kernel
that differ by that part alone:

    reading         layout, checks of scores and targets, copies to the solver's arrays
    sort            the radix sort
    prediction      the kernel with the prediction alone, less the sort and one term: splitting the
                    classes, the metric, writing back to the order of the scores
    coefficients    one term more of the prediction, times the number of terms
    inference       one loss-augmented term less one term of the prediction
    autograd        what is left of the step: tensors, the loss, backward
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import directloss as dl
from benchmarks.case import Case
from benchmarks.timing import Effort, Step, interleave
from directloss.functional import direct_terms
from directloss.inference.sorting import ranked
from directloss.lists import Lists, read_lists

__all__ = ["PARTS", "measure"]

EFFORT = Effort(seconds=0.3, fewest=7, most=50)
"""More repetitions than elsewhere: parts are small differences."""

PARTS = ("reading", "sort", "prediction", "coefficients", "inference", "autograd")


def measure(
    sizes: Sequence[int], log: Callable[[str], None], effort: Effort = EFFORT
) -> Iterator[dict[str, Any]]:
    """Seconds of each part and of the whole step, each the fastest; one below the noise is 0."""
    for n in sorted(sizes):
        for direction in ("positive", "negative"):
            log(f"profile: n = {n}, {direction}")
            yield {"n": n, "direction": direction, **_parts(Case(n), direction, effort)}


def _parts(case: Case, direction: Any, effort: Effort) -> dict[str, float]:
    task = dl.AveragePrecision()
    scores, targets, *_ = case.draw()
    loss_fn = dl.DirectLoss(task, epsilon=case.epsilon, direction=direction)

    def reading() -> Lists:
        rows = scores.detach()[None], targets[None]
        return read_lists(*rows, None, None, read_targets=task.read_targets)[0]

    lists = reading()
    sorted_scores, order = np.empty(case.n), np.empty(case.n, np.uint32)
    terms = direct_terms(case.epsilon, direction)
    augmented = float(terms[1].weight)

    def kernel(*weights: float) -> Step:
        return lambda: task.solve(lists, np.array(weights), np.ones(len(weights)))

    def step() -> None:
        scores.grad = None
        loss_fn(scores, targets).backward()

    steps: dict[str, Step] = {
        "reading": reading,
        "sort": lambda: ranked(lists.scores, lists.targets, sorted_scores, order),
        "one": kernel(0.0),
        "two": kernel(0.0, 0.0),
        "augmented": kernel(augmented),
    }
    samples = interleave({**steps, "step": step}, step, effort)
    # The fastest calls: parts that are differences of medians would be mostly noise.
    found = {name: min(sample.step) for name, sample in samples.items()}
    term = max(found["two"] - found["one"], 0.0)
    inference = max(found["augmented"] - found["one"], 0.0)
    parts = {
        "reading": found["reading"],
        "sort": found["sort"],
        "prediction": max(found["one"] - found["sort"] - term, 0.0),
        "coefficients": term * len(terms),
        "inference": inference,
    }
    rest = max(found["step"] - sum(parts.values()), 0.0)
    return {**parts, "autograd": rest, "step": found["step"]}
