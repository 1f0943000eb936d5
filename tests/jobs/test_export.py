from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from directloss.datasets.images import ImageRecipe
from directloss.errors import ArgumentError, MissingPackageError
from directloss.jobs import export
from directloss.jobs.config import Configuration, ModelSection, read_configuration
from directloss.jobs.export import ExportError, export_onnx
from directloss.jobs.kinds.images import Images
from directloss.jobs.model import Model, open_model
from directloss.jobs.predict import predict
from directloss.jobs.train import train
from directloss.models.image_scorer import FrozenScorer
from directloss.training.model_folder import About

pytest.importorskip("onnx", reason="needs onnx (the extra onnx)")
pytest.importorskip("onnxscript", reason="needs onnxscript (the extra onnx)")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime (the extra onnx)")

# The exporter of torch warns of what it uses itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Numbers of very different sizes, many missing."""
    generator = np.random.default_rng(3)
    sick = generator.random(300) < 0.3
    values = generator.normal(size=(300, 3)) + sick[:, None]
    frame = pd.DataFrame(values * [1.0, 1e4, 1e-3] + [0.0, 1e6, 0.0], columns=["a", "b", "c"])
    frame.loc[::5, "b"] = np.nan
    frame.loc[1::7, "c"] = np.nan
    frame["colour"] = generator.choice(["red", "green"], 300)
    frame["born"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(300), unit="D")
    frame["sick"] = sick.astype(int)
    file = tmp_path_factory.mktemp("export") / "t.csv"
    frame.to_csv(file, index=False)
    return file


def trained(table: Path, out: Path, **more: object) -> Model:
    given = {"data": str(table), "target": "sick", "hidden": (5,), "epochs": 10, **more}
    train(read_configuration(None, given), out)
    return open_model(out)


NUMBERS = {"drop": ("colour", "born")}


@pytest.mark.parametrize("calibration", ["sigmoid", "isotonic", "none"])
def test_the_file_gives_what_predict_writes(table: Path, tmp_path: Path, calibration: str) -> None:
    model = trained(table, tmp_path / "m", calibration=calibration, metric="f1", **NUMBERS)
    distance = export_onnx(model, tmp_path / "m.onnx")
    assert 0 <= distance <= 1e-6
    predict(model, str(table), tmp_path / "p.parquet")
    written = pd.read_parquet(tmp_path / "p.parquet")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    notes = session.get_modelmeta().custom_metadata_map
    assert {name: json.loads(text) for name, text in notes.items()} == {
        "columns": ["a", "b", "c"],
        "target": "sick",
        "positive": "1",
        "threshold": model.about.threshold,
    }
    rows = pd.read_csv(table)[json.loads(notes["columns"])].to_numpy(np.float64)
    assert np.isnan(rows).any()
    found = dict(
        zip((o.name for o in session.get_outputs()), session.run(None, {"rows": rows}), strict=True)
    )
    scores = found.pop("score")
    np.testing.assert_allclose(scores, written["score"], rtol=0, atol=1e-6)
    if model.calibration is not None:
        # That of the score in the file: the steps of an isotonic one are steep.
        wanted = model.calibration.apply(scores.astype(np.float64))
        probabilities = found.pop("probability")
        np.testing.assert_allclose(probabilities, wanted, rtol=0, atol=1e-6)
        np.testing.assert_allclose(probabilities, written["score_probability"], atol=1e-3)
    assert not found


def test_what_is_no_number_is_refused(table: Path, tmp_path: Path) -> None:
    model = trained(table, tmp_path / "m", date=("born",))
    with pytest.raises(ArgumentError, match=r"^model: got the columns .*colour.*born.*numbers"):
        export_onnx(model, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_a_folder_that_is_not_there_is_named(table: Path, tmp_path: Path) -> None:
    model = trained(table, tmp_path / "m", **NUMBERS)
    with pytest.raises(ArgumentError, match=r"^onnx: got .*nowhere.m\.onnx', wanted a file in a"):
        export_onnx(model, tmp_path / "nowhere" / "m.onnx")


def test_a_folder_in_place_of_the_file_is_named(table: Path, tmp_path: Path) -> None:
    model = trained(table, tmp_path / "m", **NUMBERS)
    with pytest.raises(ArgumentError, match=r"^onnx: got .*m', wanted a file, and this is a fold"):
        export_onnx(model, tmp_path / "m")


def test_images_come_resized(tmp_path: Path) -> None:
    recipe = ImageRecipe(size=64)
    section = ModelSection(weights="random", backbone="squeezenet1_1", image_size=64)
    network = Images().network(section, recipe, seed=0).eval()
    about = About(
        target="class", positive="cat", threshold=None, thresholds={}, versions={}, sha256={}
    )
    model = Model(tmp_path, about, Configuration(model=section), Images(), recipe, network)
    assert export_onnx(model, tmp_path / "m.onnx") <= 1e-6
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    assert json.loads(session.get_modelmeta().custom_metadata_map["image_size"]) == 64
    pictures = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    (scores,) = session.run(None, {"rows": pictures.numpy()})
    np.testing.assert_allclose(scores, model.scores(pictures), rtol=1e-5, atol=1e-5)


def test_what_rounds_more_may_differ_by_what_it_rounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = ImageRecipe(size=64)
    section = ModelSection(
        weights="random", backbone="squeezenet1_1", image_size=64, frozen=True, hidden=(4,)
    )
    network = Images().network(section, recipe, seed=0).eval()
    assert isinstance(network, FrozenScorer)
    about = About(
        target="class", positive="cat", threshold=None, thresholds={}, versions={}, sha256={}
    )
    model = Model(tmp_path, about, Configuration(model=section), Images(), recipe, network)
    network.standardise_by(network.backbone(torch.randint(0, 256, (8, 3, 64, 64))).detach())
    network.scale.mul_(1e-3)  # differences of features that are nearly equal, made large
    programs: list[Any] = []
    traced = torch.onnx.export

    def once(*arguments: Any, **options: Any) -> Any:
        programs.append(programs[0] if programs else traced(*arguments, **options))
        return programs[0]

    monkeypatch.setattr(torch.onnx, "export", once)
    distance = export_onnx(model, tmp_path / "m.onnx")
    assert 1e-6 < distance < 1e-3
    monkeypatch.setattr(export, "ROUNDINGS", 0.0)
    with pytest.raises(ExportError):
        export_onnx(model, tmp_path / "m.onnx")


def test_other_scores_are_not_written(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = trained(table, tmp_path / "m", **NUMBERS)
    monkeypatch.setattr(export, "TOLERANCE", 0.0)
    monkeypatch.setattr(export, "ROUNDINGS", 0.0)
    with pytest.raises(ExportError, match=r"^onnx: onnxruntime gives scores that differ by"):
        export_onnx(model, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_a_missing_package_is_named(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "ONNX", {"onnx": "no_such_module"})
    model = trained(table, tmp_path / "m", **NUMBERS)
    with pytest.raises(MissingPackageError, match=r"needs onnx: pip install 'directloss\[onnx\]'"):
        export_onnx(model, tmp_path / "m.onnx")
