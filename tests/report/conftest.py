"""A small comparison with every feature that a report must draw."""

from __future__ import annotations

from statistics import fmean, stdev

import numpy as np
import pytest

from directloss.report.schema import (
    Average,
    Cell,
    History,
    Metric,
    Results,
    Row,
    Run,
    Settings,
    Table,
    Trial,
)

METHODS = ["logistic", "pos-ap", "hinge-01"]
COLUMNS = ["even", "odd & <prime>"]
SEEDS = [0, 1, 2]


def make_run(method: str, column: str, seed: int, length: int = 21) -> Run:
    """A run with a noisy saturating curve; the logistic one has no epsilon."""
    noise = np.random.default_rng((METHODS.index(method), COLUMNS.index(column), seed))
    iteration = 10 * np.arange(length)
    limit = {"logistic": 0.9, "pos-ap": 0.95, "hinge-01": 0.6}[method]
    test = limit * (1 - 0.8 * np.exp(-iteration / 40)) + noise.normal(0, 0.01, length)
    spread = 0.5 * np.exp(noise.normal(0, 0.1, length).cumsum())
    return Run(
        method=method,
        column=column,
        seed=seed,
        settings=Settings(
            learning_rate=0.1 if seed else 0.03,
            epsilon=1.0 if method == "pos-ap" else None,
            l2=1e-4,
        ),
        validation=float(test[-1]) - 0.01,
        test=float(test[-1]),
        test_peak=float(test.max()),
        spread_final=float(spread[-1]),
        seconds=1.5,
        warnings=["the scores collapsed"] if method == "hinge-01" and seed == 0 else [],
        history=History(
            iteration=iteration.tolist(),
            train=test.tolist(),
            validation=test.tolist(),
            test=test.tolist(),
            loss=(1 - test).tolist(),
            spread=spread.tolist(),
            zero_gradient=noise.uniform(0, 1, length).tolist(),
        ),
    )


def make_table(runs: list[Run]) -> Table:
    """Means and deviations over seeds, the best of each column marked."""
    values = {
        (m, c): [run.test for run in runs if (run.method, run.column) == (m, c)]
        for m in METHODS
        for c in COLUMNS
    }
    averages = {
        m: [fmean(each) for each in zip(*(values[m, c] for c in COLUMNS), strict=True)]
        for m in METHODS
    }
    best = {c: max(METHODS, key=lambda m: fmean(values[m, c])) for c in COLUMNS}
    best_average = max(METHODS, key=lambda m: fmean(averages[m]))
    return Table(
        rows=[
            Row(
                method=m,
                cells=[
                    Cell(
                        column=c,
                        mean=fmean(values[m, c]),
                        std=stdev(values[m, c]),
                        n=len(SEEDS),
                        best=best[c] == m,
                    )
                    for c in COLUMNS
                ],
                average=Average(
                    mean=fmean(averages[m]), std=stdev(averages[m]), best=best_average == m
                ),
            )
            for m in METHODS
        ]
    )


@pytest.fixture(scope="session")
def results() -> Results:
    runs = [make_run(m, c, seed) for m in METHODS for c in COLUMNS for seed in SEEDS]
    trials = [
        Trial(
            method=run.method,
            column=run.column,
            seed=run.seed,
            number=number,
            settings=run.settings,
            validation=run.validation,
        )
        for run in runs
        for number in range(4)
    ]
    return Results(
        title="Even & odd <digits>",
        command=["directloss", "compare", "--out", "a folder"],
        created="2026-03-01T12:30:00+02:00",
        versions={"torch": "2.14.1", "directloss": "0.1.0"},
        configuration={"model": {"hidden": [16, 16]}, "note": "</script>"},
        metric=Metric(name="average precision"),
        columns=COLUMNS,
        methods=METHODS,
        runs=runs,
        trials=trials,
        table=make_table(runs),
    )
