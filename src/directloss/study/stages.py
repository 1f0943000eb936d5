"""Stages of work on many items, one file an item, so that nothing finished is ever done twice.

A file is named by everything that its content depends on. An interrupted stage therefore goes on
where it was, and runs with other settings share what they have in common.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Generic, TypeVar
from zipfile import is_zipfile

import numpy as np
from numpy.typing import NDArray

from directloss.datasets.errors import DataError
from directloss.files import write_whole
from directloss.study.workers import run_all

Item = TypeVar("Item")
Arrays = Mapping[str, NDArray[Any]]


class Stage(ABC, Generic[Item]):
    """One kind of work; instances go to worker processes, so they must be picklable and small."""

    @abstractmethod
    def path(self, item: Item) -> Path:
        """Where the result of an item is kept."""

    @abstractmethod
    def make(self, item: Item) -> Arrays:
        """The result of an item.

        Raises:
            DataError: the item cannot be used; the stage goes on without it.
        """

    def load(self, item: Item) -> dict[str, NDArray[Any]]:
        """The kept result of an item."""
        return load_arrays(self.path(item))


@dataclass
class StageCost:
    """What a stage took.

    Attributes:
        items: how many there are.
        reused: how many were finished before.
        seconds: of all items on one core each, those finished before included.
        peak_megabytes: the largest process that worked on it.
    """

    items: int
    reused: int = 0
    seconds: float = 0.0
    peak_megabytes: float = 0.0

    def plus(self, other: StageCost) -> StageCost:
        """Both together."""
        return StageCost(
            self.items + other.items,
            self.reused + other.reused,
            self.seconds + other.seconds,
            max(self.peak_megabytes, other.peak_megabytes),
        )


@dataclass
class StageResult(Generic[Item]):
    """How a stage went: what it took, and why some items could not be used."""

    cost: StageCost
    refused: dict[Item, str] = field(default_factory=dict)


_ITEMS_A_WORKER = 8
"""A process takes as long to start as several items take: not worth it for fewer."""

OnItem = Callable[[bool], None]
"""Called for each finished item: whether it was finished before."""

OnStage = Callable[[str, int], OnItem]
"""Called as a stage begins: its name and number of items; gives what to call for each item."""


def run_stage(
    stage: Stage[Item],
    items: Sequence[Item],
    *,
    workers: int = 1,
    on_item: OnItem = lambda _: None,
) -> StageResult[Item]:
    """Does the work that is not done yet, in at most `workers` processes.

    A kept file that is damaged is made anew.

    Raises:
        WorkerError: a worker process was killed.
        Exception: what the work raises, `DataError` aside.
    """
    result = StageResult[Item](StageCost(len(items)))
    missing = []
    for item in items:
        # The end of an archive tells that it is whole, without a read of all of it.
        if is_zipfile(stage.path(item)):
            result.cost.reused += 1
            _count(result.cost, stage.path(item))
            on_item(True)
        else:
            missing.append(item)
    workers = max(1, min(workers, len(missing) // _ITEMS_A_WORKER))
    for item, refusal in run_all(missing, partial(_work, stage), workers):
        if refusal is None:
            _count(result.cost, stage.path(item))
        else:
            result.refused[item] = refusal
        on_item(False)
    return result


def digest(*parts: object) -> str:
    """A short name for what a result depends on; `parts` are numbers, texts, lists, dicts."""
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def peak_megabytes() -> float:
    """The most that this process has held so far; NaN where the system does not say."""
    if sys.platform == "win32":
        return float("nan")
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes or kibibytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def save_arrays(path: Path, arrays: Arrays) -> None:
    """Writes an .npz file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    write_whole(path, content.getvalue(), durable=False)  # a torn one is made anew


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file."""
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def _work(stage: Stage[Item], item: Item) -> str | None:
    """Makes and keeps one result; says why if that is impossible."""
    began = time.process_time()
    try:
        arrays = stage.make(item)
    except DataError as error:
        return str(error)
    seconds = time.process_time() - began
    save_arrays(stage.path(item), {**arrays, "cost": np.array([seconds, peak_megabytes()])})
    return None


def _count(cost: StageCost, path: Path) -> None:
    with np.load(path) as file:
        seconds, megabytes = file["cost"]
    cost.seconds += float(seconds)
    cost.peak_megabytes = max(cost.peak_megabytes, float(megabytes))
