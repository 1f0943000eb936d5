"""Curves against their definitions, written out."""

from __future__ import annotations

import numpy as np
import pytest

from directloss.report.curves import MOST_POINTS, SMALLEST_SPREAD, Curve, curve, quantities
from directloss.report.schema import History, Results, Run
from tests.report.conftest import COLUMNS, METHODS, SEEDS


def drawn(results: Results, key: str, column: str | None, method: str = "pos-ap") -> Curve:
    quantity = next(each for each in quantities(results) if each.key == key)
    found = curve(results, quantity, method, column)
    assert found is not None
    return found


def histories(results: Results, key: str, column: str, method: str = "pos-ap") -> np.ndarray:
    runs = [run for run in results.runs if (run.method, run.column) == (method, column)]
    return np.array([getattr(run.history, key) for run in runs])


def with_runs(results: Results, runs: list[Run]) -> Results:
    return results.model_copy(update={"runs": runs})


def shortened(run: Run, length: int) -> Run:
    history = {key: values[:length] for key, values in run.history.model_dump().items()}
    return run.model_copy(update={"history": History(**history)})


def test_mean_and_range_over_seeds(results: Results) -> None:
    found = drawn(results, "test", COLUMNS[0])
    values = 100 * histories(results, "test", COLUMNS[0])
    np.testing.assert_allclose(found.centre, values.mean(axis=0))
    np.testing.assert_allclose(found.high, values.max(axis=0))
    np.testing.assert_allclose(found.low, values.min(axis=0))
    assert found.seeds == len(SEEDS)


def test_average_over_columns_comes_before_seeds(results: Results) -> None:
    found = drawn(results, "test", None)
    per_seed = 100 * np.mean([histories(results, "test", column) for column in COLUMNS], axis=0)
    np.testing.assert_allclose(found.centre, per_seed.mean(axis=0))
    np.testing.assert_allclose(found.high, per_seed.max(axis=0))


@pytest.mark.parametrize("method", METHODS)
def test_curves_end_at_the_table(results: Results, method: str) -> None:
    row = next(row for row in results.table.rows if row.method == method)
    for column, entry in zip([*COLUMNS, None], [*row.cells, row.average], strict=True):
        found = drawn(results, "test", column, method)
        assert found.centre[-1] == pytest.approx(100 * entry.mean)


def test_spread_is_a_geometric_mean(results: Results) -> None:
    found = drawn(results, "spread", COLUMNS[0])
    spreads = histories(results, "spread", COLUMNS[0])
    np.testing.assert_allclose(found.centre, np.exp(np.log(spreads).mean(axis=0)))
    np.testing.assert_allclose(found.high, spreads.max(axis=0))


def test_a_spread_of_zero_is_drawn_at_the_bottom(results: Results) -> None:
    run = results.runs[0]
    flat = run.history.model_copy(update={"spread": [0.0] * len(run.history.spread)})
    only = with_runs(results, [run.model_copy(update={"history": flat})])
    found = drawn(only, "spread", run.column, run.method)
    np.testing.assert_allclose(found.centre, SMALLEST_SPREAD)


def test_beyond_its_end_a_run_counts_with_the_value_of_the_table(results: Results) -> None:
    runs = [run for run in results.runs if run.method == "pos-ap" and run.column == COLUMNS[0]]
    # Early stopping keeps the best model, which need not be the last one that was looked at.
    stopped = shortened(runs[0], 5).model_copy(update={"test": 0.25})
    found = drawn(with_runs(results, [stopped, *runs[1:]]), "test", COLUMNS[0])
    values = 100 * np.array([run.history.test for run in runs])
    values[0, 5:] = 25
    np.testing.assert_allclose(found.centre, values.mean(axis=0))


def test_a_run_that_diverged_at_once_has_its_test_value_only(results: Results) -> None:
    runs = [run for run in results.runs if run.method == "pos-ap" and run.column == COLUMNS[0]]
    broken = shortened(runs[0], 0).model_copy(update={"test": 0.1, "diverged": True})
    mixed = with_runs(results, [broken, *runs[1:]])
    others = np.array([run.history.test for run in runs[1:]])
    np.testing.assert_allclose(
        drawn(mixed, "test", COLUMNS[0]).centre, 100 * (others.sum(axis=0) + 0.1) / len(runs)
    )
    assert np.isnan(drawn(mixed, "spread", COLUMNS[0]).centre).all()


def test_zero_gradient_steps_survive_thinning(results: Results) -> None:
    length = 1_000
    shares = np.random.default_rng(0).uniform(0, 1, length)
    shares[0] = 0
    history = {key: [0.0] * length for key in History.model_fields}
    history |= {"iteration": list(range(length)), "zero_gradient": shares.tolist()}
    run = results.runs[0].model_copy(update={"history": History.model_validate(history)})
    found = drawn(with_runs(results, [run]), "zero_gradient", run.column, run.method)
    assert found.iteration.size <= MOST_POINTS
    assert found.iteration[0] == 0 and found.iteration[-1] == length - 1
    assert np.isnan(found.centre[0])  # no step has been made
    steps = np.diff(found.iteration)
    assert (found.centre[1:] * steps).sum() == pytest.approx(100 * shares.sum())


def test_seeds_without_all_columns_do_not_enter_the_average(results: Results) -> None:
    lost = next(run for run in results.runs if run.method == "pos-ap" and run.seed == SEEDS[-1])
    fewer = with_runs(results, [run for run in results.runs if run is not lost])
    assert drawn(fewer, "test", None).seeds == len(SEEDS) - 1


def test_nothing_run_nothing_drawn(results: Results) -> None:
    assert curve(with_runs(results, []), quantities(results)[0], "pos-ap", None) is None


def test_one_seed_has_no_band(results: Results) -> None:
    found = drawn(with_runs(results, results.runs[:1]), "test", COLUMNS[0], results.runs[0].method)
    np.testing.assert_array_equal(found.low, found.high)
