"""Interleaved repetitions: every step is timed beside the reference, round after round."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter

__all__ = ["Effort", "Samples", "interleave", "time_calls"]

Step = Callable[[], object]

WARM, WARM_CALLS = 0.01, 20
"""Seconds and calls after which a step counts as warm."""

COLLECTING = 0.2
"""Seconds between collections of garbage, which fall between two rounds."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure one step.

    Attributes:
        seconds: aimed at, for all repetitions of the step.
        fewest, most: repetitions.
        sample: seconds that one repetition lasts at least; a fast step is called several times, so
            that the first call, slower as it follows another kind of work, counts little;
            `benchmarks.profile` shows what that one takes.
    """

    seconds: float = 1.0
    fewest: int = 3
    most: int = 25
    sample: float = 0.01

    def repetitions(self, seconds_a_sample: float) -> int:
        return min(max(math.ceil(self.seconds / seconds_a_sample), self.fewest), self.most)

    def calls(self, seconds_a_call: float) -> int:
        return max(math.ceil(self.sample / max(seconds_a_call, 1e-9)), 1)


@dataclass(slots=True)
class Samples:
    """Seconds a call of a step, and of the reference just before it."""

    step: list[float] = field(default_factory=list)
    reference: list[float] = field(default_factory=list)

    def seconds(self) -> float:
        return median(self.step)

    def ratio(self) -> float:
        """Median of the ratios of neighbours: what slows the machine for a while slows both."""
        return median(s / r for s, r in zip(self.step, self.reference, strict=True))

    def best_ratio(self) -> float:
        """The fastest call over the fastest call of the reference: steady on a busy machine."""
        return min(self.step) / min(self.reference)


def time_calls(step: Step, calls: int) -> float:
    """Seconds a call, the mean of `calls` calls in a row."""
    start = perf_counter()
    for _ in range(calls):
        step()
    return (perf_counter() - start) / calls


def interleave(steps: Mapping[str, Step], reference: Step, effort: Effort) -> dict[str, Samples]:
    """Time every step in turn, each next to the reference, until each had its share of time."""
    reference_calls = effort.calls(_warm(reference))
    calls, left = {}, {}
    for name, step in steps.items():
        seconds = _warm(step)
        calls[name] = effort.calls(seconds)
        left[name] = effort.repetitions(seconds * calls[name])
    samples = {name: Samples() for name in steps}
    # A collection that falls into one step's time would be counted as its own; and one that looks
    # through all that was there before would leave the next steps a cache without their code.
    was_enabled = gc.isenabled()
    gc.disable()
    gc.collect()
    gc.freeze()
    due = perf_counter() + COLLECTING
    try:
        while any(left.values()):
            for name in [name for name, count in left.items() if count]:
                samples[name].reference.append(time_calls(reference, reference_calls))
                samples[name].step.append(time_calls(steps[name], calls[name]))
                left[name] -= 1
            # Not after every round, or the reference alone would find caches without its code.
            if perf_counter() > due:
                gc.collect()
                due = perf_counter() + COLLECTING
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()
    return samples


def _warm(step: Step) -> float:
    """Seconds a call, after what only the first one pays, such as a compiler.

    Of some calls the fastest: a repetition sized by a slow one would be shorter than it should.
    """
    step()
    tried = [time_calls(step, 1)]
    while sum(tried) < WARM and len(tried) < WARM_CALLS:
        tried.append(time_calls(step, 1))
    return min(tried)
