from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from directloss.errors import ArgumentError
from directloss.training import METHODS, TrialStore, plan
from directloss.training.search import Cell, Finished

CELL = Cell("pos-ap", "3", 1)


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_plan_gives_distinct_settings_of_the_grid(method) -> None:
    for trials in (1, 4, method.grid_size):
        settings = plan(method, trials, seed=0)
        assert len(settings) == len(set(settings)) == trials
        for axis, values in method.grid.items():
            assert {getattr(point, axis) for point in settings} <= set(values)
        assert settings == plan(method, trials, seed=0)


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_a_longer_plan_only_adds(method) -> None:
    assert plan(method, 3, seed=5) == plan(method, 8, seed=5)[:3]


def test_few_trials_cover_every_axis() -> None:
    for seed in range(10):
        for method in METHODS.values():
            points = plan(method, max(map(len, method.grid.values())), seed)
            for axis, values in method.grid.items():
                assert {getattr(point, axis) for point in points} == set(values)


def test_methods_meet_learning_rates_in_the_same_order() -> None:
    for grid in {method.grid["learning_rate"] for method in METHODS.values()}:
        same = [method for method in METHODS.values() if method.grid["learning_rate"] == grid]
        rates = {tuple(p.learning_rate for p in plan(m, len(grid), seed=2)) for m in same}
        assert len(same) > 2
        assert len(rates) == 1


@pytest.mark.parametrize("trials", [0, 10_000])
def test_plan_refuses_what_the_grid_does_not_have(trials: int) -> None:
    with pytest.raises(ArgumentError, match=f"trials: got {trials}"):
        plan(METHODS["logistic"], trials, seed=0)


def finished(number: int, validation: float) -> Finished:
    settings = plan(METHODS[CELL.method], 4, seed=0)[number]
    notes = {"test": 1 / 3, "history": {"train": [0.1] * 3}}
    return Finished(number, settings, validation, False, notes)


def test_store_gives_back_what_it_was_given(tmp_path: Path) -> None:
    given = {number: finished(number, value) for number, value in enumerate([0.3, 0.9, 0.9, 0.1])}
    store = TrialStore(tmp_path / "trials.sqlite3")
    assert store.finished(CELL) == {}
    for trial in reversed(given.values()):
        store.record(CELL, trial)
    reopened = TrialStore(tmp_path / "trials.sqlite3")
    assert reopened.finished(CELL) == given
    assert reopened.best(CELL) == given[1], "the earliest of equals"
    assert reopened.finished(Cell("pos-ap", "3", 2)) == {}


ODD_NAMES = [
    "a?b",
    "a%41",
    "a%",
    "{SCHEMA_VERSION}",
    "{}",
    "a#b",
    "a;b&c=d",
    "a b",
    "a@b:c",
    "file:a",
    "Ωé",
    "\udcff",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_store_lies_where_it_is_asked_for(tmp_path: Path, name: str) -> None:
    file = tmp_path / name / "trials.sqlite3"
    file.parent.mkdir()
    TrialStore(file).record(CELL, finished(0, 0.5))
    assert TrialStore(file).finished(CELL) == {0: finished(0, 0.5)}
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert [path.name for path in file.parent.iterdir()] == ["trials.sqlite3"]


def test_equal_trials_are_decided_by_the_finer_one(tmp_path: Path) -> None:
    store = TrialStore(tmp_path / "trials.sqlite3")
    for number, precision in enumerate([0.5, 0.8, 0.8, 0.7]):
        store.record(CELL, replace(finished(number, 0.9), finer=(precision, 0.0, -0.1)))
    assert store.best(CELL).number == 1
    assert TrialStore(tmp_path / "trials.sqlite3").best(CELL).finer == (0.8, 0.0, -0.1)


def test_a_diverged_trial_is_the_last_choice(tmp_path: Path) -> None:
    store = TrialStore(tmp_path / "trials.sqlite3")
    store.record(CELL, replace(finished(0, 0.9), diverged=True))
    assert store.best(CELL).number == 0
    store.record(CELL, finished(1, 0.1))
    assert store.best(CELL).number == 1


def test_store_of_a_metric_that_should_be_low(tmp_path: Path) -> None:
    store = TrialStore(tmp_path / "trials.sqlite3", higher_is_better=False)
    for number, value in enumerate([0.3, 0.9, 0.1]):
        store.record(CELL, finished(number, value))
    assert store.best(CELL).number == 2
