from __future__ import annotations

import csv
import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from directloss.datasets import fingerprint
from directloss.errors import ArgumentError
from directloss.report.schema import Results
from directloss.study import compare as module
from directloss.study.assignments import Assignment, assignments
from directloss.study.compare import compare
from directloss.study.config import Comparison
from directloss.study.folder import TRIALS, FolderError
from directloss.training import METHODS, FitConfig, Method, Settings, all_methods, plan
from directloss.training.methods import L2_GRID
from directloss.training.search import Finished
from tests.command_process import start

METHOD_NAMES = ("logistic", "pos-ap", "neg-ap")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three classes, 150 rows, with a category and missing values."""
    generator = np.random.default_rng(0)
    kind = generator.integers(0, 3, 150)
    values = generator.normal(size=(150, 3)) + kind[:, None]
    values[generator.random(values.shape) < 0.05] = np.nan
    frame = pd.DataFrame(values, columns=["a", "b", "c"])
    frame["colour"] = generator.choice(["red", "green"], 150)
    frame["kind"] = np.array(["x", "y", "z"])[kind]
    path = tmp_path_factory.mktemp("table") / "kinds.csv"
    frame.to_csv(path, index=False)
    return str(path)


def comparison(table: str, **changes: object) -> Comparison:
    options: dict[str, object] = {
        "data": table,
        "data_sha256": fingerprint(table),
        "target": "kind",
        "methods": METHOD_NAMES,
        "hidden": (4,),
        "trials": 2,
        "seeds": 2,
        "epochs": 10,
    }
    return Comparison.model_validate(options | changes)


def numbers(results: Results) -> dict[str, object]:
    """All that must be the same whenever and wherever the comparison runs."""
    content = results.model_dump(exclude={"created", "command"})
    for run in content["runs"]:
        del run["seconds"]
    return content


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `undisturbed`."""
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def undisturbed(table: str, out: Path) -> Results:
    return compare(comparison(table), out, command=["directloss"])


@pytest.fixture(scope="module")
def small(table: str) -> Comparison:
    return comparison(table, methods=("logistic",), seeds=1)


@pytest.fixture(scope="module")
def finished(small: Comparison, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    """The folder of the small comparison, not to be changed, and its results."""
    folder = tmp_path_factory.mktemp("finished")
    return folder, compare(small, folder, command=[])


def test_every_method_gets_its_number_of_trials() -> None:
    columns = [str(k) for k in range(3)]
    todo = assignments(tuple(METHODS), columns, seeds=2, trials=4)
    per_cell = Counter(assignment.cell for assignment in todo)
    assert len(per_cell) == len(METHODS) * 3 * 2
    assert all(count == 4 * METHODS[cell.method].effort for cell, count in per_cell.items())
    assert len(set(todo)) == len(todo)


def test_results_are_complete(undisturbed: Results) -> None:
    assert undisturbed.columns == ["x", "y", "z"]
    assert undisturbed.methods == list(METHOD_NAMES)
    cells = {(m, c, s) for m in METHOD_NAMES for c in "xyz" for s in (0, 1)}
    assert {(run.method, run.column, run.seed) for run in undisturbed.runs} == cells
    trials = Counter((trial.method, trial.column, trial.seed) for trial in undisturbed.trials)
    assert trials == Counter(dict.fromkeys(cells, 2))
    assert undisturbed.configuration["trials"] == 2
    assert {"directloss", "torch", "python"} <= undisturbed.versions.keys()
    assert all(0 < run.test <= 1 and run.history.iteration[0] == 0 for run in undisturbed.runs)
    uses = {trial.method: trial.settings.epsilon is not None for trial in undisturbed.trials}
    assert uses == {"logistic": False, "pos-ap": True, "neg-ap": True}


def test_settings_are_chosen_on_validation_alone(undisturbed: Results) -> None:
    for run in undisturbed.runs:
        cell = (run.method, run.column, run.seed)
        tried = [t for t in undisturbed.trials if (t.method, t.column, t.seed) == cell]
        best = max(tried, key=lambda trial: (trial.validation, -trial.number))
        assert (run.settings, run.validation) == (best.settings, best.validation)


def test_files_hold_the_results(out: Path, undisturbed: Results) -> None:
    assert Results.model_validate_json((out / "results.json").read_text()) == undisturbed
    with (out / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    runs = undisturbed.runs
    assert [float(row["test"]) for row in rows] == [run.test for run in runs]
    assert [row["epsilon"] == "" for row in rows] == [run.method == "logistic" for run in runs]


def test_more_workers_change_no_number(table: str, tmp_path: Path, undisturbed: Results) -> None:
    assert numbers(compare(comparison(table), tmp_path, command=[], workers=2)) == numbers(
        undisturbed
    )


def test_an_interrupted_run_resumes_and_repeats_nothing(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: Results
) -> None:
    trained: list[Assignment] = []
    run_trial = module.run_trial

    def counting(config: Comparison, features: None, assignment: Assignment) -> Finished:
        trained.append(assignment)
        return run_trial(config, features, assignment)

    monkeypatch.setattr(module, "run_trial", counting)
    stored: list[bool] = []

    def stop_after(limit: int) -> None:
        def on_trial(_: Assignment, __: Finished, was_stored: bool) -> None:
            stored.append(was_stored)
            if stored.count(False) == limit:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            compare(comparison(table), tmp_path, command=[], on_trial=on_trial)

    stop_after(5)
    stop_after(9)
    assert not (tmp_path / "results.json").exists()
    stored.clear()
    results = compare(
        comparison(table), tmp_path, command=[], on_trial=lambda _, __, old: stored.append(old)
    )
    assert (stored.count(True), stored.count(False)) == (9, 36 - 9)
    assert len(trained) == len(set(trained)) == 36
    assert numbers(results) == numbers(undisturbed), "the same seeds give the same numbers"


def test_two_processes_share_the_work(table: str, tmp_path: Path, undisturbed: Results) -> None:
    options = ["--target", "kind", "--methods", ",".join(METHOD_NAMES), "--hidden", "4"]
    options += ["--trials", "2", "--seeds", "2", "--epochs", "10", "--workers", "1"]
    out = tmp_path / "out"
    command = ["compare", "--data", table, *options, "--out", str(out)]
    both = [start(command, tmp_path / f"{k}.txt") for k in range(2)]
    assert [process.wait(300) for process in both] == [0, 0]
    found = Results.model_validate_json((out / "results.json").read_text())
    assert numbers(found) == numbers(undisturbed)
    with closing(sqlite3.connect(out / TRIALS)) as store:
        assert store.execute("SELECT count(*) FROM trials").fetchone() == (36,)


def test_a_finished_comparison_trains_nothing(
    small: Comparison,
    finished: tuple[Path, Results],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, first = finished
    shutil.copytree(folder, tmp_path / "again")
    monkeypatch.setattr(module, "run_trial", pytest.fail)
    again = compare(small, tmp_path / "again", command=[])
    assert again.model_dump(exclude={"created"}) == first.model_dump(exclude={"created"})


def contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_another_configuration_keeps_out(small: Comparison, finished: tuple[Path, Results]) -> None:
    folder, _ = finished
    before = contents(folder)
    with pytest.raises(FolderError, match="epochs was 10, now 11"):
        compare(small.model_copy(update={"epochs": 11}), folder, command=[])
    assert contents(folder) == before


def test_accuracy_and_mini_batches_and_a_linear_model(table: str, tmp_path: Path) -> None:
    changes: dict[str, object] = {"metric": "accuracy", "methods": ("logistic",), "seeds": 1}
    changes |= {"batch": 30, "batch_positives": 10, "hidden": ()}
    results = compare(comparison(table, **changes), tmp_path, command=[])
    assert results.metric.name == "accuracy"
    # No line tells the middle class from the other two.
    assert all(run.test > 0.75 for run in results.runs if run.column in ("x", "z"))


@pytest.mark.parametrize("metric", ["f1", "roc-auc"])
def test_other_metrics_with_the_methods_that_train_on_them(
    table: str, tmp_path: Path, metric: str
) -> None:
    methods = all_methods(metric, grouped=False)
    changes: dict[str, object] = {"metric": metric, "methods": methods, "seeds": 1, "trials": 1}
    # At the middle of the grid the negative direction of F1 is slow to leave its start.
    changes |= {"epochs": 40, "positive": "x", "l2": (0.0,)}
    results = compare(comparison(table, **changes), tmp_path, command=[])
    assert [row.method for row in results.table.rows] == list(methods)
    # On the training part: that of the test has too few positives. Both are 0.5 by chance.
    learned = {run.method: run.history.train[-1] for run in results.runs}
    assert min(learned[name] for name in ("logistic", "neg", "mix")) > 0.6


@pytest.mark.parametrize("metric", ["ndcg", "ndcg:3", "average-precision"])
def test_queries_are_ranked_by_every_method(tmp_path: Path, metric: str) -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=(300, 3))
    frame = pd.DataFrame(values, columns=["a", "b", "c"])
    frame["query"] = np.arange(300) % 30
    frame["relevance"] = np.clip(np.round(values[:, 0] + 0.2 * values[:, 1]), 0, 2)
    frame.to_csv(tmp_path / "queries.csv", index=False)
    methods = all_methods(metric, grouped=True)
    changes: dict[str, object] = {"target": "relevance", "group": "query", "metric": metric}
    changes |= {"methods": methods, "seeds": 1, "trials": 1, "hidden": (), "epochs": 40}
    changes |= {"l2": (0.0,)}
    file = str(tmp_path / "queries.csv")
    results = compare(comparison(file, **changes), tmp_path / "out", command=[])
    assert results.columns == ["relevance"]
    test = {run.method: run.test for run in results.runs}
    assert test.keys() == set(methods)
    assert min(test[name] for name in ("regression", "listnet", "pos", "mix")) > 0.8
    assert results.runs[0].history.test[0] < max(test.values())


def test_a_diverging_trial_is_recorded_and_not_chosen(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tame, wild = plan(METHODS["logistic"], 2, seed=0)
    fit_config = Comparison.fit_config

    def exploding(self: Comparison, method: Method, settings: Settings, seed: int) -> FitConfig:
        factor = 1e30 if settings == wild else 1.0
        config = fit_config(self, method, settings, seed)
        return replace(config, learning_rate=factor * config.learning_rate)

    monkeypatch.setattr(Comparison, "fit_config", exploding)
    once = comparison(table, methods=("logistic",), seeds=1, epochs=20)
    results = compare(once, tmp_path, command=[])
    rates = {trial.settings.learning_rate: trial.diverged for trial in results.trials}
    assert rates == {tame.learning_rate: False, wild.learning_rate: True}
    assert all(run.settings.learning_rate == tame.learning_rate for run in results.runs)
    assert not any(run.diverged for run in results.runs)
    json.loads((tmp_path / "results.json").read_text(), parse_constant=pytest.fail)


def test_the_default_compares_cross_entropy_with_its_family_and_refining(
    table: str, tmp_path: Path
) -> None:
    changes: dict[str, object] = {"methods": ("default",), "positive": "x", "trials": 1, "seeds": 1}
    once = comparison(table, **changes, epochs=20)
    assert once.l2 == L2_GRID, "the help shows what the methods have"
    results = compare(once, tmp_path, command=[])
    assert results.methods == ["logistic", "tuned", "refine"]
    tried = Counter(trial.method for trial in results.trials)
    assert tried == {"logistic": 1, "tuned": 3, "refine": 1}
    tuned = [trial.settings for trial in results.trials if trial.method == "tuned"]
    assert {each.length for each in tuned} == {1.0, 3.0}
    refined = next(run for run in results.runs if run.method == "refine")
    assert 8 in refined.history.iteration, "there is an entry at the switch"
    assert refined.validation == max(refined.history.validation)


def test_the_weight_decays_are_the_users(table: str, tmp_path: Path) -> None:
    once = comparison(table, methods=("logistic", "pos-ap"), seeds=1, l2=(0.5,), positive="x")
    results = compare(once, tmp_path, command=[])
    assert {trial.settings.l2 for trial in results.trials} == {0.5}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"l2": ()}, "l2: got"),
        ({"l2": (0.1, 0.1)}, "l2: got"),
        ({"l2": (-1.0,)}, "l2: got -1.0"),
        ({"methods": ("logistic", "magic")}, "methods: got 'magic', wanted some of logistic"),
        ({"methods": ()}, "methods"),
        ({"methods": ("pos-ap", "pos-ap")}, "methods: got pos-ap, pos-ap, wanted distinct"),
        ({"metric": "magic"}, "metric: got 'magic'"),
        ({"trials": 0}, "trials: got 0"),
        ({"trials": 1000}, "trials: got 1000, wanted at most .*: logistic has no more settings"),
        ({"seeds": 0}, "seeds: got 0"),
        ({"epochs": 0}, "epochs: got 0"),
        ({"hidden": (4, 0)}, "hidden: got 0"),
        ({"patience": 0}, "patience: got 0"),
        ({"batch_positives": 5}, "batch_positives: got 5, wanted `batch` with it"),
        ({"group": "a", "batch": 10}, "batch: got 10, wanted nothing, with `group`"),
        ({"group": "a", "positive": "x"}, "positive: got x, wanted nothing, with `group`"),
    ],
)
def test_bad_configurations_touch_nothing(
    table: str, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        compare(comparison(table, **changes), tmp_path / "out", command=[])
    assert not (tmp_path / "out").exists()


def test_trials_are_in_one_file(finished: tuple[Path, Results]) -> None:
    folder, _ = finished
    assert {file.name for file in folder.iterdir()} == {
        ".lock",
        "claims",
        "configuration.json",
        "results.csv",
        "results.json",
        TRIALS,
    }
