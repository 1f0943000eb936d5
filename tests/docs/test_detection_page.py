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
    assert "**Up to the full VOC2012** (5717 + 5823 images" in page
