from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from directloss.cli._app import app
from directloss.datasets import DataError, fingerprint
from directloss.errors import DirectLossError
from directloss.jobs.config import read_configuration
from directloss.jobs.winner import winner
from directloss.report.schema import Results
from directloss.study.compare import compare
from directloss.study.config import Comparison

METHODS = ("logistic", "refine", "pos")


def compared(folder: Path, name: str, **changes: object) -> Results:
    data = str(folder / "t.csv")
    options: dict[str, object] = {
        "data": data,
        "data_sha256": fingerprint(data),
        "target": name,
        "methods": METHODS,
        "metric": "roc-auc",
        "hidden": (4,),
        "drop": ("id",),
        "trials": 3,
        "seeds": 2,
        "epochs": 12,
        **changes,
    }
    return compare(Comparison.model_validate(options), folder / name, command=["compare"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table, with a comparison of two classes in `sick` and one of three in `kind`."""
    path = tmp_path_factory.mktemp("comparisons")
    generator = np.random.default_rng(5)
    kind = generator.integers(0, 3, 240)
    frame = pd.DataFrame(generator.normal(size=(240, 3)) + kind[:, None], columns=["a", "b", "c"])
    frame["id"] = np.arange(240)
    frame["sick"] = (kind == 2).astype(int)
    frame["kind"] = np.array(["x", "y", "z"])[kind]
    frame.to_csv(path / "t.csv", index=False)
    compared(path, "sick", drop=("id", "kind"))
    compared(path, "kind", drop=("id", "sick"), trials=1)
    return path


def results_of(folder: Path) -> Results:
    return Results.model_validate_json((folder / "results.json").read_bytes())


def directloss(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    return done.exit_code, done.output


@pytest.mark.parametrize("seed", [0, 1])
def test_the_winner_is_trained_to_the_numbers_of_the_comparison(
    folder: Path, tmp_path: Path, seed: int
) -> None:
    results = results_of(folder / "sick")

    def validation(method: str) -> float:
        return fmean(run.validation for run in results.runs if run.method == method)

    best = max(METHODS, key=validation)
    (run,) = (run for run in results.runs if (run.method, run.seed) == (best, seed))
    code, text = directloss("train", "--from", folder / "sick", "--seed", seed, "--out", tmp_path)
    assert code == 0, text
    assert best in text and f"{100 * validation(best):.2f}" in " ".join(text.split())
    measured = json.loads((tmp_path / "metrics.json").read_text())
    assert measured["validation"] == pytest.approx(run.validation, abs=1e-3)
    assert measured["test"] == pytest.approx(run.test, abs=1e-3)
    configuration = read_configuration(tmp_path / "configuration.toml")
    assert configuration.training.method == best
    assert configuration.training.learning_rate == run.settings.learning_rate
    assert configuration.training.l2 == run.settings.l2
    assert configuration.training.metric == "roc-auc"
    assert (configuration.data.target, configuration.data.drop) == ("sick", ("id", "kind"))
    assert configuration.model.hidden == (4,)


def test_what_the_user_says_wins(folder: Path, tmp_path: Path) -> None:
    code, text = directloss(
        *("train", "--from", folder / "sick", "--method", "pos", "--lr", 0.7, "--epochs", 2),
        *("--hidden", "none", "--metric", "f1", "--out", tmp_path),
    )
    assert code == 0, text
    found = read_configuration(tmp_path / "configuration.toml")
    (run,) = (r for r in results_of(folder / "sick").runs if (r.method, r.seed) == ("pos", 0))
    assert found.training.method == "pos"
    assert found.training.epsilon == run.settings.epsilon
    assert (found.training.learning_rate, found.training.epochs) == (0.7, 2)
    assert (found.model.hidden, found.training.metric) == ((), "f1")


def test_of_several_columns_one_is_named(folder: Path) -> None:
    runs = [run for run in results_of(folder / "kind").runs if run.column == "y"]
    means = {name: fmean(r.validation for r in runs if r.method == name) for name in METHODS}
    found = winner(folder / "kind", {"positive": "y"})
    assert found.arguments["method"] == max(means, key=means.__getitem__)
    assert found.arguments["positive"] == "y"
    assert "is split by one class, and its parts are drawn anew" in found.words
    assert "drawn anew" not in winner(folder / "sick", {}).words
    with pytest.raises(DirectLossError, match=r"^positive: got none, wanted one .*: x, y, z$"):
        winner(folder / "kind", {})


def test_the_length_of_a_setting_is_in_the_epochs(folder: Path) -> None:
    results = compared(folder, "long", target="sick", methods=("tuned",), trials=1)
    (run,) = (run for run in results.runs if run.seed == 1)
    found = winner(folder / "long", {"seed": 1}).arguments
    assert found["epochs"] == 12 * run.settings.length
    assert (found["balance"], found["optimiser"]) == (run.settings.balance, "adam")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seed": 2}, r"^seed: got 2, wanted 0 to 1"),
        ({"method": "neg"}, r"^method: got 'neg', wanted one that was compared: logistic, "),
    ],
)
def test_what_was_not_compared_has_no_settings(
    folder: Path, given: dict[str, object], message: str
) -> None:
    with pytest.raises(DirectLossError, match=message):
        winner(folder / "sick", given)


def test_changed_data_are_refused_unless_others_are_named(folder: Path, tmp_path: Path) -> None:
    table = folder / "t.csv"
    before = table.read_bytes()
    try:
        table.write_bytes(before + b"0,0,0,9,0,x\n")
        with pytest.raises(DataError, match=r"^data: .* has changed since the comparison"):
            winner(folder / "sick", {})
        winner(folder / "sick", {"data": str(table)})
    finally:
        table.write_bytes(before)


def unfinished(folder: Path) -> None:
    (folder / "configuration.json").write_text("{}")


def foreign(folder: Path) -> None:
    (folder / "results.json").write_text('{"schema": 1, "rows": []}')


def of_another_study(folder: Path) -> None:
    (folder / "results.json").write_text("not JSON")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder.rmdir(), r"^comparison: there is no folder"),
        (lambda _: None, r"^comparison: .* holds no comparison$"),
        (unfinished, r"^comparison: .* it has not ended; the command that began it ends it$"),
        (foreign, r"^comparison: .* is not that of a comparison: title: Field required$"),
        (of_another_study, r"^comparison: .* is not that of a comparison: content: Invalid JSON"),
    ],
)
def test_a_folder_without_a_finished_comparison(
    make: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    make(folder)
    with pytest.raises(DirectLossError, match=message):
        winner(folder, {})


def test_results_of_another_study_are_refused(folder: Path, tmp_path: Path) -> None:
    results = results_of(folder / "sick").model_copy(update={"configuration": {"voc": "x"}})
    (tmp_path / "results.json").write_text(results.to_json())
    with pytest.raises(DirectLossError, match=r"^comparison: .*: voc: Extra inputs"):
        winner(tmp_path, {})


def test_the_command_names_its_option(folder: Path, tmp_path: Path) -> None:
    code, text = directloss("train", "--from", tmp_path / "none")
    assert (code, text.startswith("directloss: --from: there is no folder")) == (2, True)
    (tmp_path / "c.toml").write_text("")
    code, text = directloss("train", "--from", folder / "sick", "--config", tmp_path / "c.toml")
    assert code == 2
    assert "--from: got a comparison and a file of settings, wanted one of them" in text
