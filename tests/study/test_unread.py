"""An option that nothing would read is refused where it is given; a default never is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from directloss.cli._app import app
from directloss.datasets import fingerprint
from directloss.errors import ArgumentError
from directloss.jobs.config import Configuration, read_configuration
from directloss.jobs.train import train
from directloss.jobs.winner import winner
from directloss.study.compare import compare
from directloss.study.config import Comparison

QUICK = ("--hidden", "none", "--epochs", 2, "--evaluations", 1, "--no-log")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One table in each format, and a folder of images."""
    path = tmp_path_factory.mktemp("unread")
    generator = np.random.default_rng(0)
    a = generator.normal(size=120).round(3)
    frame = pd.DataFrame({"a": a, "y": (a > 0.5).astype(int)})
    frame.to_csv(path / "t.csv", index=False)
    frame.to_parquet(path / "t.parquet")
    frame.astype({"a": str}).to_parquet(path / "texts.parquet")
    np.savez(path / "t.npz", a=frame["a"], y=frame["y"])
    (path / "t.svm").write_text("".join(f"{y} 1:{x}\n" for x, y in frame.to_numpy()))
    for name in ("dark", "light"):
        (path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (20, 20)).save(path / "photos" / name / "0.png")
    return path


def directloss(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ("--balance 2", "--balance: got 2.0, wanted nothing, for mix"),
        ("--method logistic --epsilon 3", "--epsilon: got 3.0, wanted nothing, for logistic"),
        ("--method tuned --epsilon 1", "--epsilon: got 1.0, wanted nothing, for tuned"),
        ("--optimiser adam --momentum 0.5", "--momentum: got 0.5, wanted nothing, for adam"),
        ("--method refine --momentum 0", "--momentum: got 0.0, wanted nothing, for adam"),
        ("--method listnet", "--method: got 'listnet', wanted --group with it"),
        ("--batch-positives 3", "--batch-positives: got 3, wanted --batch with it"),
    ],
)
def test_what_a_method_does_not_read(
    options: str, refusal: str, folder: Path, tmp_path: Path
) -> None:
    data = ("--data", folder / "t.csv", "--target", "y", "--out", tmp_path / "m")
    code, text = directloss("train", *data, *QUICK, *options.split())
    assert (code, text.startswith(f"directloss: {refusal}")) == (2, True), text
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("command", ["train", "compare"])
@pytest.mark.parametrize(
    ("data", "options", "refusal"),
    [
        ("t.csv", "--image-size 300", "--image-size: got 300, wanted nothing, for a table"),
        ("t.csv", "--backbone x", "--backbone: got 'x', wanted nothing, for a table"),
        ("t.csv", "--index-base 1", "--index-base: got '1', wanted nothing, for delimited text"),
        ("t.npz", "--sep ;", "--sep: got ';', wanted nothing, for an npz file"),
        ("t.npz", "--decimal ,", "--decimal: got ',', wanted nothing, for an npz file without"),
        ("t.svm", "--encoding ascii", "--encoding: got 'ascii', wanted nothing, for sparse text"),
        ("t.parquet", "--index-base 0", "wanted nothing, for Parquet and Arrow files"),
        (
            "t.parquet",
            "--decimal ,",
            "--decimal: got ',', wanted nothing, for Parquet and Arrow files without texts",
        ),
        ("digits", "--thousands ,", "wanted nothing, for an embedded table"),
    ],
)
def test_what_a_format_does_not_have(
    command: str, data: str, options: str, refusal: str, folder: Path, tmp_path: Path
) -> None:
    path = data if data == "digits" else folder / data
    out = ("--target", "target" if data == "t.svm" else "y", "--out", tmp_path / "m")
    code, text = directloss(command, "--data", path, *options.split(), *out)
    assert (code, refusal in text) == (2, True), text
    assert not (tmp_path / "m").exists()


def test_images_without_a_perceptron_have_no_hidden_layers(folder: Path, tmp_path: Path) -> None:
    data = ("--data", folder / "photos", "--hidden", 8, "--out", tmp_path / "m")
    code, text = directloss("train", *data)
    assert code == 2
    assert "--hidden: got 8, wanted nothing, for images without --frozen" in text


def test_numbers_in_texts_have_signs_in_every_format(folder: Path, tmp_path: Path) -> None:
    data = ("--data", folder / "texts.parquet", "--target", "y", "--thousands", ",")
    code, text = directloss("train", *data, *QUICK, "--out", tmp_path)
    assert code == 0, text


def test_a_comparison_takes_what_one_of_its_methods_reads() -> None:
    def check(**fields: object) -> None:
        Comparison.model_validate({"data": "digits", **fields}).check()

    check(momentum=0.5)
    check(methods=("tuned", "logistic"), momentum=0.5, trials=4)
    with pytest.raises(ArgumentError, match=r"^momentum: got 0.5, wanted nothing, for adam$"):
        check(methods=("tuned", "refine"), momentum=0.5)
    with pytest.raises(ArgumentError, match=r"^optimiser: got 'adam', .* for tuned, refine$"):
        check(methods=("tuned", "refine"), optimiser="adam")
    with pytest.raises(ArgumentError, match=r"^methods: got 'listnet', wanted `group` with it"):
        check(methods=("logistic", "listnet"))


def test_a_written_configuration_takes_another_method(folder: Path, tmp_path: Path) -> None:
    given = {"data": str(folder / "t.csv"), "target": "y", "hidden": (), "epochs": 1}
    for method in ("tuned", "mix", "logistic"):
        train(read_configuration(None, {**given, "method": method}), tmp_path / method)
    for method in ("tuned", "mix"):
        file = tmp_path / method / "configuration.toml"
        assert read_configuration(file).training.method == method
        for other in ("logistic", "refine", "hinge"):
            read_configuration(file, {"method": other}).check()
    with pytest.raises(ArgumentError, match=r"^epsilon: got 2\.0"):
        (tmp_path / "c.toml").write_text("[training]\nmethod = 'hinge'\nepsilon = 2.0")
        read_configuration(tmp_path / "c.toml").check()
    Configuration().check()


def test_a_winner_leaves_behind_what_its_training_does_not_read(
    folder: Path, tmp_path: Path
) -> None:
    data = str(folder / "t.csv")
    fields = {"data": data, "data_sha256": fingerprint(data), "target": "y", "sep": ","}
    fields |= {"methods": ("logistic", "tuned"), "momentum": 0.5, "hidden": (), "epochs": 2}
    comparison = Comparison.model_validate({**fields, "trials": 1, "seeds": 1})
    compare(comparison, tmp_path, command=[])
    kept = winner(tmp_path, {"method": "logistic"}).arguments
    assert (kept["momentum"], kept["sep"]) == (0.5, ",")
    for given in ({"method": "tuned"}, {"method": "logistic", "data": str(folder / "t.npz")}):
        found = {**winner(tmp_path, given).arguments, **given}
        train(read_configuration(None, found), tmp_path / found["method"])
