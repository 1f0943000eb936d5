"""A folder of images is compared on features of a frozen backbone, and trained so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from directloss.cli._app import app
from directloss.datasets import fingerprint
from directloss.errors import ArgumentError
from directloss.jobs.winner import winner
from directloss.report.schema import Results
from directloss.study import images as module
from directloss.study.compare import compare
from directloss.study.config import Comparison
from directloss.study.images import FEATURES, make_features
from directloss.study.stages import load_arrays

pytest.importorskip("torchvision", reason="backbones need directloss[images]")

NETWORK = {"backbone": "squeezenet1_1", "weights": "random", "image_size": 64}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of noise that differ in brightness."""
    folder = tmp_path_factory.mktemp("images") / "photos"
    generator = np.random.default_rng(0)
    for name, level in (("dark", 90), ("grey", 120), ("light", 150)):
        (folder / name).mkdir(parents=True)
        for k in range(10):
            pixels = generator.integers(level - 60, level + 60, (40, 30, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{k}.png")
    return folder


def comparison(photos: Path, **changes: object) -> Comparison:
    data = str(photos)
    options: dict[str, object] = {"data": data, "data_sha256": fingerprint(data), **NETWORK}
    options |= {"methods": ("logistic", "pos"), "hidden": (4,), "trials": 2, "seeds": 2}
    return Comparison.model_validate(options | {"epochs": 8} | changes)


def directloss(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    return done.exit_code, done.output


def numbers(results: Results) -> list[tuple[object, ...]]:
    return [(r.method, r.column, r.seed, r.settings, r.validation, r.test) for r in results.runs]


def test_each_class_is_told_from_the_rest_whatever_the_workers(
    photos: Path, tmp_path: Path
) -> None:
    wanted = comparison(photos)
    results = compare(wanted, tmp_path / "one", command=[])
    assert results.columns == ["dark", "grey", "light"]
    assert len(results.runs) == 2 * 3 * 2
    shared = compare(wanted, tmp_path / "two", command=[], workers=2)
    assert numbers(shared) == numbers(results)


def test_parts_that_are_folders_stay_for_the_winner(photos: Path, tmp_path: Path) -> None:
    parted = tmp_path / "parted"
    for file in photos.rglob("*.png"):
        part = ("train", "validation", "test")[int(file.stem) % 3]
        to = parted / part / file.parent.name / file.name
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(file.read_bytes())
    few: dict[str, object] = {"methods": ("logistic",), "trials": 1, "seeds": 1, "epochs": 1}
    for folder, drawn_anew in ((photos, True), (parted, False)):
        compare(comparison(folder, **few), tmp_path / f"compared-{folder.name}", command=[])
        words = winner(tmp_path / f"compared-{folder.name}", {"positive": "light"}).words
        assert ("drawn anew" in words) == drawn_anew


def test_features_are_computed_once(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = comparison(photos, positive="light", seeds=1)
    file = make_features(wanted, tmp_path)
    compare(wanted, tmp_path, command=[])
    assert list(tmp_path.glob("features*")) == [file]
    monkeypatch.setattr(module, "features_of_images", lambda *_: torch.zeros(30, 2))
    assert make_features(wanted, tmp_path) == file
    assert load_arrays(file)[FEATURES].shape == (30, 512), "nothing is made anew"
    other = make_features(comparison(photos, image_size=80), tmp_path)
    assert load_arrays(other)[FEATURES].shape == (30, 2)


@pytest.fixture(scope="module")
def compared(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    """A folder, only to be read, and its results."""
    folder = tmp_path_factory.mktemp("compared")
    return folder, compare(comparison(photos, positive="light"), folder, command=[])


@pytest.mark.parametrize("seed", [0, 1])
def test_the_winner_is_trained_to_the_numbers_of_the_comparison(
    compared: tuple[Path, Results], tmp_path: Path, seed: int
) -> None:
    folder, results = compared
    code, text = directloss(
        *("train", "--from", folder, "--method", "pos", "--seed", seed),
        *("--out", tmp_path / "m"),
    )
    assert code == 0, text
    assert "30 images" in text
    assert "drawn anew" not in text
    (run,) = (run for run in results.runs if (run.method, run.seed) == ("pos", seed))
    assert f"validation part: {100 * run.validation:.2f}" in text
    assert f"test part: {100 * run.test:.2f}" in text
    # The folder has the backbone, too: from files it comes to the same.
    code, text = directloss("evaluate", tmp_path / "m", "--resamples", 0)
    assert code == 0, text
    assert f"average precision {100 * run.test:.2f}" in " ".join(text.split())


def test_the_command_says_what_the_features_are(photos: Path, tmp_path: Path) -> None:
    options = ("--positive", "dark", "--methods", "logistic", "--trials", 1, "--seeds", 1)
    network = ("--backbone", "squeezenet1_1", "--weights", "random", "--image-size", 64)
    code, text = directloss(
        *("compare", "--data", photos, "--epochs", 2, *options, *network),
        *("--workers", 1, "--out", tmp_path / "c"),
    )
    assert code == 0, text
    assert "features of squeezenet1_1 at 64 pixels, with random weights" in " ".join(text.split())
    assert (tmp_path / "c" / "report.html").exists()


def test_what_does_not_fit_is_named(photos: Path) -> None:
    with pytest.raises(ArgumentError, match=r"^target: got 'x', wanted nothing, for images"):
        comparison(photos, target="x").check()
    with pytest.raises(ArgumentError, match=r"^weights: got 'random', wanted nothing, for a table"):
        Comparison(weights="random").check()
