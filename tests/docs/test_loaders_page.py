"""The page of loaders: its example in two processes gives what it gives in one."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.training.processes import run

pytest.importorskip("pyarrow", reason="needs directloss[train]")

PAGE = Path(__file__).parents[2] / "docs" / "loaders.md"


def example() -> str:
    """The only block of the page."""
    (code,) = re.findall(r"^```python needs pyarrow\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.M)
    return str(code)


def outcome(rank: int, folder: Path) -> dict[str, Any]:
    """What the example ends with in this process."""
    os.chdir(folder)
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(example(), str(PAGE), "exec"), names)
    parameters = list(names["model"].parameters())
    return {
        "loss": float(names["step"].loss),
        "rows": torch.cat([inputs for inputs, _ in names["share"]]),
        "targets": names["step"].targets,
        "gradient": torch.cat([p.grad.flatten() for p in parameters]),
        "parameters": nn.utils.parameters_to_vector(parameters).detach(),
    }


def sorted_rows(*outcomes: dict[str, Any]) -> torch.Tensor:
    rows = torch.cat([torch.column_stack((each["rows"], each["targets"])) for each in outcomes])
    return rows[rows[:, 0].argsort()]


def test_two_processes_train_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        folder.mkdir()
    monkeypatch.chdir(tmp_path)
    alone = outcome(0, folders[0])
    both = run(outcome, 2, folders[1])
    assert len(list(folders[1].rglob("*.parquet"))) > 3
    assert all(0 < len(each["rows"]) < 5000 for each in both)
    # Every row is read, by one process.
    torch.testing.assert_close(sorted_rows(*both), sorted_rows(alone), rtol=0, atol=0)
    for each in both:
        assert each["loss"] == pytest.approx(alone["loss"], abs=1e-5)
        torch.testing.assert_close(each["gradient"], alone["gradient"], rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(each["parameters"], alone["parameters"], rtol=1e-3, atol=1e-4)
    assert torch.equal(both[0]["gradient"], both[1]["gradient"])
