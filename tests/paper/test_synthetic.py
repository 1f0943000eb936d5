from __future__ import annotations

import json
import random
import sqlite3
import time
from collections import Counter
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from directloss.cli._app import app
from directloss.errors import ArgumentError
from directloss.paper.synthetic import columns, profiles
from directloss.paper.synthetic import study as module
from directloss.paper.synthetic.candidates import (
    ADDED,
    GRIDS,
    LARGE_EPSILON,
    NOISE,
    PAPER,
    SMALL_START,
    candidate,
)
from directloss.paper.synthetic.config import TUNING_SEED, StudyConfig
from directloss.paper.synthetic.results import RULES, StudyResults
from directloss.paper.synthetic.student import Student
from directloss.paper.synthetic.study import run_study
from directloss.paper.synthetic.trial import (
    draw,
    make_student,
    run_trial,
)
from directloss.study.assignments import Assignment
from directloss.study.folder import FolderError
from directloss.study.workers import process_context
from directloss.training.search import Finished, plan

TINY = StudyConfig(
    kind="synthetic",
    hidden=(4,),
    features=3,
    points=200,
    settings=("fair",),
    flips=(0.25,),
    methods=("logistic", "pos-ap", "neg-ap"),
    seeds=2,
    trials=2,
    iterations=8,
)


def numbers(results: StudyResults) -> dict[str, object]:
    """All that must be the same whenever and wherever the study runs."""
    content = results.model_dump(exclude={"created", "command"})
    for run in content["runs"]:
        del run["seconds"]
    return content


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `undisturbed`."""
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def undisturbed(out: Path) -> StudyResults:
    return run_study(TINY, out, command=["directloss"])


def test_every_method_of_a_column_has_the_same_trials(undisturbed: StudyResults) -> None:
    trials = Counter((trial.column, trial.method) for trial in undisturbed.trials)
    wanted = {
        (column.name, method): column.trials
        for column in TINY.columns()
        for method in column.methods
    }
    assert trials == wanted
    assert {trial.seed for trial in undisturbed.trials} == {TUNING_SEED}
    assert {run.seed for run in undisturbed.runs} == {0, 1}, "the tuning seed is not reported"


def test_each_rule_chooses_its_best_trial(undisturbed: StudyResults) -> None:
    for rule in RULES:
        for run in undisturbed.chosen(rule):
            tried = [
                trial
                for trial in undisturbed.trials
                if (trial.column, trial.method) == (run.column, run.method)
            ]
            key = "train" if rule == "training" else "validation"
            best = max(tried, key=lambda trial: (getattr(trial, key), -trial.number))
            assert run.settings == best.settings
        cells = Counter((run.column, run.method) for run in undisturbed.chosen(rule))
        assert set(cells.values()) == {TINY.seeds}, "one run a seed for either rule"


def test_the_file_holds_the_results(out: Path, undisturbed: StudyResults) -> None:
    assert StudyResults.model_validate_json((out / "results.json").read_bytes()) == undisturbed


def test_a_finished_study_trains_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = TINY.model_copy(update={"methods": ("logistic",), "settings": ("fair",), "flips": ()})
    first = run_study(small, tmp_path, command=[])
    monkeypatch.setattr(module, "run_trial", pytest.fail)
    assert numbers(run_study(small, tmp_path, command=[])) == numbers(first)
    with pytest.raises(FolderError, match="iterations was 8, now 9"):
        run_study(small.model_copy(update={"iterations": 9}), tmp_path, command=[])


def work(folder: Path) -> None:
    torch.set_num_threads(1)
    run_study(TINY, folder, command=["directloss"])


def start(folder: Path) -> BaseProcess:
    process: BaseProcess = process_context().Process(target=work, args=(folder,))
    process.start()
    return process


def stored_trials(folder: Path) -> int:
    file = folder / "trials.sqlite3"
    if not file.exists():
        return 0
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as store:
        try:
            return int(store.execute("select count(*) from trials").fetchone()[0])
        except sqlite3.OperationalError:  # the table is just being made
            return 0


def test_killed_three_times_the_study_ends_with_the_same_numbers(
    tmp_path: Path, undisturbed: StudyResults
) -> None:
    moments = random.Random(0)
    for _ in range(3):
        before = stored_trials(tmp_path)
        process = start(tmp_path)
        while process.is_alive() and stored_trials(tmp_path) <= before:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.5))
        process.kill()
        process.join()
    ran: list[bool] = []
    results = run_study(
        TINY,
        tmp_path,
        command=["directloss"],
        on_trial=lambda _, __, elsewhere: ran.append(elsewhere),
    )
    assert any(ran), "nothing was kept of the killed processes"
    assert numbers(results) == numbers(undisturbed)


def test_two_processes_give_the_same_study(tmp_path: Path, undisturbed: StudyResults) -> None:
    other = start(tmp_path)
    ran: list[tuple[Assignment, bool]] = []

    def note(assignment: Assignment, _: Finished, elsewhere: bool) -> None:
        ran.append((assignment, elsewhere))

    results = run_study(TINY, tmp_path, command=["directloss"], on_trial=note)
    other.join(120)
    assert other.exitcode == 0
    assert numbers(results) == numbers(undisturbed), "the same seeds give the same numbers"
    assert len(ran) == len({assignment for assignment, _ in ran}), "a trial was told twice"
    assert len(ran) == len(undisturbed.trials) + len(undisturbed.runs)


# ---------------------------------------------------------------------------- columns and methods


@pytest.mark.parametrize("kind", ["synthetic", "linear"])
@pytest.mark.parametrize("profile", [profiles.quick, profiles.default, profiles.full])
def test_profiles_are_sound(profile: object, kind: str) -> None:
    config = profile(kind)  # type: ignore[operator]
    config.check()
    for column in config.columns():
        assert column.grid in GRIDS
        for name in column.methods:
            grid_size = candidate(name, column.grid).method.grid_size
            assert column.trials <= grid_size, (column.name, name)
        if profile is not profiles.quick and (column.setting == "fair"):
            assert column.seeds >= 5


def test_the_fair_setting_has_fifteen_methods_and_noise_eight() -> None:
    assert len(PAPER) == 9
    assert len(columns.FAIR.methods) == len({*PAPER, *ADDED}) == 15
    assert len(NOISE) == 8
    assert columns.label_noise(0.3).flips == 0.3


def test_under_noise_the_negative_direction_tries_both_rates_and_all_epsilons() -> None:
    column = columns.label_noise(0.2)
    tried = plan(candidate("neg-ap", column.grid).method, column.trials, TUNING_SEED)
    assert {(each.learning_rate, each.epsilon) for each in tried} == {
        (0.03, 0.003),
        (0.03, 0.01),
        (0.01, 0.03),
        (0.01, 0.1),
    }


def test_all_methods_start_from_the_same_network_but_the_control() -> None:
    column = TINY.columns()[0]
    first, second, control = (
        make_student(TINY, column, candidate(name), 0)
        for name in ("logistic", "pos-ap", "logistic-regularised")
    )
    features = draw(TINY, 0.0, 0).train.features
    assert torch.equal(first(features), second(features))
    assert float(first(features).detach().std(correction=0)) == pytest.approx(1.0, rel=1e-5)
    spread = float(control(features).detach().std(correction=0))
    assert spread == pytest.approx(SMALL_START, rel=1e-5)


def test_the_settings_differ_as_they_say() -> None:
    def student(column: columns.Column) -> Student:
        return make_student(
            StudyConfig(kind="synthetic", settings=("fair",), flips=()),
            column,
            candidate("pos-ap"),
            0,
        )

    fair, literal, bias_free = map(student, (columns.FAIR, columns.LITERAL, columns.BIAS_FREE))
    assert not bias_free.biases
    assert all(bias.abs().max() == 0 for bias in fair.biases)
    assert all(bias.abs().max() > 0 for bias in literal.biases)
    drawn = torch.cat([weight.detach().reshape(-1) for weight in literal.weights])
    # Over 300 draws: the deviation of a deviation is 0.04.
    assert float(drawn.std()) == pytest.approx(1.0, abs=0.2)
    assert candidate("pos-ap", "large-step").method.grid["epsilon"] == (LARGE_EPSILON,)


def test_explanations_leave_numbers_of_steps_to_those_who_know_them() -> None:
    # `--iterations` and the profiles change them; the page tells them beside the explanation.
    for column in (*columns.NETWORK_SETTINGS.values(), *columns.LINEAR_SETTINGS.values()):
        assert "iterations" not in column.explanation
        assert "steps" not in column.explanation


def test_data_are_paired_and_flips_stay_out_of_the_test_labels() -> None:
    clean, noisy = draw(TINY, 0.0, 0), draw(TINY, 0.25, 0)
    assert torch.equal(clean.train.features, noisy.train.features)
    assert torch.equal(clean.test.targets, noisy.test.targets)
    assert torch.equal(noisy.test.features, noisy.validation.features)
    assert (clean.train.targets != noisy.train.targets).sum() == 25
    assert (noisy.validation.targets != noisy.test.targets).sum() == 25
    assert torch.equal(clean.validation.targets, clean.test.targets)
    assert not torch.equal(draw(TINY, 0.0, 1).train.features, clean.train.features)


def test_a_student_is_the_network_that_it_says() -> None:
    student = Student(3, (5,), biases=True, start="gaussian", generator=torch.Generator())
    features = torch.randn(7, 3)
    first, last = student.weights
    hidden = torch.relu(features @ first.t() + student.biases[0])
    assert torch.allclose(student(features), (hidden @ last.t() + student.biases[1])[:, 0])


def test_accuracy_is_measured_at_the_threshold_of_training() -> None:
    cell = module.Cell("pos-ap", "fair", 0)
    settings = module.plan(candidate("pos-ap").method, 1, 0)[0]
    config = TINY.model_copy(update={"iterations": 40, "points": 400})
    finished = run_trial(config, Assignment(cell, 0, settings))
    history = finished.notes["history"]
    assert len(finished.notes["accuracy"]) == len(history["iteration"])
    assert finished.notes["accuracy"] == finished.notes["accuracy_flipped"], "there are no flips"
    # Better than calling all of them negative, which an unfitted threshold may well be worse than.
    assert finished.notes["accuracy"][-1] > 0.8
    assert history["test"] == history["validation"]


def test_rates_follow_the_size_of_the_gradient() -> None:
    assert candidate("pos-ap").rate_factor(0.1, 50.0) == 1.0
    assert candidate("pos-ap").rate_factor(30.0, 1.0) == 30.0
    assert candidate("logistic").rate_factor(None, 50.0) == 1 / 50
    assert candidate("smooth-ap").rate_factor(0.1, 50.0) == 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": ("magic",)}, "settings: got 'magic', wanted some of fair"),
        ({"settings": ()}, "settings"),
        ({"flips": (1.5,)}, "flips: got 1.5"),
        ({"flips": (0.1, 0.1)}, "flips"),
        ({"methods": ("magic",)}, "methods: got 'magic'"),
        ({"points": 101}, "points: got 101"),
        ({"positives": 0.0}, "positives: got 0.0"),
        ({"seeds": 0}, "seeds: got 0"),
        ({"seeds": 2000}, "seeds: got 2000"),
        ({"hidden": (4, 0)}, "hidden: got 0"),
    ],
)
def test_bad_configurations_touch_nothing(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        run_study(TINY.model_copy(update=changes), tmp_path / "out", command=[])
    assert not (tmp_path / "out").exists()


def test_the_command_writes_table_page_and_figures(tmp_path: Path) -> None:
    small = ["--points", "200", "--iterations", "4", "--settings", "large step", "--flips", "0.2"]
    small += ["--methods", "pos-ap,neg-ap", "--trials", "1", "--seeds", "2", "--workers", "1"]
    run = CliRunner().invoke(app, ["experiment", "linear", *small, "--out", str(tmp_path)])
    assert run.exit_code == 0, run.output
    results = json.loads((tmp_path / "results.json").read_text(), parse_constant=pytest.fail)
    assert [column["name"] for column in results["columns"]] == [
        "large step",
        "large step, 20 % flips",
    ]
    assert "<svg" in (tmp_path / "figures" / "large-step-20-flips.svg").read_text()
    assert (tmp_path / "figures" / "large-step.png").stat().st_size > 1000
    page = (tmp_path / "report.html").read_text()
    for claim in results["claims"]:
        assert claim["verdict"] in page
        assert f"{claim['name']}: " in run.output


def test_quick_and_full_exclude_each_other() -> None:
    run = CliRunner().invoke(app, ["experiment", "synthetic", "--quick", "--full"])
    assert run.exit_code == 2
    assert "--quick and --full" in run.output


def test_names_of_columns_are_distinct() -> None:
    for config in (profiles.default("synthetic"), profiles.default("linear")):
        names = [column.name for column in config.columns()]
        assert len(set(names)) == len(names)
        settings = {column.setting for column in config.columns()}
        assert settings == set(config.settings)
