"""`python -m benchmarks`, or `make bench BENCH="..."`."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from benchmarks import machine, plots, tables
from benchmarks.document import write_document
from benchmarks.memory import Limits
from benchmarks.sections import SECTIONS, SUMMARIES, Options
from benchmarks.timing import Effort

QUICK = Options(
    sizes=(1_000, 10_000),
    shares=(0.2,),
    effort=Effort(seconds=0.1, fewest=3, most=7),
    limits=Limits(seconds=2.0),
)
QUICK_SECTIONS = ("speed", "scale", "batches", "profile")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the wanted sections; 1 if a work failed, else 0."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = make_parser()
    asked = parser.parse_args(given)
    if asked.document is not None:
        folders = () if asked.archived else (asked.out, *asked.later)
        write_document(
            asked.document, [(folder / "results.json").read_bytes() for folder in folders]
        )
        return 0
    unknown = set(asked.section) - SECTIONS.keys()
    if unknown:
        parser.error(f"--section: {', '.join(unknown)}; known are {', '.join(SECTIONS)}")
    command = shlex.join(["python", "-m", "benchmarks", *given])
    results = run(_options(asked), _sections(asked), asked.out, command)
    print(tables.markdown(results))
    failed = [row for row in results.get("speed", []) if "failed" in row.get("stopped", "")]
    return 1 if failed else 0


def run(options: Options, wanted: Sequence[str], out: Path, command: str) -> dict[str, Any]:
    """Measure, and write what there is after every section: results.json, results.md, plots."""
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    start = perf_counter()
    results: dict[str, Any] = {"command": command, "machine": machine.describe()}
    for name in wanted:
        results[name] = list(SECTIONS[name](options))
        if name in SUMMARIES:
            summary, summarise = SUMMARIES[name]
            results[summary] = summarise(results[name])
        results["elapsed_seconds"] = perf_counter() - start
        results["load_average_at_end"] = machine.load()
        text = json.dumps(results, indent=1, allow_nan=False)
        (out / "results.json").write_text(text + "\n")
        (out / "results.md").write_text(tables.markdown(results))
    if results.get("speed"):
        plots.draw_all(results, out)
    return results


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few sizes, two minutes")
    parser.add_argument("--profile", action="store_true", help="only where the time of a step goes")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="only works whose name has this part; may be repeated (speed section alone)",
    )
    parser.add_argument(
        "--section",
        action="append",
        default=[],
        help=f"only this section; may be repeated: {', '.join(SECTIONS)}",
    )
    parser.add_argument("--sizes", type=_sizes, help="lengths of the list, such as 1e3,1e5")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"), help="folder")
    parser.add_argument(
        "--document",
        type=Path,
        metavar="FILE",
        help="measure nothing; write FILE (docs/performance.md) from the results in --out, "
        "and put these into its archive",
    )
    parser.add_argument(
        "--archived",
        action="store_true",
        help="with --document: take the results from its archive, not from --out",
    )
    parser.add_argument(
        "--later",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="with --document: a later run whose sections replace those in --out; may be repeated",
    )
    return parser


def _options(asked: argparse.Namespace) -> Options:
    base = QUICK if asked.quick else Options()
    return Options(
        sizes=asked.sizes or base.sizes,
        shares=base.shares,
        effort=base.effort,
        limits=base.limits,
        works=tuple(asked.only),
        log=lambda text: print(text, file=sys.stderr, flush=True),
    )


def _sections(asked: argparse.Namespace) -> tuple[str, ...]:
    if asked.section:
        return tuple(asked.section)
    if asked.profile:
        return ("profile",)
    if asked.only:
        return ("speed",)
    return QUICK_SECTIONS if asked.quick else tuple(SECTIONS)


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(int(float(part)) for part in text.split(","))
    if min(sizes) < 100:
        raise argparse.ArgumentTypeError(f"{text!r}; sizes of at least 100 are wanted")
    return sizes


if __name__ == "__main__":
    sys.exit(main())
