"""A guard against regressions of speed: ratios to `torch.sort`, with bars far above what is usual.

The fastest of many interleaved calls is steady even where other processes take the cores; a try
that misses its bar is taken up again, since a slow minute must not fail a run. A real regression,
such as a copy or a Python loop more, misses the bar at every try.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

import directloss as dl
from benchmarks.case import Case
from benchmarks.timing import Effort, Samples, Step, interleave
from benchmarks.works import REFERENCE, catalogue

EFFORT = Effort(seconds=0.1, fewest=5, most=15)
TRIES = 12

BARS = [
    ("AveragePrecision positive", 100_000, 1.5),
    ("AveragePrecision positive", 1_000_000, 1.2),
    ("AveragePrecision negative", 100_000, 6.0),
    ("AveragePrecision@100 positive", 100_000, 3.0),
    ("PartialAUC(0.1) negative", 100_000, 1.5),
    ("NDCG positive", 100_000, 1.5),
    ("NDCG, graded positive", 100_000, 2.0),
    ("Jaccard positive", 100_000, 3.0),
]


@pytest.fixture(autouse=True)
def _as_users_run() -> Iterator[None]:
    # The other tests fill new memory with NaN, which costs a pass over every tensor.
    torch.use_deterministic_algorithms(False)
    yield
    torch.use_deterministic_algorithms(True)


def best_ratio(step: Step, reference: Step, bar: float) -> float:
    """The fastest call over the fastest of the reference, of one try or more until it is below."""
    best = Samples()
    for _ in range(TRIES):
        found = interleave({"step": step}, reference, EFFORT)["step"]
        best.step += found.step
        best.reference += found.reference
        if best.best_ratio() < bar:
            break
    return best.best_ratio()


@pytest.mark.parametrize(("name", "n", "bar"), BARS)
def test_a_step_costs_at_most_so_many_sorts(name: str, n: int, bar: float) -> None:
    case, works = Case(n), catalogue()
    step, reference = works[name].prepare(case), works[REFERENCE].prepare(case)
    best = best_ratio(step, reference, bar)
    assert best < bar, f"{name} at n = {n}: {best:.2f} times {REFERENCE}, bar {bar}"


def test_a_step_is_faster_than_blackbox_differentiation() -> None:
    case, works = Case(100_000), catalogue()
    names = ("AveragePrecision positive", "blackbox MAP")
    steps = {name: works[name].prepare(case) for name in names}
    best = {name: float("inf") for name in names}
    for _ in range(TRIES):
        samples = interleave(steps, works[REFERENCE].prepare(case), EFFORT)
        for name in names:
            best[name] = min(best[name], *samples[name].step)
        if best["blackbox MAP"] > 3 * best["AveragePrecision positive"]:
            return
    pytest.fail(f"seconds: {best}; blackbox is to take three times as long")


def test_a_short_list_does_not_pay_for_a_long_one_before_it() -> None:
    # A table of discounts stays as long as the longest list; D of a cutoff bends.
    case = Case(2_000)
    seen, fresh = dl.AveragePrecision(k=100), dl.AveragePrecision(k=100)
    long = Case(1_000_000).draw()
    seen.metric(long.scores, long.binary)
    drawn = case.draw()

    def step(task: dl.AveragePrecision) -> Step:
        return lambda: dl.DirectLoss(task, epsilon=0.1)(drawn.scores, drawn.binary)

    best = best_ratio(step(seen), step(fresh), 1.5)
    assert best < 1.5, f"{best:.2f} times the step of a task that saw no long list"
