"""What lies behind a table's numbers: peaks, spreads, dead steps, the cost of a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from directloss.paper.synthetic.results import RULES, StudyResults, StudyRun
from directloss.report.curves import SMALLEST_SPREAD


@dataclass(frozen=True)
class Behind:
    """Means over the seeds of a method in a column, settings chosen as in the paper.

    `growth` is the geometric mean of the final spread over the first one; `dead` the share of all
    steps whose gradient was exactly zero.
    """

    column: str
    method: str
    final: float
    peak: float
    growth: float
    dead: float
    seconds: float
    diverged: int


def behind(study: StudyResults) -> list[Behind]:
    """One entry for each method of each column."""
    chosen = study.chosen(RULES[0])
    return [
        _entry(
            column.name,
            method,
            [run for run in chosen if (run.column, run.method) == (column.name, method)],
        )
        for column in study.columns
        for method in column.methods
    ]


def differently_chosen(study: StudyResults) -> int:
    """In how many (method, column) the two rules chose different settings."""
    cells = {(run.method, run.column) for run in study.runs if len(run.chosen_by) == 1}
    return len(cells)


def _entry(column: str, method: str, runs: list[StudyRun]) -> Behind:
    return Behind(
        column=column,
        method=method,
        final=float(np.mean([run.test for run in runs])),
        peak=float(np.mean([run.test_peak for run in runs])),
        growth=float(np.exp(np.mean([_log_growth(run) for run in runs]))),
        dead=float(np.mean([_dead(run) for run in runs])),
        seconds=float(np.mean([run.seconds for run in runs])),
        diverged=sum(run.diverged for run in runs),
    )


def _log_growth(run: StudyRun) -> float:
    spread = run.history.spread
    if not spread:
        return 0.0
    first, last = (max(value, SMALLEST_SPREAD) for value in (spread[0], spread[-1]))
    return float(np.log(last / first))


def _dead(run: StudyRun) -> float:
    """Shares belong to intervals, which may be of different length."""
    steps = np.diff(run.history.iteration)
    if steps.size == 0:
        return 0.0
    return float(np.average(run.history.zero_gradient[1:], weights=steps))
