"""What the cells say: paired differences by table, with intervals, and when there is a gain."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

import numpy as np
from scipy.special import stdtrit

from directloss.inference._kernel import Array
from directloss.study.bootstrap import RESAMPLES
from directloss.study.tables.methods import FAMILY
from directloss.training.bootstrap import interval

__all__ = [
    "BOOSTING",
    "CROSS_ENTROPY",
    "TUNED",
    "Case",
    "Difference",
    "Results",
    "Run",
    "difference",
]

CROSS_ENTROPY = "logistic"
TUNED = "logistic, three times"
"""Of `FAMILY` what validation prefers."""

BOOSTING = "boosting"


@dataclass(frozen=True)
class Run:
    """What a method reached: metrics in points of 100."""

    validation: float
    test: float
    train: float | None


@dataclass(frozen=True, order=True)
class Case:
    """Where a run stands."""

    table: str
    split: int
    hidden: int
    metric: str


@dataclass(frozen=True)
class Difference:
    """Of two methods on the same cases, in points of 100.

    Attributes:
        mean: over tables, of the mean over splits.
        low, high: the 95 % interval that resamples tables, and splits within them.
        wins, ties, losses: tables; a win's interval over its own splits (Student's t) leaves out 0.
        tables: how many.
    """

    mean: float
    low: float
    high: float
    wins: int
    ties: int
    losses: int

    @property
    def tables(self) -> int:
        """How many."""
        return self.wins + self.ties + self.losses

    @property
    def resolved(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0.0 or self.high < 0.0


class Results:
    """All runs of a study, by method and case."""

    def __init__(self, cells: Mapping[str, bytes]) -> None:
        """From the files of the cells, by name."""
        self.runs: dict[str, dict[Case, Run]] = {}
        for name, content in sorted(cells.items()):
            table, split, hidden = name.removesuffix(".json").rsplit("-", 2)
            for method, metrics in json.loads(content).items():
                for metric, found in metrics.items():
                    case = Case(table, int(split), int(hidden), metric)
                    train = found["train"]
                    self.runs.setdefault(method, {})[case] = Run(
                        100.0 * found["validation"],
                        100.0 * found["test"],
                        None if train is None else 100.0 * train,
                    )
        families = [self.runs[name] for name in FAMILY]
        self.runs[TUNED] = {
            case: max((runs[case] for runs in families), key=lambda run: run.validation)
            for case in families[0]
        }

    def cases(self, hidden: int, metric: str) -> list[Case]:
        """The cases of a model and a metric, in order."""
        return sorted(
            case
            for case in self.runs[CROSS_ENTROPY]
            if (case.hidden, case.metric) == (hidden, metric)
        )

    def differences(self, method: str, other: str, cases: Iterable[Case]) -> dict[str, list[float]]:
        """Test metric of one method less that of another: by table, a value a split."""
        found: dict[str, list[float]] = {}
        for case in cases:
            if case in self.runs[method]:
                value = self.runs[method][case].test - self.runs[other][case].test
                found.setdefault(case.table, []).append(value)
        return found


def difference(by_table: Mapping[str, list[float]]) -> Difference:
    """The mean over tables, and how sure it is; always the same draws."""
    wins = losses = 0
    for values in by_table.values():
        if len(values) < 3:
            continue
        mean, error = fmean(values), stdev(values) / sqrt(len(values))
        reach = error * float(stdtrit(len(values) - 1, 0.975))  # of Student's t
        wins += mean - reach > 0.0
        losses += mean + reach < 0.0
    low, high = interval(_resampled([np.asarray(values) for values in by_table.values()]))
    mean = fmean(fmean(values) for values in by_table.values())
    return Difference(mean, low, high, wins, len(by_table) - wins - losses, losses)


def _resampled(tables: list[Array]) -> Array:
    """Means of resampled tables, each with resampled splits."""
    draws = np.random.default_rng(0)
    within = np.stack(
        [
            values[draws.integers(0, len(values), (RESAMPLES, len(values)))].mean(1)
            for values in tables
        ]
    )
    chosen = draws.integers(0, len(tables), (len(tables), RESAMPLES))
    means: Array = np.take_along_axis(within, chosen, axis=0).mean(0)
    return means
