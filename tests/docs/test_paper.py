"""The page of the paper's synthetic experiments is what its results say."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from directloss.experiments.synthetic.claims import judge

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def paper() -> ModuleType:
    """The script that writes the page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS / "results"))
        return importlib.import_module("paper")


def test_the_page_is_written_from_the_results(paper: ModuleType) -> None:
    text = paper.page(paper.Study("network"), paper.Study("linear"))
    assert text == (DOCS / "paper.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "kind"), [("network", "synthetic"), ("linear", "linear")])
def test_verdicts_are_computed_from_the_runs(paper: ModuleType, name: str, kind: str) -> None:
    results = paper.load(name)
    assert results.configuration["kind"] == kind
    assert judge(kind, results.columns, results.runs) == results.claims


def test_fair_and_label_noise_have_five_seeds(paper: ModuleType) -> None:
    network = paper.Study("network")
    for column in network.results.columns:
        if column.setting == "fair":
            for method in column.methods:
                for rule in ("training", "validation"):
                    assert len(network.values(method, column.name, rule=rule)) >= 5
