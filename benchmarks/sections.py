"""The parts of a run. Each takes the options and yields rows, plain dictionaries for the JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any
from unittest.mock import patch

from benchmarks import (
    batches,
    class_indices,
    estimators,
    masks,
    perturbation,
    profile,
    startup,
    whole_dataset,
)
from benchmarks.case import Case
from benchmarks.growth import exponent
from benchmarks.memory import Limits, Probe, probe
from benchmarks.timing import Effort, interleave
from benchmarks.works import REFERENCE, Work, catalogue
from directloss.inference import sorting

__all__ = ["SECTIONS", "SUMMARIES", "Options", "Row"]

Row = dict[str, Any]

SHARES = (0.2, 0.01)
GRID_SHARES = (0.01, 0.2, 0.5, 0.9)
GRID_EPSILONS = (0.01, 0.1, 1.0, 10.0)
GRID_SHIFTS = (0.0, 0.5, 2.0)
PROBED = 10_000
"""Shorter lists take too little memory to measure, and nothing that is worth stopping."""

DIRECTIONS = ("positive", "negative", "both")


@dataclass(frozen=True, slots=True)
class Options:
    """What is measured and how long.

    Attributes:
        sizes: lengths of the list.
        works: parts of names; empty for all works.
        log: is told what goes on.
    """

    sizes: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    shares: tuple[float, ...] = SHARES
    effort: Effort = field(default_factory=Effort)
    limits: Limits = field(default_factory=Limits)
    works: tuple[str, ...] = ()
    log: Callable[[str], None] = print

    def wanted(self, name: str) -> bool:
        return not self.works or any(part.lower() in name.lower() for part in self.works)


def speed(options: Options) -> Iterator[Row]:
    """Every work at every size and share: seconds, ratio to the reference, memory."""
    works = {name: work for name, work in catalogue().items() if options.wanted(name)}
    for share in options.shares:
        alive = dict(works)
        for n in sorted(options.sizes):
            options.log(f"speed: n = {n}, {share:.0%} positives")
            yield from _one_size(Case(n, share), alive, options)


def _one_size(case: Case, alive: dict[str, Work], options: Options) -> Iterator[Row]:
    """Measure the works that are still alive; those that were stopped leave `alive`."""
    probes = {}
    for name, work in list(alive.items()):
        about = {"work": name, "kind": work.kind, "n": case.n, "share": case.share}
        reason = work.missing
        probes[name] = Probe()
        if reason is None and case.n >= PROBED:
            probes[name] = probe(name, case, options.limits)
            reason = probes[name].stopped
        if reason is not None:
            del alive[name]
            yield {**about, "stopped": reason}
    steps = {name: work.prepare(case) for name, work in alive.items()}
    reference = catalogue()[REFERENCE].prepare(case)
    for name, samples in interleave(steps, reference, options.effort).items():
        yield {
            "work": name,
            "kind": alive[name].kind,
            "n": case.n,
            "share": case.share,
            "seconds": samples.seconds(),
            "best": min(samples.step),
            "repetitions": len(samples.step),
            "ratio": samples.ratio(),
            "growth_bytes": probes[name].growth,
        }


def grid(options: Options) -> Iterator[Row]:
    """Average precision in its three directions over shares, epsilons and shifts."""
    for n in sorted(options.sizes)[-2:]:
        for share in GRID_SHARES:
            for epsilon in GRID_EPSILONS:
                for shift in GRID_SHIFTS:
                    case = Case(n, share, shift, epsilon)
                    options.log(f"grid: {case}")
                    yield from _one_cell(case, options)


def scale(options: Options) -> Iterator[Row]:
    """One long list: 20 % positives, shifted by half a deviation, epsilon 0.1."""
    case = Case(max(options.sizes), 0.2, 0.5, 0.1)
    options.log(f"scale: {case}")
    yield from _one_cell(case, options)
    # As where numpy's sort is not vectorised for the processor. Memory is that of other processes,
    # which do not know.
    with patch.object(sorting, "_numpy_is_faster", lambda: False):
        for row in _one_cell(case, options):
            yield {**row, "direction": f"{row['direction']}, sort by digits", "growth_bytes": None}


def _one_cell(case: Case, options: Options) -> Iterator[Row]:
    works = catalogue()
    names = {direction: f"AveragePrecision {direction}" for direction in DIRECTIONS}
    steps = {direction: works[name].prepare(case) for direction, name in names.items()}
    reference = works[REFERENCE].prepare(case)
    probes = {direction: probe(name, case, options.limits) for direction, name in names.items()}
    allowed = {key: step for key, step in steps.items() if probes[key].stopped is None}
    timed = interleave(allowed, reference, options.effort)
    for direction, found in probes.items():
        row: Row = {
            "direction": direction,
            "n": case.n,
            "share": case.share,
            "shift": case.shift,
            "epsilon": case.epsilon,
        }
        if found.stopped is not None:
            yield {**row, "stopped": found.stopped}
            continue
        samples = timed[direction]
        yield {
            **row,
            "seconds": samples.seconds(),
            "ratio": samples.ratio(),
            "growth_bytes": found.growth,
        }


def slopes(rows: list[Row]) -> list[Row]:
    """Exponents of seconds and of memory of every work and share, from the rows of `speed`."""
    found = []
    keys = dict.fromkeys((row["work"], row["kind"], row["share"]) for row in rows)
    for work, kind, share in keys:
        mine = [r for r in rows if (r["work"], r["share"]) == (work, share) and "seconds" in r]
        found.append(
            {
                "work": work,
                "kind": kind,
                "share": share,
                "seconds": exponent((r["n"], r["seconds"]) for r in mine),
                "memory": exponent((r["n"], r["growth_bytes"] or 0) for r in mine),
            }
        )
    return found


def summarise_grid(rows: list[Row]) -> list[Row]:
    """Median and worst cell of each size and direction, from the rows of `grid`."""
    found = []
    for n, direction in sorted({(row["n"], DIRECTIONS.index(row["direction"])) for row in rows}):
        mine = [r for r in rows if (r["n"], r["direction"]) == (n, DIRECTIONS[direction])]
        done = [r for r in mine if "seconds" in r]
        row: Row = {
            "direction": DIRECTIONS[direction],
            "n": n,
            "cells": len(mine),
            "done": len(done),
        }
        if done:
            memory = [r["growth_bytes"] for r in done if r["growth_bytes"] is not None]
            row |= {
                "seconds": median(r["seconds"] for r in done),
                "ratio": median(r["ratio"] for r in done),
                "worst": max(done, key=lambda r: r["ratio"]),
                "growth_bytes": median(memory) if memory else None,
                "most_growth_bytes": max(memory) if memory else None,
            }
        found.append(row)
    return found


SUMMARIES: dict[str, tuple[str, Callable[[list[Row]], list[Row]]]] = {
    "speed": ("slopes", slopes),
    "grid": ("grid_summary", summarise_grid),
}
"""What a run adds after a section: the name in its results, and how it is computed."""

SECTIONS: dict[str, Callable[[Options], Iterator[Row]]] = {
    "speed": speed,
    "grid": grid,
    "scale": scale,
    "batches": lambda options: batches.ragged(options.effort, options.log),
    "retrieval": lambda options: batches.retrieval(options.effort, options.log),
    "startup": lambda options: startup.measure(options.log),
    "whole": lambda options: whole_dataset.measure(options.effort, options.log),
    "noise": lambda options: perturbation.measure(options.sizes, options.effort, options.log),
    "masks": lambda options: masks.measure(options.log),
    "class_indices": lambda options: class_indices.measure(options.log),
    "estimators": lambda options: estimators.measure(options.log),
    "profile": lambda options: profile.measure(options.sizes, options.log),
}
