"""Histories of many runs, condensed to a centre and a band over seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from directloss.report.schema import Results, Run

AVERAGE = "average"
"""The pseudo-column whose curve is the mean over columns. A real column may bear the same name:
`curve` tells them apart by `column=None`."""

MOST_POINTS = 250
"""More points than this cannot be told apart on a screen, and the page would grow for nothing."""

SMALLEST_SPREAD = 1e-12
"""A spread of 0 has no place on a log axis; it is drawn here, as collapsed as can be."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Quantity:
    """Something that is drawn against the iteration.

    `key` is its name on the page, `series` the list of the history that holds it.
    """

    key: str
    title: str
    axis: str
    explanation: str
    log: bool
    series: Literal["test", "spread", "zero_gradient"]


@dataclass(frozen=True)
class Curve:
    """Mean, lowest and highest of `seeds` runs; the mean is geometric where the axis is a log one.

    The band is the range and not a standard deviation: with few seeds that would leave the values
    that a metric or a share can take. All arrays have one length; NaN where a run had no value.
    """

    iteration: Array
    centre: Array
    low: Array
    high: Array
    seeds: int


def quantities(results: Results) -> list[Quantity]:
    """The three figures of a comparison."""
    name = results.metric.name
    better = "higher" if results.metric.higher_is_better else "lower"
    return [
        Quantity(
            "test",
            f"Test {name}",
            f"test {name}{unit(results)}",
            f"The {name} on the test part as training goes on: {better} is better, and a line that "
            "comes back from its peak has lost what it had learned.",
            log=False,
            series="test",
        ),
        Quantity(
            "spread",
            "Spread of the scores",
            "standard deviation of the training scores",
            "How far apart the network puts its scores: epsilon acts relative to this spread, so a "
            "growing line anneals it, and a line falling by orders of magnitude is a collapse.",
            log=True,
            series="spread",
        ),
        Quantity(
            "zero_gradient",
            "Steps without a gradient",
            "steps with a zero gradient (%)",
            "The share of steps since the point before whose gradient was exactly zero, where both "
            "configurations agree and nothing is learned; at 100 % a method stands still.",
            log=False,
            series="zero_gradient",
        ),
    ]


def unit(results: Results) -> str:
    """The unit of displayed metric values, as it follows a label."""
    scale = results.metric.scale
    return {1.0: "", 100.0: " (%)"}.get(scale, f" (times {scale:g})")


def curve(results: Results, quantity: Quantity, method: str, column: str | None) -> Curve | None:
    """The curve of a method on a column, or over all columns (`None`); None if nothing was run.

    Over all columns the mean is taken for each seed first, then over seeds, as in the table; seeds
    that lack a column are left out. Beyond its end a run counts with the test value of the table,
    which is that of the model it kept, or of a constant model if it diverged; and with its last
    spread and share.
    """
    runs = {(run.seed, run.column): run for run in results.runs if run.method == method}
    columns = [column] if column is not None else results.columns
    seeds = sorted({seed for seed, _ in runs})
    complete = [seed for seed in seeds if all((seed, name) in runs for name in columns)]
    if not complete:
        return None
    used = [runs[seed, name] for seed in complete for name in columns]
    grid = _thinned(np.unique(np.concatenate([run.history.iteration for run in used])))
    if grid.size == 0:
        return None
    values = np.stack([_on_grid(run, quantity, grid) for run in used])
    values = values.reshape(len(complete), len(columns), grid.size)
    if quantity.log:
        return _band(grid, np.log(np.maximum(values, SMALLEST_SPREAD)), np.exp)
    scale = results.metric.scale if quantity.series == "test" else 100.0
    return _band(grid, scale * values, np.positive)


def _band(grid: Array, values: Array, back: np.ufunc) -> Curve:
    per_seed = values.mean(axis=1)
    low, centre, high = per_seed.min(axis=0), per_seed.mean(axis=0), per_seed.max(axis=0)
    return Curve(grid, back(centre), back(low), back(high), len(per_seed))


def _on_grid(run: Run, quantity: Quantity, grid: Array) -> Array:
    iteration = np.asarray(run.history.iteration, dtype=np.float64)
    values = np.asarray(getattr(run.history, quantity.series), dtype=np.float64)
    if iteration.size == 0:
        return np.full(grid.shape, run.test if quantity.series == "test" else np.nan)
    # The last entry at or before each grid point: a step function, never a value of the future.
    latest = np.searchsorted(iteration, grid, side="right") - 1
    if quantity.series == "zero_gradient":
        return _share_between(iteration, values, latest)
    drawn = np.where(latest >= 0, values[np.maximum(latest, 0)], np.nan)
    if quantity.series == "test":
        drawn = np.where(grid > iteration[-1], run.test, drawn)
    return drawn


def _share_between(iteration: Array, shares: Array, latest: NDArray[np.int64]) -> Array:
    """Shares belong to intervals: those between two grid points are averaged, not dropped."""
    steps = np.diff(iteration, prepend=0.0)
    zero = np.concatenate([[0.0], np.cumsum(np.where(steps > 0, shares * steps, 0.0))])
    total = np.concatenate([[0.0], np.cumsum(steps)])
    made = np.diff(total[latest + 1], prepend=0.0)
    found = np.diff(zero[latest + 1], prepend=0.0)
    share: Array = np.divide(found, made, out=np.full(made.shape, np.nan), where=made > 0)
    # A run that has ended makes no more steps; it holds its last share as it holds its metric.
    known: NDArray[np.int64] = np.maximum.accumulate(np.where(made > 0, np.arange(made.size), -1))
    return np.where(known >= 0, share[np.maximum(known, 0)], np.nan)


def _thinned(grid: NDArray[np.generic]) -> Array:
    points = np.asarray(grid, dtype=np.float64)
    if points.size <= MOST_POINTS:
        return points
    keep = np.unique(np.linspace(0, points.size - 1, MOST_POINTS).round().astype(int))
    thinned: Array = points[keep]
    return thinned
