"""What `directloss train` takes over from a finished comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from pydantic import ValidationError

from directloss.datasets import DataError, fingerprint
from directloss.datasets.folders import find_images
from directloss.datasets.rows import unread
from directloss.datasets.stream import is_stream
from directloss.errors import ArgumentError
from directloss.files import read_file
from directloss.jobs.config import arguments
from directloss.report import schema
from directloss.study.config import Comparison
from directloss.study.folder import CONFIGURATION, FolderError
from directloss.study.records import RESULTS
from directloss.study.unread import unread_settings
from directloss.training.methods import METHODS
from directloss.training.model_folder import first_complaint

_MOST_BYTES = 1 << 30  # of results

_OF_ALL_METHODS = ("l2",)
"""A comparison has all weight decays to try in the field, a training one of them."""


@dataclass(frozen=True)
class Winner:
    """The method that was best on the validation parts of a comparison, and its settings.

    Attributes:
        arguments: what to train with, by the names of `directloss.jobs.config.arguments`.
        words: what was chosen among what, for the user.
    """

    arguments: dict[str, Any]
    words: str


def winner(folder: Path, given: Mapping[str, Any]) -> Winner:
    """The winner of a comparison, and all of its configuration that a training takes.

    The test parts decide nothing: a method wins by the mean validation metric over the seeds of the
    comparison. Settings are those that were chosen on the split of the seed to train with, which
    draws the same parts again.

    Args:
        folder: of the comparison.
        given: what the user says, by argument. `method`, `seed` and `positive` choose among the
            methods, seeds and columns of the comparison; with `data` its own data are not read.

    Raises:
        FolderError: the folder holds no comparison, or one that has not ended.
        ArgumentError: the comparison has no such method, seed or column.
        DataError: its data have changed.
    """
    results, comparison = _read(folder)
    column = _column(results, given.get("positive"))
    seed = given.get("seed", 0)
    if seed not in range(comparison.seeds):
        wanted = f"0 to {comparison.seeds - 1}: settings are chosen for the split of a seed"
        raise ArgumentError("seed", seed, wanted)
    runs = [run for run in results.runs if run.column == column]
    means = {
        name: fmean(run.validation for run in runs if run.method == name)
        for name in results.methods
    }
    best = max if results.metric.higher_is_better else min
    method = given.get("method", best(means, key=means.__getitem__))
    if method not in means:
        raise ArgumentError("method", repr(method), f"one that was compared: {', '.join(means)}")
    (chosen,) = (run.settings for run in runs if (run.method, run.seed) == (method, seed))
    if "data" not in given and fingerprint(comparison.data) != comparison.data_sha256:
        raise DataError(f"data: {comparison.data} has changed since the comparison in {folder}")
    taken = _taken(comparison, method, chosen) | {"seed": seed}
    for name in _unread({**taken, **given}, comparison):
        taken.pop(name, None)
    if len(results.columns) > 1:
        taken["positive"] = column
    values = ", ".join(f"{name} {100 * value:.2f}" for name, value in means.items())
    words = f"{method}, of validation {results.metric.name} {values}; {_words(chosen, seed)}"
    why = _drawn_anew(comparison, several=len(results.columns) > 1)
    if why is not None:
        words += f"; {why}, and its parts are drawn anew"
    return Winner(taken, words)


def _read(folder: Path) -> tuple[schema.Results, Comparison]:
    if not folder.is_dir():
        raise FolderError(f"comparison: there is no folder {str(folder)!r}")
    file = folder / RESULTS
    if not file.is_file():
        if (folder / CONFIGURATION).is_file():
            raise FolderError(
                f"comparison: {folder} holds no {RESULTS}: it has not ended; the command that "
                "began it ends it"
            )
        raise FolderError(f"comparison: {folder} holds no comparison")
    try:
        results = schema.Results.model_validate_json(read_file(file, most=_MOST_BYTES))
        return results, Comparison.model_validate(results.configuration)
    except OSError as error:
        raise FolderError(f"comparison: cannot read {file}: {error.strerror}") from error
    except ValidationError as error:
        raise FolderError(
            f"comparison: {file} is not that of a comparison: {first_complaint(error)}"
        ) from error


def _column(results: schema.Results, positive: object) -> str:
    """The column of the model; where there are several, each is a value of the target."""
    if len(results.columns) == 1:
        return results.columns[0]
    for column in results.columns:
        if column == positive:
            return column
    came = "none" if positive is None else repr(positive)
    wanted = f"one of the columns that were compared: {', '.join(results.columns)}"
    raise ArgumentError("positive", came, wanted)


def _taken(comparison: Comparison, method: str, settings: schema.Settings) -> dict[str, Any]:
    """The arguments of a training that repeats a run of the comparison."""
    common = arguments().keys() & Comparison.model_fields.keys() - {*_OF_ALL_METHODS}
    optimiser = METHODS[method].optimiser or comparison.optimiser
    found = {
        **{name: getattr(comparison, name) for name in sorted(common)},
        "method": method,
        "optimiser": optimiser,
        "epochs": round(comparison.epochs * (settings.length or 1.0)),
        **settings.model_dump(exclude={"length"}),
        "frozen": comparison.of_images or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _unread(arguments: Mapping[str, Any], comparison: Comparison) -> tuple[str, ...]:
    """What a training with such arguments has no use for, though the comparison may have had."""
    formats, _ = unread(arguments["data"], comparison)
    return *unread_settings({arguments["method"]: arguments["optimiser"]}), *formats


def _words(settings: schema.Settings, seed: int) -> str:
    named = settings.model_dump(exclude_none=True)
    values = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in named.items())
    return f"settings of seed {seed}: {values}"


def _drawn_anew(comparison: Comparison, *, several: bool) -> str | None:
    """Why `train` makes other parts of the data than `compare`; None if it does not."""
    if comparison.split_column is not None:
        return None
    in_memory = comparison.of_images or comparison.group is not None
    if not in_memory and is_stream(comparison.data):
        return f"{comparison.data} is read in blocks"
    if not several or comparison.group is not None:
        return None
    if comparison.of_images and find_images(Path(comparison.data)).split is not None:
        return None
    # compare keeps the share of every class in each part, train that of its own.
    return f"{comparison.data} is split by one class"
