"""The page: what was measured beside what the model says, and what it says of larger sizes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import archive
from benchmarks.at_length.measure import PHASES, Measured
from benchmarks.at_length.model import (
    Cost,
    Model,
    Shape,
    fit,
    gathered_bytes,
    scattered_bytes,
)
from benchmarks.markdown import render
from benchmarks.tables import table

__all__ = ["Study", "cells", "fitted_on", "load", "save", "write"]

GIGA = 1e9
FAR = Shape(10**9, 64)
BANDWIDTHS = (1.25, 12.5)
"""Assumed: 10^9 bytes a second into rank 0 and out of it, all of 10 and 100 Gbit/s."""

ROW_COSTS = (1, 10, 100)
"""Assumed: microseconds that a process takes for both passes over a row."""

LARGE = (Shape(10**8, 8), Shape(10**8, 64), Shape(10**9, 8), FAR)
MEMORIES = (16, 64, 128)
"""10^9 bytes of a machine."""


@dataclass(frozen=True)
class Study:
    """All launches, and where and when they were."""

    launches: Sequence[Measured]
    machine: Mapping[str, Any]


def save(study: Study, kept: Path) -> None:
    """Writes the archive."""
    found = {"machine": study.machine, "launches": [asdict(each) for each in study.launches]}
    archive.write(kept, {"at-length.json": json.dumps(found, indent=1).encode()})


def load(kept: Path) -> Study:
    """Reads the archive."""
    found = json.loads(archive.read(kept)["at-length.json"])
    launches = [Measured(**{**each, "shape": Shape(**each["shape"])}) for each in found["launches"]]
    return Study(launches, found["machine"])


def cells(launches: Sequence[Measured]) -> dict[Shape, Cost]:
    """Of each cell the least seconds of any launch, and the median of its memory.

    Rank 0 solves the same however many ranks there are: those seconds are the least of all launches
    with as many rows.
    """
    found: dict[Shape, list[Measured]] = {}
    solve: dict[int, float] = {}
    for each in launches:
        found.setdefault(each.shape, []).append(each)
        rows = each.shape.rows
        solve[rows] = min(each.cpu["solve"], solve.get(rows, inf))
    return {shape: _cell(mine, solve[shape.rows]) for shape, mine in found.items()}


def _cell(launches: Sequence[Measured], solve: float) -> Cost:
    phases = set(PHASES) - {"solve"}
    (sent,) = {each.sent for each in launches}
    return Cost(
        solve,
        sum(min(each.cpu[phase] for each in launches) for phase in sorted(phases)),
        sent,
        median(each.solving for each in launches),
        median(each.other for each in launches),
    )


def fitted_on(shape: Shape) -> bool:
    """Whether the model is fitted on a cell. All others are predicted."""
    return shape.rows <= 10**6 and shape.processes <= 4


def write(study: Study, kept: Path, page: Path) -> None:
    """Writes the page from the measurements."""
    measured = cells(study.launches)
    model = fit({shape: cost for shape, cost in measured.items() if fitted_on(shape)})
    worst = {
        name: max(
            max(ratio, 1 / ratio)
            for shape, cost in measured.items()
            if not fitted_on(shape) and (ratio := _ratio(model, shape, cost, name)) is not None
        )
        for name in ("seconds", "solving", "other")
    }
    shares = FAR.shares()
    text = render(
        Path(__file__).parent / "page.md.jinja",
        model=model,
        far=FAR,
        solve=model.solve_seconds(FAR.rows),
        memory=model.cost(FAR).solving / GIGA,
        moved=(gathered_bytes(shares) + scattered_bytes(shares)) / GIGA,
        transfers=[_transfer(FAR, bandwidth) for bandwidth in BANDWIDTHS],
        bandwidths=BANDWIDTHS,
        even=_even(model, FAR),
        gains={cost: _gain(model, FAR, cost) for cost in ROW_COSTS},
        gains_below={cost: _gain(model, Shape(10**8, 64), cost) for cost in ROW_COSTS},
        worst=worst,
        cells=_cells(measured, model),
        large=_large(model),
        limits=_limits(model),
        machine=study.machine,
        launches=len(study.launches),
        slowest=_slowest(study.launches, 10**7),
        cell_count=len(measured),
        citation=archive.citation(kept, page),
    )
    page.write_text(text, encoding="utf-8")


def _slowest(launches: Sequence[Measured], rows: int) -> float:
    """The longest over the shortest solve of so many rows: what other programs did to it."""
    found = [each.cpu["solve"] for each in launches if each.shape.rows == rows]
    return max(found) / min(found) if found else 1.0


def _ratio(model: Model, shape: Shape, cost: Cost, name: str) -> float | None:
    measured = float(getattr(cost, name))
    return float(getattr(model.cost(shape), name)) / measured if measured else None


def _cells(measured: Mapping[Shape, Cost], model: Model) -> str:
    names = ("seconds", "solve", "solving", "other")
    rows = []
    for shape, cost in sorted(measured.items(), key=lambda cell: (cell[0].rows, cell[0].processes)):
        line = [
            f"{shape.rows:,}",
            f"{shape.processes}",
            "fitted" if fitted_on(shape) else "predicted",
        ]
        for name in names:
            value, ratio = float(getattr(cost, name)), _ratio(model, shape, cost, name)
            unit = f"{value:.3f} s" if name in ("seconds", "solve") else f"{value / 1e6:.1f} MB"
            line.append("–" if ratio is None else f"{unit} (×{ratio:.2f})")
        line.append(
            f"{cost.sent / 1e6:.2f} MB (×{model.cost(shape).sent / cost.sent:.0f})"
            if cost.sent
            else "0"
        )
        rows.append(line)
    head = [
        "rows",
        "processes",
        "cell is",
        "processors",
        "of it the solve",
        "memory of rank 0",
        "of another rank",
        "sent",
    ]
    return table(head, rows)


def _transfer(shape: Shape, bandwidth: float) -> float:
    """Seconds to gather and to scatter through one port of rank 0."""
    shares = shape.shares()
    return (gathered_bytes(shares) + scattered_bytes(shares)) / (bandwidth * GIGA)


def _serial(model: Model, shape: Shape) -> float:
    """Seconds in which all ranks wait for rank 0, by the slower network."""
    return _transfer(shape, BANDWIDTHS[0]) + model.solve_seconds(shape.rows)


def _even(model: Model, shape: Shape) -> float:
    """Microseconds a row of both passes at which they take as long as rank 0."""
    return 1e6 * shape.processes * _serial(model, shape) / shape.rows


def _passes(shape: Shape, row_cost: float) -> float:
    return 1e-6 * row_cost * shape.rows / shape.processes


def _gain(model: Model, shape: Shape, row_cost: float) -> float:
    """How many times as long a step is as one whose solve and bytes all ranks share."""
    passes, share = _passes(shape, row_cost), shape.rows / shape.processes
    shared = model.solve_seconds(share) + _transfer(shape, BANDWIDTHS[0]) / shape.processes
    return (passes + _serial(model, shape)) / (passes + shared)


def _large(model: Model) -> str:
    rows = []
    for shape in LARGE:
        shares, cost = shape.shares(), model.cost(shape)
        rows.append([
            f"{shape.rows:,}", f"{shape.processes}",
            f"{gathered_bytes(shares) / GIGA:.2f} GB", f"{scattered_bytes(shares) / GIGA:.2f} GB",
            *(f"{memory / GIGA:.2f} GB" for memory in (cost.solving, cost.other)),
            *(f"{_transfer(shape, bandwidth):.1f} s" for bandwidth in BANDWIDTHS),
            f"{model.solve_seconds(shape.rows):.0f} s",
            *(f"{_passes(shape, each):,.0f} s" for each in ROW_COSTS),
            f"{_even(model, shape):.1f} µs",
        ])  # fmt: skip
    head = [
        "rows", "machines", "gathered", "scattered", "memory of rank 0", "of another",
        *(f"both at {bandwidth:g} GB/s" for bandwidth in BANDWIDTHS), "solve",
        *(f"passes at {cost} µs a row" for cost in ROW_COSTS), "even at",
    ]  # fmt: skip
    return table(head, rows)


def _limits(model: Model) -> str:
    fixed, each = model.solving
    rows = [[f"{m:,} GB", f"{(m * GIGA - fixed) / each / GIGA:.1f} × 10⁹"] for m in MEMORIES]
    return table(["memory of rank 0", "rows"], rows)
