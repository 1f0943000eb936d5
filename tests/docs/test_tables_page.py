"""The page of the real tables is what its archive says."""

from __future__ import annotations

from types import ModuleType

import pytest

from benchmarks import archive
from tests.page_scripts import load


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load("tables")


def test_the_page_is_what_its_archive_says(script: ModuleType) -> None:
    page = script.Page(archive.read(script.ARCHIVE))
    assert script.PAGE.read_text(encoding="utf-8") == page.text()


def test_thirty_tables_or_more(script: ModuleType) -> None:
    page = script.Page(archive.read(script.ARCHIVE))
    for hidden in page.hidden:
        assert len({case.table for case in page.results.cases(hidden, "AP")}) >= 30
