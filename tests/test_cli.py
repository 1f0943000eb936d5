from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from directloss.cli import main
from tests.command_process import start

RUN = [sys.executable, "-m", "directloss"]


def directloss(*arguments: str) -> None:
    """The script, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["directloss", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    assert not ended.value.code


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a table in it."""
    path = tmp_path_factory.mktemp("cli")
    generator = np.random.default_rng(0)
    rare = generator.random(200) < 0.2
    table = pd.DataFrame(generator.normal(size=(200, 2)) + rare[:, None], columns=["a", "b"])
    table["mixed"] = ["7"] * 199 + ["n/k"]
    table["y"] = np.where(rare, "sick", "well")
    table["zero"] = 0
    table.to_csv(path / "t.csv", index=False)
    table.drop(columns=["mixed", "zero"]).to_csv(path / "good.csv", index=False)
    (path / "taken").mkdir()
    (path / "taken" / ".lock").touch()
    (path / "taken" / "configuration.json").write_text('{"batch": 7}')
    return path


GOOD = ("compare", "--data", "good.csv", "--target", "y", "--hidden", "4", "--epochs", "10")


def test_compare_writes_the_folder_and_prints_the_table(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    small = ("--methods", "logistic,pos-ap", "--trials", "2", "--seeds", "2", "--workers", "1")
    directloss(*GOOD, *small, "--out", "out")
    output = capfd.readouterr().out
    assert "200 rows (120 training, 40 validation, 40 test), 2 features" in output
    results = json.loads((folder / "out" / "results.json").read_text())
    assert results["schema"] == 1
    assert results["command"] == ["directloss", *GOOD, *small, "--out", "out"]
    assert results["columns"] == ["y=sick"]
    table = output[output.index("\nmethod ") :].splitlines()
    for row in results["table"]["rows"]:
        (line,) = (line for line in table if line.startswith(f"{row['method']} "))
        assert f"{100 * row['cells'][0]['mean']:.2f}" in line
    page = folder / "out" / "report.html"
    assert str(page) in output
    assert page.read_text().lstrip().lower().startswith("<!doctype html>")


def test_a_killed_and_an_interrupted_run_resume(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    trials = 12  # so many that the run outlives a slow reader of its database
    command = [*GOOD, "--epochs", "100", "--methods", "logistic", "--trials", str(trials)]
    command += ["--seeds", "1", "--workers", "1", "--out", str(tmp_path / "out")]
    database = tmp_path / "out" / "trials.sqlite3"
    first = start(command, tmp_path / "said.txt")
    while not (before := _trials(database)):
        assert first.running(), first.text()
        time.sleep(0.01)
    first.kill()
    assert first.wait() == -signal.SIGKILL
    before = _trials(database)
    with subprocess.Popen(
        [*RUN, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as second:
        while len(_trials(database)) <= len(before):
            assert second.poll() is None, second.communicate()[1]
            time.sleep(0.01)
        second.send_signal(signal.SIGINT)
        _, errors = second.communicate(timeout=60)
    kept = _trials(database)
    assert before.items() < kept.items()
    assert len(kept) < trials
    assert second.returncode == 130
    assert errors == "stopped; finished trials are kept: the same command resumes\n"
    directloss(*command)
    finished = _trials(database)
    assert kept.items() <= finished.items(), "a finished trial was repeated"
    assert Counter(finished.values()) == Counter(range(trials))


def _trials(database: Path) -> dict[int, int]:
    """Optuna's trial id -> number in the plan."""
    if not database.exists():
        return {}
    query = "SELECT trial_id, value_json FROM trial_user_attributes WHERE key = 'number'"
    with closing(sqlite3.connect(database, timeout=0)) as connection:
        try:
            return {trial: int(number) for trial, number in connection.execute(query)}
        except sqlite3.OperationalError:  # no tables yet, or locked by the writer
            return {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "none.csv"), "--data: no file 'none.csv'"),
        (
            ("--data", "t.csv"),
            "--target: say which column of t.csv is the target: 'a', 'b', 'mixed'",
        ),
        (("--data", "t.csv", "--target", "x"), "--target: t.csv has no column 'x'"),
        (("--data", "t.csv", "--target", "zero"), "(1) --target: 'zero' is '0' in every row"),
        (
            ("--data", "t.csv", "--target", "y"),
            "--data: column 'mixed' holds numbers, but also the text 'n/k'",
        ),
        (
            ("--data", "t.csv", "--target", "y", "--positive", "ill"),
            "(1) --positive: 'y' has no value 'ill'; it has 'sick', 'well'",
        ),
        ((*GOOD[1:], "--methods", "magic"), "--methods: got 'magic', wanted some of logistic"),
        (
            (*GOOD[1:], "--metric", "magic"),
            "--metric: got 'magic', wanted one of accuracy, average-precision",
        ),
        ((*GOOD[1:], "--group", "q"), "--group: good.csv has no column 'q'; it has 'a', 'b', 'y'"),
        ((*GOOD[1:], "--group", "a"), "--target: 'y' holds 'well'; with --group every target"),
        ((*GOOD[1:], "--optimiser", "lion"), "--optimiser: got 'lion', wanted"),
        ((*GOOD[1:], "--hidden", "wide"), "--hidden: got 'wide', wanted a valid integer"),
        ((*GOOD[1:], "--out", "t.csv/out"), "--out: cannot write to t.csv/out: Not a directory"),
        ((*GOOD[1:], "--workers", "0"), "--workers: got 0"),
        ((*GOOD[1:], "--out", "taken"), "--out: taken holds another comparison (batch was 7"),
    ],
)
def test_bad_input_ends_with_one_line_and_exit_code_2(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(folder)
    before = set(folder.rglob("*"))
    monkeypatch.setattr(sys, "argv", ["directloss", "compare", "--out", "bad", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    output, errors = capfd.readouterr()
    assert len(output.splitlines()) <= 1, "at most the line that describes the data"
    (line,) = errors.splitlines()
    assert line.startswith(f"directloss: {message}")
    assert set(folder.rglob("*")) == before


def test_help_needs_no_heavy_import() -> None:
    code = (
        "import sys, directloss.cli._app; "
        "print({'pandas', 'sklearn', 'optuna', 'accelerate', 'plotly'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    done = subprocess.run([*RUN, "compare", "--help"], capture_output=True, text=True, check=True)
    assert "--split-column" in done.stdout


def test_a_real_imbalanced_table(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = data_dir / "imbalanced" / "mammography.csv.gz"
    target = pd.read_csv(file, nrows=0).columns[-1]
    directloss(
        *("compare", "--data", str(file), "--target", target, "--methods", "logistic,pos-ap"),
        *("--trials", "1", "--seeds", "1", "--epochs", "60", "--hidden", "16"),
        *("--workers", "1"),
    )
    results = json.loads((tmp_path / "runs/compare-mammography/results.json").read_text())
    assert all(run["test"] > 10 * 0.023 for run in results["runs"])
    assert os.path.exists(tmp_path / "runs/compare-mammography/report.html")
