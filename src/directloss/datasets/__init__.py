"""Data sets: files of the user's own, and the embedded default."""

from __future__ import annotations

from directloss._extras import TRAIN, require

require(__name__, "train", TRAIN)

from directloss.datasets.errors import DataError
from directloss.datasets.problems import Problems, prepare
from directloss.datasets.ranking import RankingProblem, prepare_ranking
from directloss.datasets.reading import FeatureRules, Reading
from directloss.datasets.source import Source, fingerprint, load

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
