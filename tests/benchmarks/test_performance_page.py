"""docs/performance.md, and what README.md takes from it, are what the archive says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import archive
from benchmarks.__main__ import main
from benchmarks.document import AP, CROSS_ENTROPY, PARTS_PICTURE, PICTURE
from benchmarks.plots import COST
from benchmarks.profile import PARTS
from benchmarks.tables import count, seconds

DOCS = archive.FOLDER.parent
PAGE = DOCS / "performance.md"


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """All sections, each from the last run that measured it."""
    merged: dict[str, Any] = {}
    for _, run in sorted(archive.read(archive.path_of("performance")).items()):
        merged |= json.loads(run)
    return merged


def test_the_page_is_what_the_archive_says(tmp_path: Path) -> None:
    kept = tmp_path / "archives" / "performance.tar.xz"
    kept.parent.mkdir()
    kept.write_bytes(archive.path_of("performance").read_bytes())
    assert main(["--archived", "--document", str(tmp_path / PAGE.name)]) == 0
    assert (tmp_path / PAGE.name).read_text() == PAGE.read_text()


def test_the_picture_is_small_and_names_its_works() -> None:
    picture = (DOCS / "performance" / PICTURE).read_text()
    assert len(picture) < 60_000
    for label, *_ in COST.values():
        assert f">{label}<" in picture


def test_the_picture_of_the_parts_says_what_was_measured(results: dict[str, Any]) -> None:
    picture = (DOCS / "performance" / PARTS_PICTURE).read_text()
    assert len(picture) < 60_000
    for part in PARTS:
        assert f">{part}<" in picture
    for row in results["profile"]:
        assert f">{seconds(row['step'])}<" in picture
        assert f">{count(row['n'])}<" in picture


def test_the_readme_says_what_was_measured(results: dict[str, Any]) -> None:
    readme = (DOCS.parent / "README.md").read_text()
    row = {(r["work"], r["n"]): r for r in results["speed"] if r["share"] == 0.2}
    many = row[AP, 1_000_000]["ratio"]
    assert f"about {many:.1f} of `torch.sort` on a million scores" in readme
    few = row[AP, 1_000]["seconds"] / row[CROSS_ENTROPY, 1_000]["seconds"]
    times = {2: "twice", 3: "three times"}[round(few)]
    assert f"and {times} cross-entropy on a thousand" in readme
    cold = [r["seconds"] for r in results["startup"] if "nothing compiled yet" in r["what"]]
    assert f"({min(cold):.0f} to {max(cold) + 1:.0f} s)" in readme
