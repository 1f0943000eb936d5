"""What lies behind the averages: peaks, spreads, time, chosen settings, size of the search."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from directloss.report.curves import SMALLEST_SPREAD
from directloss.report.schema import Results, Run


@dataclass(frozen=True)
class MethodSummary:
    """Means over all runs of a method; `spread` is a geometric mean, `seconds` that of one run."""

    method: str
    validation: float
    test: float
    peak: float
    spread: float
    seconds: float
    diverged: int


@dataclass(frozen=True)
class Choice:
    """The settings that the search chose for a method on a column, one entry where seeds agree."""

    learning_rate: str
    epsilon: str | None
    l2: str


def method_summaries(results: Results) -> list[MethodSummary]:
    """One summary for each method that was run, in the order of `results.methods`."""
    grouped = {method: _runs(results, method) for method in results.methods}
    return [_summary(method, runs) for method, runs in grouped.items() if runs]


def choice(results: Results, method: str, column: str) -> Choice | None:
    """The chosen settings; None if nothing was run."""
    settings = [run.settings for run in _runs(results, method) if run.column == column]
    if not settings:
        return None
    epsilons = [each.epsilon for each in settings if each.epsilon is not None]
    return Choice(
        learning_rate=_distinct([each.learning_rate for each in settings]),
        epsilon=_distinct(epsilons) if epsilons else None,
        l2=_distinct([each.l2 for each in settings]),
    )


def what_was_run(results: Results) -> str:
    """One sentence: how many methods, columns, seeds, trials."""
    seeds = len({run.seed for run in results.runs})
    searched = Counter((trial.method, trial.column, trial.seed) for trial in results.trials)
    sizes = sorted(set(searched.values()))
    text = (
        f"{_count(len(results.methods), 'method')} on {_count(len(results.columns), 'column')} "
        f"with {_count(seeds, 'seed')}: {_count(len(results.runs), 'training run')}"
    )
    if not sizes:
        return f"{text}."
    size = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    return f"{text}, each with the settings that were best on validation data in {size} trials."


def warnings(results: Results) -> list[tuple[str, int]]:
    """Distinct warnings of the runs, as 'method: text', with the number of runs that gave them."""
    found = Counter(
        f"{run.method}: {text}" for run in results.runs for text in dict.fromkeys(run.warnings)
    )
    return found.most_common()


def _runs(results: Results, method: str) -> list[Run]:
    return [run for run in results.runs if run.method == method]


def _summary(method: str, runs: list[Run]) -> MethodSummary:
    spreads = np.maximum([run.spread_final for run in runs], SMALLEST_SPREAD)
    return MethodSummary(
        method=method,
        validation=float(np.mean([run.validation for run in runs])),
        test=float(np.mean([run.test for run in runs])),
        peak=float(np.mean([run.test_peak for run in runs])),
        spread=float(np.exp(np.log(spreads).mean())),
        seconds=float(np.mean([run.seconds for run in runs])),
        diverged=sum(run.diverged for run in runs),
    )


def _distinct(values: list[float]) -> str:
    return ", ".join(f"{value:g}" for value in sorted(set(values)))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
