from __future__ import annotations

from pathlib import Path

import pytest

from tests.paper.detection.drawn import draw_voc


@pytest.fixture(scope="session")
def voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn data set."""
    return draw_voc(tmp_path_factory.mktemp("voc") / "drawn")
