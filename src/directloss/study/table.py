"""The table of a comparison: a row a method, a column a problem, and their average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

from directloss.report import schema

Values = Mapping[tuple[str, str], Sequence[float]]
"""(method, column) -> test metric of each seed."""


def make_table(
    runs: Sequence[schema.Run],
    methods: Sequence[str],
    columns: Sequence[str],
    *,
    higher_is_better: bool,
) -> schema.Table:
    """Means and standard deviations over seeds; the best mean of each column is marked."""
    return table_of(values_of(runs), methods, columns, higher_is_better=higher_is_better)


def values_of(runs: Sequence[schema.Run]) -> Values:
    """The test metric of the runs, in the order of their seeds."""
    values: dict[tuple[str, str], list[float]] = {}
    for run in sorted(runs, key=lambda run: run.seed):
        values.setdefault((run.method, run.column), []).append(run.test)
    return values


def table_of(
    values: Values, methods: Sequence[str], columns: Sequence[str], *, higher_is_better: bool = True
) -> schema.Table:
    """The table of values; every method has the same seeds on every column."""
    cells = cells_of(values, methods, columns, higher_is_better=higher_is_better)
    averages = {
        method: [fmean(seed) for seed in zip(*(values[method, c] for c in columns), strict=True)]
        for method in methods
    }
    means = {method: fmean(seeds) for method, seeds in averages.items()}
    best = (max if higher_is_better else min)(means.values())
    rows = [
        schema.Row(
            method=method,
            cells=cells[method],
            average=schema.Average(mean=mean, std=_deviation(averages[method]), best=mean == best),
        )
        for method, mean in means.items()
    ]
    return schema.Table(rows=rows)


def cells_of(
    values: Values, methods: Sequence[str], columns: Sequence[str], *, higher_is_better: bool = True
) -> dict[str, list[schema.Cell]]:
    """The cells of each method's row, in the order of the columns that it has values on."""
    best = max if higher_is_better else min
    rows: dict[str, list[schema.Cell]] = {method: [] for method in methods}
    for column in columns:
        means = {m: fmean(values[m, column]) for m in methods if (m, column) in values}
        for method, mean in means.items():
            seeds = values[method, column]
            cell = schema.Cell(
                column=column,
                mean=mean,
                std=_deviation(seeds),
                n=len(seeds),
                best=mean == best(means.values()),
            )
            rows[method].append(cell)
    return rows


def _deviation(values: Sequence[float]) -> float | None:
    """The standard deviation (n - 1) over seeds, which a single seed does not have."""
    return stdev(values) if len(values) > 1 else None
