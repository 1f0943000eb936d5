"""The scripts that write the pages of results, as modules."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "results"


def load(name: str) -> ModuleType:
    """A script of `docs/results`, which finds its neighbours there while it is imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        return importlib.import_module(name)
