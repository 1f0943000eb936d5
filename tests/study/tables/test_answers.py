"""Paired differences and their intervals."""

from __future__ import annotations

import json

import pytest

from directloss.study.tables.answers import CROSS_ENTROPY, TUNED, Case, Results, difference
from directloss.study.tables.methods import FAMILY


def test_the_mean_is_over_tables_and_the_record_by_their_own_intervals() -> None:
    found = difference({"a": [1.0, 1.1, 0.9], "b": [-2.0, -2.1, -1.9], "c": [5.0, -5.0, 6.0]})
    assert found.mean == pytest.approx((1.0 - 2.0 + 2.0) / 3)
    assert (found.wins, found.ties, found.losses, found.tables) == (1, 1, 1, 3)
    assert found.low < found.mean < found.high
    assert not found.resolved


def test_an_interval_of_equal_values_is_their_value() -> None:
    found = difference({"a": [2.0, 2.0], "b": [2.0]})
    assert (found.mean, found.low, found.high, found.ties) == (2.0, 2.0, 2.0, 2)
    assert found.resolved


def test_intervals_of_tables_that_do_not_differ_hold_their_mean_nineteen_times_of_twenty() -> None:
    import numpy as np

    draws = np.random.default_rng(0)
    held = 0
    for _ in range(100):
        tables = draws.normal(1.0, 2.0, (30, 1)) + draws.normal(0.0, 1.0, (30, 3))
        found = difference({str(k): row.tolist() for k, row in enumerate(tables)})
        held += found.low <= 1.0 <= found.high
    assert held >= 88


def test_the_family_is_what_validation_prefers() -> None:
    def run(validation: float, test: float) -> dict[str, float | None]:
        return {"validation": validation, "test": test, "train": None}

    cell = {CROSS_ENTROPY: {"AP": run(0.9, 0.5)}}
    values = ((0.1, 0.9), (0.3, 0.2), (0.2, 0.8))
    cell |= {name: {"AP": run(*each)} for name, each in zip(FAMILY, values, strict=True)}
    results = Results({"some-table-3-16.json": json.dumps(cell).encode()})
    case = Case("some-table", 3, 16, "AP")
    assert results.runs[TUNED][case].test == pytest.approx(20.0)
    assert results.cases(16, "AP") == [case]
    assert results.differences(TUNED, CROSS_ENTROPY, [case]) == {
        "some-table": [pytest.approx(-30.0)]
    }
