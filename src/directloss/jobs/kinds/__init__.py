"""The kinds of data that the commands take; another one is a file here and a line in `KINDS`."""

from __future__ import annotations

from typing import Any

from directloss.datasets.data import Data
from directloss.jobs.config import Configuration
from directloss.jobs.kinds.images import Images
from directloss.jobs.kinds.kind import Kind, Labelled, Unlabelled
from directloss.jobs.kinds.tables import Tables
from directloss.study.metrics import metric_named

__all__ = ["KINDS", "Kind", "Labelled", "Unlabelled", "kind_at", "open_data"]

KINDS: dict[str, Kind[Any]] = {"images": Images(), "table": Tables()}
"""Name, as in the field `kind` of a recipe -> kind. The first one that fits the data has them."""


def kind_at(path: str) -> Kind[Any]:
    """The kind of the data at a path."""
    return next(kind for kind in KINDS.values() if kind.fits(path))


def open_data(configuration: Configuration, *, as_they_are: bool = False) -> Data:
    """The data of a configuration, split and ready.

    Args:
        configuration: of the training.
        as_they_are: leave relevances as they are, though the metric of the training knows 0 and 1
            only.

    Raises:
        DataError, ArgumentError: data and configuration do not fit.
    """
    graded = None if as_they_are else metric_named(configuration.training.metric).graded
    return kind_at(configuration.data.path).open(configuration, graded=graded)
