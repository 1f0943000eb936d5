from __future__ import annotations

import hashlib
from pathlib import Path
from types import ModuleType

import pytest

from directloss.report.schema import Results
from tests.page_scripts import FOLDER, load


@pytest.fixture(scope="module")
def write() -> ModuleType:
    """The script that writes the pages of results."""
    return load("write")


def test_a_row_a_method_and_the_best_in_bold(write: ModuleType) -> None:
    columns = {"a": {"x": (50.0, 1.0), "y": (60.0, None)}, "b": {"x": (7.25, None)}}
    assert write.table(columns).splitlines()[2:] == [
        "| x | 50.0 ± 1.0 | **7.2** |",
        "| y | **60.0** | – |",
    ]


def test_the_mean_over_runs(write: ModuleType) -> None:
    mean, deviation = write.mean_of([{"x": (1.0, None)}, {"x": (3.0, None)}])["x"]
    assert (mean, deviation) == (2.0, pytest.approx(2**0.5))


def test_a_page_shows_the_command_and_the_numbers_of_its_run(
    write: ModuleType, results: Results, tmp_path: Path
) -> None:
    page = write.Page("Title", "On {data}.", {"run": "AP"})
    given = results.model_copy(update={"configuration": {"data": "digits"}})
    kept = tmp_path / "page.tar.xz"
    kept.write_bytes(b"what was archived")
    text = write.page_text(page, [given], kept, tmp_path / "page.md")
    assert hashlib.sha256(b"what was archived").hexdigest() in text
    assert "directloss compare --out 'a folder'" in text
    assert "On digits." in text
    for row in results.table.rows:
        assert f"{100 * row.average.mean:.1f}" in text
    assert "- AP, hinge-01: the scores collapsed (2 of the runs)" in text


def test_every_page_has_been_written(write: ModuleType) -> None:
    pages = {file.stem for file in FOLDER.glob("*.md")}
    assert pages >= set(write.PAGES)
    for page in pages - set(write.PAGES):
        assert (FOLDER / f"{page.replace('-', '_')}.py").exists(), f"no script writes {page}.md"
