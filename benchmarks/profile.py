"""Where the time of a step of average precision goes, part by part.

Each part is timed by itself, on the same scores, or as the difference of two calls of the kernel
that differ by that part alone:

    reading         layout, checks of scores and targets, copies to the solver's arrays
    sort            the sort, and the pass that splits the classes and finds the prediction
    inference       the kernel with both terms, less the kernel with the prediction alone
    writing         the kernel with the prediction alone, less the sort: metric, F, and the
                    coefficients dF back to the order of the scores
    autograd        what is left of the step: tensors, the loss, backward

Beside the step stand `torch.sort` of the same scores, what the kernels take with nothing around
them (`benchmarks.bare`), and the median of steps in a row on new scores. A step alone is the median
of single ones, each right after a sort; one of cross-entropy alone is taken in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

import directloss as dl
from benchmarks.bare import bare_step
from benchmarks.case import Case
from benchmarks.timing import Effort, Step, interleave
from directloss.functional import direct_terms
from directloss.inference import _kernel
from directloss.inference._kernel import Array
from directloss.inference.sorting import ONE_BIT, classes_of_keys, sorted_keys
from directloss.lists import Layout, Lists, read_lists

__all__ = ["PARTS", "WHOLES", "measure"]

EFFORT = Effort(seconds=0.3, fewest=7, most=50)
"""More repetitions than elsewhere: parts are small differences."""

WHOLES = ("step", "new scores", "bare", "alone", "cross-entropy alone", "torch.sort")
PARTS = ("reading", "sort", "inference", "writing", "autograd")


def measure(
    sizes: Sequence[int], log: Callable[[str], None], effort: Effort = EFFORT
) -> Iterator[dict[str, Any]]:
    """Seconds of each part and of the whole step, each the fastest; one below the noise is 0."""
    for n in sorted(sizes):
        for direction in ("positive", "negative"):
            log(f"profile: n = {n}, {direction}")
            yield {"n": n, "direction": direction, **_parts(Case(n), direction, effort)}


@_kernel.kernel
def _split(
    keys: Array,
    begin: int,
    middle: int,
    end: int,
    class_scores: Array,
    items: Array,
    above: Array,
    bits: Array,
    narrow: Array,
) -> None:
    """`classes_of_keys`, as a kernel has it, which is pasted into its callers."""
    classes_of_keys(keys, begin, middle, end, class_scores, items, above, bits, narrow)


def _parts(case: Case, direction: Any, effort: Effort) -> dict[str, float]:
    task = dl.AveragePrecision()
    scores, targets, *_ = case.draw()
    loss_fn = dl.DirectLoss(task, epsilon=case.epsilon, unit="loss", direction=direction)

    def reading() -> Lists:
        return read_lists(Layout.of(scores, targets), task.read_targets)[0]

    lists, labels = reading(), targets.float()
    ends = 0, int(lists.targets.sum()), case.n
    outputs = [np.empty(case.n, kind) for kind in (np.float64, np.uint32, np.int32)]
    keys, spare = np.empty((2, case.n), np.uint64)
    bits = np.empty(2 * case.n, np.uint32)
    scratch = bits, bits.view(np.float32)

    def sort() -> None:
        sorted_keys(0, 1, lists.scores, lists.targets, lists.offsets, ONE_BIT, keys, spare)
        _split(keys, *ends, *outputs, *scratch)

    terms = direct_terms(case.epsilon, direction)
    augmented = float(terms[1].weight)

    def kernel(*weights: float) -> Step:
        return lambda: task.solve(lists, np.array(weights), np.ones(len(weights)))

    def step() -> None:
        scores.grad = None
        loss_fn(scores, targets).backward()

    lists_in_turn = case.in_turn()

    def new_scores() -> None:
        drawn = next(lists_in_turn)
        drawn.scores.grad = None
        loss_fn(drawn.scores, drawn.binary).backward()

    def cross_entropy() -> None:
        scores.grad = None
        binary_cross_entropy_with_logits(scores, labels).backward()

    steps: dict[str, Step] = {
        "reading": reading,
        "sort": sort,
        "one": kernel(0.0),
        "two": kernel(0.0, augmented),
    }
    beside: dict[str, Step] = {
        "bare": bare_step(scores, targets, case.epsilon, direction),
        "new scores": new_scores,
        "torch.sort": lambda: torch.sort(scores.detach()),
    }
    # One call of each in turn: single steps, each right after another kind of work.
    singly = replace(effort, sample=0.0)
    both = {"alone": step, "cross-entropy alone": cross_entropy}
    singles = interleave(both, beside["torch.sort"], singly)
    samples = interleave({**steps, "step": step, **beside}, step, effort)
    # The fastest calls: parts that are differences of medians would be mostly noise.
    found = {name: min(sample.step) for name, sample in samples.items()}
    parts = {
        "reading": found["reading"],
        "sort": found["sort"],
        "inference": max(found["two"] - found["one"], 0.0),
        "writing": max(found["one"] - found["sort"], 0.0),
    }
    autograd = max(found["step"] - sum(parts.values()), 0.0)
    whole = {name: found[name] for name in ("step", *beside)}
    whole["new scores"] = samples["new scores"].seconds()
    alone = {name: sample.seconds() for name, sample in singles.items()}
    return {**parts, "autograd": autograd, **alone, **whole}
