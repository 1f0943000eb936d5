from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from directloss.training.model_folder import CALIBRATION, MODEL, ModelError, read_model, write_model

WEIGHTS = {"a": torch.arange(6.0).view(2, 3).T, "b": torch.tensor(7)}


GIVEN: dict[str, Any] = {
    "weights": WEIGHTS,
    "preprocessing": "{}\n",
    "configuration": "[data]\n",
    "metrics": {"test": 0.5, "log": [None]},
    "target": "y",
    "positive": "1",
    "threshold": 0.25,
    "thresholds": {"f1": 0.25},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model(tmp_path, **GIVEN)
    return tmp_path


def test_a_calibration_is_a_file_with_a_digest(folder: Path) -> None:
    assert read_model(folder).calibration is None
    (folder / CALIBRATION).write_text("{}")  # which the model does not name
    assert read_model(folder).calibration is None
    write_model(folder, **{**GIVEN, "calibration": '{"kind": "sigmoid"}'})
    assert read_model(folder).calibration == '{"kind": "sigmoid"}'
    for damage in (lambda file: file.write_text("{}"), Path.unlink):
        damage(folder / CALIBRATION)
        with pytest.raises(ModelError, match=CALIBRATION):
            read_model(folder)


def test_what_was_written_is_read(folder: Path) -> None:
    stored = read_model(folder)
    weights = stored.load_weights(WEIGHTS)
    assert weights.keys() == WEIGHTS.keys()
    assert all(torch.equal(weights[name], WEIGHTS[name]) for name in WEIGHTS)
    assert (stored.preprocessing, stored.configuration) == ("{}\n", "[data]\n")
    assert stored.metrics == {"test": 0.5, "log": [None]}
    assert (stored.about.threshold, stored.about.thresholds) == (0.25, {"f1": 0.25})


def test_the_last_file_marks_a_complete_folder(folder: Path) -> None:
    newest = max(folder.iterdir(), key=lambda file: file.stat().st_mtime_ns)
    assert newest.name == MODEL
    newest.unlink()
    with pytest.raises(ModelError, match=r"holds no model.json"):
        read_model(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format: Input should be 1"),
        ({"sha256": {}}, "is not what was written"),
        ({"code": "import os"}, "code: Extra inputs are not permitted"),
        ({"threshold": "high"}, "threshold: "),
    ],
)
def test_a_foreign_or_later_format_is_told(
    change: dict[str, Any], message: str, folder: Path
) -> None:
    about = json.loads((folder / MODEL).read_text())
    (folder / MODEL).write_text(json.dumps(about | change))
    with pytest.raises(ModelError, match=message):
        read_model(folder)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no model folder"):
        read_model(tmp_path / "nothing")
