"""Data sets: files of the user's own, and the embedded default."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from directloss._extras import TRAIN, require

require(__name__, "train", TRAIN)

if TYPE_CHECKING:
    from directloss.datasets.errors import DataError
    from directloss.datasets.problems import Problems, prepare
    from directloss.datasets.ranking import RankingProblem, prepare_ranking
    from directloss.datasets.reading import FeatureRules, Reading
    from directloss.datasets.source import Source, fingerprint, load

_MODULES = {
    "errors": ("DataError",),
    "problems": ("Problems", "prepare"),
    "ranking": ("RankingProblem", "prepare_ranking"),
    "reading": ("FeatureRules", "Reading"),
    "source": ("Source", "fingerprint", "load"),
}

__all__ = [
    "DataError",
    "FeatureRules",
    "Problems",
    "RankingProblem",
    "Reading",
    "Source",
    "fingerprint",
    "load",
    "prepare",
    "prepare_ranking",
]

if not TYPE_CHECKING:  # a type checker would take every name to be there

    def __getattr__(name: str) -> Any:
        # The commands read the rules of tables for their help, without torch.
        for module, names in _MODULES.items():
            if name in names:
                return getattr(import_module(f"{__name__}.{module}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
