"""The table of a comparison: a row a method, a column a problem, and their average."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

from directloss.report import schema

_Values = list[float]  # one a seed


def make_table(
    runs: Sequence[schema.Run],
    methods: Sequence[str],
    columns: Sequence[str],
    *,
    higher_is_better: bool,
) -> schema.Table:
    """Means and standard deviations over seeds; the best mean of each column is marked."""
    by_cell: dict[tuple[str, str], _Values] = {}
    for run in sorted(runs, key=lambda run: run.seed):
        by_cell.setdefault((run.method, run.column), []).append(run.test)
    averages = {
        method: [fmean(seed) for seed in zip(*(by_cell[method, c] for c in columns), strict=True)]
        for method in methods
    }
    best = max if higher_is_better else min
    best_of = {column: best(fmean(by_cell[m, column]) for m in methods) for column in columns}
    best_average = best(fmean(values) for values in averages.values())

    def cell(method: str, column: str) -> schema.Cell:
        values = by_cell[method, column]
        mean = fmean(values)
        return schema.Cell(
            column=column,
            mean=mean,
            std=spread_over_seeds(values),
            n=len(values),
            best=mean == best_of[column],
        )

    def average(method: str) -> schema.Average:
        mean = fmean(averages[method])
        return schema.Average(
            mean=mean, std=spread_over_seeds(averages[method]), best=mean == best_average
        )

    rows = [
        schema.Row(
            method=method,
            cells=[cell(method, column) for column in columns],
            average=average(method),
        )
        for method in methods
    ]
    return schema.Table(rows=rows)


def spread_over_seeds(values: _Values) -> float | None:
    """The standard deviation (n - 1), which a single seed does not have."""
    return stdev(values) if len(values) > 1 else None
