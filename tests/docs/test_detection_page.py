from __future__ import annotations

from types import ModuleType

import pytest

from tests.page_scripts import FOLDER, load


@pytest.fixture(scope="module")
def detection() -> ModuleType:
    """The script that writes the page of the detection experiment."""
    return load("detection")


def test_the_page_is_what_the_kept_results_say(detection: ModuleType) -> None:
    assert (FOLDER / "detection.md").read_text(encoding="utf-8") == detection.page()


def test_the_page_has_the_paper_beside_it_and_what_all_of_voc_would_take(
    detection: ModuleType,
) -> None:
    page = detection.page()
    assert "| mean AP | 47.0 | 45.6 | 48.5 |" in page
    assert "**The full VOC2012**, by multiplication: 5717 + 5823 images" in page


def test_the_page_begins_with_what_the_intervals_say(detection: ModuleType) -> None:
    first = detection.page().split("\n\n")[1]
    for name, title in detection.COMPARED.items():
        results = detection.load(name)
        words = detection.verdict(f"the {title}", results)
        assert words in first
        for each in results.summaries[1:]:
            above, below = each.difference_interval.low > 0, each.difference_interval.high < 0
            clause = " ".join(c for c in words.split(", and ") if f"`{each.method}`" in c)
            assert ("worse than" in clause) == below
            assert ("better than" in clause) == above


def test_the_picture_is_small_and_names_every_method(detection: ModuleType) -> None:
    picture = (FOLDER / detection.PICTURE).read_text(encoding="utf-8")
    assert len(picture) < 60_000
    for name in detection.COMPARED:
        for each in detection.load(name).summaries[1:]:
            assert f"{each.method}<" in picture
