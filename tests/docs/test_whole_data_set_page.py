"""The page of the step of a whole data set is what its archive says."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.page_scripts import load


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script that writes the page."""
    return load("whole_data_set")


def test_the_page_is_what_the_archive_says(script: ModuleType) -> None:
    text = script.page(*script.load(script.ARCHIVE), script.ARCHIVE)
    assert script.PAGE.read_text(encoding="utf-8") == text


def test_the_answer_says_where_it_is_best(script: ModuleType) -> None:
    costs = {
        "whole": [
            {"kind": "overhead", "ratio": 1.25},
            {"kind": "overhead", "ratio": 2.0},
            {"kind": "memory", "n": 100, "growth_bytes": 1_000_000},
        ]
    }
    cells = {"whole data set": {"mean": 2.0}, "mini-batch": {"mean": 1.0}}
    words = " ".join(script.answer({"x": cells}, costs))
    assert "1.2 to 2.0 times plain training" in words and "1.00 MB of memory for 100 rows" in words
    assert "is best on x." in words and "whole data set (x)" in words
    cells["mini-batch"]["mean"] = 3.0
    assert "never the best choice" in " ".join(script.answer({"x": cells}, costs))


def test_a_summary_has_the_best_rate_and_the_seeds(script: ModuleType) -> None:
    results = {}
    for candidate in script.CONTENDERS:
        for rate in script.LEARNING_RATES:
            key = f"sylva/{candidate}/{script.TUNING_SEED}/{rate}"
            results[key] = {"validation": -abs(rate - 0.03), "test": 0.0, "steps": 1}
            for seed in range(script.SEEDS):
                found = {"validation": 0.0, "test": rate + seed / 100, "steps": 7}
                results[f"sylva/{candidate}/{seed}/{rate}"] = found
    summary = script.summarise(results)
    assert list(summary) == ["sylva"]
    for cell in summary["sylva"].values():
        assert (cell["steps"], cell["learning_rate"]) == (7, 0.03)
        assert cell["mean"] == pytest.approx(3.0 + 2.0)
    del results[f"sylva/{candidate}/0/0.03"]
    assert script.summarise(results) == {}


def test_the_picture_is_small_and_names_every_candidate(script: ModuleType) -> None:
    picture = script.PICTURE.read_text(encoding="utf-8")
    assert len(picture) < 60_000
    for name in script.CONTENDERS:
        assert f">{name}<" in picture
