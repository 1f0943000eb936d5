from __future__ import annotations

from statistics import stdev

import pytest

from directloss.report.schema import History, Run, Settings
from directloss.study.table import make_table


def run(method: str, column: str, seed: int, test: float) -> Run:
    return Run(
        method=method,
        column=column,
        seed=seed,
        settings=Settings(learning_rate=0.1, l2=0.0),
        validation=0.0,
        test=test,
        test_peak=test,
        spread_final=1.0,
        seconds=0.0,
        history=History(
            iteration=[], train=[], validation=[], test=[], loss=[], spread=[], zero_gradient=[]
        ),
    )


VALUES = {
    ("a", "0"): [0.5, 0.7],
    ("a", "1"): [0.9, 0.7],
    ("b", "0"): [0.8, 0.9],
    ("b", "1"): [0.2, 0.1],
}
RUNS = [
    run(m, c, seed, value) for (m, c), values in VALUES.items() for seed, value in enumerate(values)
]


def test_means_deviations_and_the_best_of_each_column() -> None:
    first, second = make_table(RUNS[::-1], ["a", "b"], ["0", "1"], higher_is_better=True).rows
    assert [cell.column for cell in first.cells] == ["0", "1"]
    assert [cell.mean for cell in first.cells] == pytest.approx([0.6, 0.8])
    assert [cell.std for cell in first.cells] == pytest.approx([stdev([0.5, 0.7])] * 2)
    assert [cell.n for cell in first.cells] == [2, 2]
    assert [cell.best for cell in first.cells] == [False, True]
    assert [cell.best for cell in second.cells] == [True, False]
    # Over columns first: seed 0 gives 0.7, seed 1 gives 0.7.
    assert first.average.mean == pytest.approx(0.7)
    assert first.average.std == pytest.approx(0.0)
    assert first.average.best
    assert not second.average.best


def test_where_lower_is_better() -> None:
    first, second = make_table(RUNS, ["a", "b"], ["0", "1"], higher_is_better=False).rows
    assert [cell.best for cell in first.cells] == [True, False]
    assert second.average.best


def test_one_seed_has_no_deviation_and_equals_share_the_best() -> None:
    runs = [run("a", "0", 0, 0.5), run("b", "0", 0, 0.5)]
    rows = make_table(runs, ["a", "b"], ["0"], higher_is_better=True).rows
    assert all(row.cells[0].std is None and row.average.std is None for row in rows)
    assert all(row.cells[0].best and row.average.best for row in rows)
