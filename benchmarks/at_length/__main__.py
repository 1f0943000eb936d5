"""Measures, or only writes the page from what was measured."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks import archive, machine
from benchmarks.at_length import __doc__ as description
from benchmarks.at_length.measure import PROCESSES, ROWS, launches
from benchmarks.at_length.page import Study, load, save, write

PAGE = archive.FOLDER.parent / "at-length.md"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.at_length", description=description)
    parser.add_argument("--page", action="store_true", help="write the page from the archive")
    parser.add_argument("--rounds", type=int, default=3, help="launches of every cell")
    parser.add_argument("--archive", type=Path, default=archive.path_of("at-length"))
    parser.add_argument("--document", type=Path, default=PAGE)
    given = parser.parse_args(arguments)
    if not given.page:
        about = machine.describe()
        found = list(launches(ROWS, PROCESSES, given.rounds))
        save(Study(found, {**about, "load_at_the_end": machine.load()}), given.archive)
    write(load(given.archive), given.archive, given.document)


if __name__ == "__main__":
    main()
