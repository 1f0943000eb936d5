"""The whole pipeline by its command, on a small drawn data set."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from directloss.cli._app import app
from directloss.paper.detection.config import DetectionConfig
from directloss.paper.detection.results import DetectionResults
from tests.paper.detection.drawn import TEST, TRAIN, draw_voc

METHODS = ("softmax", "logistic", "pos-ap")

SMALL = (
    *("--weights", "random", "--side", "96", "--workers", "1", "--iterations", "40"),
    *("--batch", "128", "--learning-rates", "0.03,0.1", "--seeds", "2", "--resamples", "20"),
)


def run(voc: Path, folder: Path, *options: str, out: str = "out") -> Result:
    return CliRunner().invoke(
        app,
        [
            *("experiment", "detection", "--voc", str(voc)),
            *("--cache", str(folder / "cache"), "--out", str(folder / out)),
            *options,
        ],
    )


@pytest.fixture(scope="module")
def voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_voc(tmp_path_factory.mktemp("data") / "drawn")


@pytest.fixture(scope="module")
def folder(voc: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one run has left behind."""
    path = tmp_path_factory.mktemp("detection")
    done = run(voc, path, *SMALL)
    assert done.exit_code == 0, done.output
    (path / "printed.txt").write_text(done.output)
    return path


@pytest.fixture(scope="module")
def results(folder: Path) -> DetectionResults:
    return DetectionResults.model_validate_json((folder / "out" / "results.json").read_text())


def test_the_table_has_the_form_of_the_paper(folder: Path, results: DetectionResults) -> None:
    assert results.classes == ["disc", "square"]
    assert [row.method for row in results.table.rows] == list(METHODS)
    for row in results.table.rows:
        means = [cell.mean for cell in row.cells]
        assert row.average.mean == pytest.approx(np.mean(means))
        assert all(0 <= mean <= 1 for mean in means)
    # Colours are easy even for a network with random weights.
    assert max(row.average.mean for row in results.table.rows) > 0.5
    lines = (folder / "out" / "table.md").read_text().splitlines()
    assert lines[0] == "| method | disc | square | mean |"
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        *(f"| {name}" for name in METHODS),
        "| recall of proposals",
    ]
    printed = (folder / "printed.txt").read_text()
    for row in results.table.rows:
        assert re.search(rf"{row.method} .*{100 * row.average.mean:.1f}", printed)


def test_settings_were_chosen_on_held_out_images(results: DetectionResults) -> None:
    for each in results.summaries:
        assert set(each.held_out) == {"0.03", "0.1"}
        assert each.held_out[f"{each.learning_rate:g}"] == max(each.held_out.values())


def test_intervals_hold_the_mean_and_the_first_method_differs_from_itself_by_nothing(
    results: DetectionResults,
) -> None:
    for row, each in zip(results.table.rows, results.summaries, strict=True):
        assert each.mean_ap.low <= row.average.mean <= each.mean_ap.high
        first = results.table.rows[0].average.mean
        assert each.difference == pytest.approx(row.average.mean - first)
    nothing = results.summaries[0].difference_interval
    assert (nothing.low, nothing.high) == (0, 0)


def test_the_unusable_is_told_in_a_line_each_and_the_rest_is_used(
    folder: Path, results: DetectionResults
) -> None:
    assert results.data.train_images == TRAIN - 1
    assert results.data.test_images == TEST
    assert len(results.remarks) == 3
    printed = (folder / "printed.txt").read_text().splitlines()
    for file in ("image00.jpg", "image01.xml", "image02.xml"):
        assert sum(file in line for line in printed) == 1


def test_stages_are_counted(results: DetectionResults) -> None:
    items = {stage.name: stage.items for stage in results.stages}
    heads = 1 + 2 + 2  # of a seed and a learning rate
    assert items == {
        "proposals": TRAIN + TEST,
        "features": TRAIN - 1 + TEST,
        "training": 4 * heads,
        "detection": round((TRAIN - 1) / 3) + TEST,
    }
    assert all(stage.peak_megabytes > 10 for stage in results.stages)


def test_the_page_shows_table_curves_and_pictures(folder: Path) -> None:
    page = (folder / "out" / "report.html").read_text()
    assert page.count("<polyline") == 2 * len(METHODS)
    assert page.count("data:image/jpeg;base64,") > 4
    assert "http" not in page.replace("http-equiv", "")
    assert re.search(r"<time datetime=[^>]*>\d{4}-\d\d-\d\d \d\d:\d\d UTC</time>", page)


def test_the_same_command_again_does_nothing_again(
    voc: Path, folder: Path, results: DetectionResults
) -> None:
    files = {file: file.stat().st_mtime_ns for file in (folder / "cache").rglob("*.npz")}
    done = run(voc, folder, *SMALL)
    assert done.exit_code == 0, done.output
    assert {file: file.stat().st_mtime_ns for file in (folder / "cache").rglob("*.npz")} == files
    again = DetectionResults.model_validate_json((folder / "out" / "results.json").read_text())
    assert again.model_dump(exclude={"created"}) == results.model_dump(exclude={"created"})


def test_what_is_missing_is_made_to_the_same_numbers(
    voc: Path, folder: Path, results: DetectionResults
) -> None:
    for stage in ("proposals", "features", "heads", "detections"):
        files = sorted((folder / "cache" / stage).iterdir())
        for file in files[::3]:
            file.unlink()
    done = run(voc, folder, *SMALL)
    assert done.exit_code == 0, done.output
    again = DetectionResults.model_validate_json((folder / "out" / "results.json").read_text())
    assert again.table == results.table
    assert again.summaries == results.summaries


def test_features_of_crops(voc: Path, tmp_path: Path) -> None:
    few = ("--images", "3", "--proposals", "6", "--background", "4", "--iterations", "10")
    options = (*SMALL, *few, "--features", "crops", "--learning-rates", "0.1", "--seeds", "1")
    done = run(voc, tmp_path, *options)
    assert done.exit_code == 0, done.output
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["data"]["features"] == 512
    assert results["data"]["test_boxes"] == 18
    assert results["summaries"][0]["held_out"] == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--classes", "cat"], "--classes: got 'cat', wanted some of disc, square"),
        (["--methods", "softmax,svm"], "--methods: .*'svm' is none of softmax, logistic"),
        (["--learning-rates", "0.1,fast"], "--learning-rates: got 'fast'"),
        (["--positives", "1.5"], "--positives: got 1.5"),
        (["--test-split", "train"], "--test-split: .*shares image00"),
        (["--train-split", "nowhere"], "--train-split or .*its splits are train, val"),
        # What costs no network is looked at before the network.
        (["--train-split", "nowhere", "--weights", "gone.pt"], "its splits are train, val"),
        (["--workers", "0"], "--workers: got 0, wanted 1 or more"),
        (["--backbone", "perceptron"], "--backbone"),
    ],
)
def test_one_line_says_what_to_mend(
    voc: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    done = run(voc, tmp_path, *SMALL, *options)
    assert done.exit_code == 2
    assert re.search(message, done.stderr)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("module", "package"),
    [("torchvision", "torchvision"), ("cv2", "opencv-contrib-python-headless")],
)
def test_a_missing_package_is_named(
    voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    done = run(voc, tmp_path, *SMALL)
    assert done.exit_code == 2
    wanted = f"directloss: experiment detection needs {package}: pip install 'directloss[voc]'\n"
    assert done.stderr == wanted


def test_the_defaults_are_those_of_the_paper_in_the_command_and_in_the_configuration() -> None:
    config = DetectionConfig(voc="")
    assert (config.batch, config.epsilon, config.learning_rates) == (512, 0.1, (0.1,))
    assert (config.l2, config.positives, config.suppression) == (1e-7, 0.25, 0.3)
    assert config.methods == METHODS


def test_a_folder_that_is_not_vocs_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, tmp_path, *SMALL)
    assert done.exit_code == 2
    assert "has no folder JPEGImages" in done.stderr


def test_training_images_that_are_all_unreadable_are_an_error(voc: Path, tmp_path: Path) -> None:
    copy = tmp_path / "voc"
    shutil.copytree(voc, copy)
    for number in range(TRAIN):
        file = copy / "JPEGImages" / f"image{number:02}.jpg"
        file.write_bytes(file.read_bytes()[:1500])
    done = run(copy, tmp_path, *SMALL)
    assert done.exit_code == 2
    assert "no image of the split 'train' can be decoded" in done.stderr
