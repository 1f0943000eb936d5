"""A call, drawn by its number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.reliability.edge.chains import ChainShape, draw_shape, draw_targets
from benchmarks.reliability.edge.subjects import SUBJECTS, Subject
from directloss.inference._kernel import Array

__all__ = ["UPDATES", "Call", "draw_call", "draw_scores"]

UPDATES = ("positive", "negative", "both", "hinge", "perceptron")
DTYPES = (torch.float64, torch.float64, torch.float64, torch.float32, torch.float16, torch.bfloat16)
LAYOUTS = ("list", "list", "rows", "columns", "groups", "mask", "ignored", "missing")
COST_CLASSES = 4

_STEPS = [5e-324, 1e-310, 2.3e-308, 1e-300, 1e-30, 1e30, 1e300, 1.7e308]


@dataclass(frozen=True)
class Call:
    """One loss of one tensor of scores.

    Attributes:
        step: epsilon or margin.
        options: of the loss.
        arguments: mask and groups.
        chain: what the scores are, of a linear chain.
    """

    number: int
    subject: Subject
    update: str
    layout: str
    scores: Tensor
    targets: Tensor
    step: float | str
    options: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Tensor] = field(default_factory=dict)
    chain: ChainShape | None = None


def draw_call(number: int) -> Call:
    """The call of that number: neighbours differ in task and update, and all of both occur."""
    rng = np.random.default_rng(number)
    subject = SUBJECTS[number // len(UPDATES) % len(SUBJECTS)]
    update = UPDATES[number % len(UPDATES)]
    dtype = DTYPES[rng.integers(len(DTYPES))]
    layout = str(rng.choice(LAYOUTS))
    reduction = str(rng.choice(["mean", "mean", "sum", "none"]))
    if subject.kind == "chain":
        chain = draw_shape(rng)
        scores, targets = draw_scores(rng, chain.numel, dtype), draw_targets(rng, chain)
        options: dict[str, Any] = {"ignore_index": -1, "reduction": reduction}
        step = draw_step(rng, scores)
        return Call(number, subject, update, "chain", scores, targets, step, options, chain=chain)
    make = _classes if subject.kind == "classes" else _items
    scores, targets, options, arguments = make(rng, subject, dtype, layout)
    options["reduction"] = reduction
    step = draw_step(rng, scores)
    return Call(number, subject, update, layout, scores, targets, step, options, arguments)


# --- scores ---------------------------------------------------------------------------------------


def _normal(rng: np.random.Generator, n: int, info: torch.finfo) -> Array:
    return rng.normal(size=n) * _power(rng, 1, info)


def _whole_range(rng: np.random.Generator, n: int, info: torch.finfo) -> Array:
    return rng.choice([-1.0, 1.0], n) * _power(rng, n, info) * rng.uniform(1, 2, n)


def _ties(rng: np.random.Generator, n: int, info: torch.finfo) -> Array:
    kind = _whole_range if rng.random() < 0.5 else _normal
    return rng.choice(kind(rng, int(rng.integers(1, 5)), info), n)


def _clusters(rng: np.random.Generator, n: int, info: torch.finfo) -> Array:
    center = _power(rng, 1, info)
    near = 1.0 + rng.integers(-3, 4, n) * (info.eps if rng.random() < 0.5 else 1e-3)
    return rng.choice([-center[0], center[0]], n) * near


def _denormals(rng: np.random.Generator, n: int, info: torch.finfo) -> Array:
    return rng.integers(-9, 10, n) * info.smallest_normal * info.eps


def _largest(rng: np.random.Generator, n: int, info: torch.finfo) -> Array:
    share = rng.uniform(-1, 1, n) if rng.random() < 0.7 else rng.choice([-1.0, 0.5, 1.0], n)
    return share * info.max


def _zeros(rng: np.random.Generator, n: int, info: torch.finfo) -> Array:
    return rng.choice([-0.0, 0.0], n)


def _neighbours(rng: np.random.Generator, n: int, info: torch.finfo) -> Array:
    return _power(rng, 1, info) * (1.0 + rng.integers(0, 6, n) * info.eps)


def _mild(rng: np.random.Generator, n: int, info: torch.finfo) -> Array:
    return rng.normal(size=n)


def _mixture(rng: np.random.Generator, n: int, info: torch.finfo) -> Array:
    kinds = np.stack([kind(rng, n, info) for kind in REGIMES[:-1]])
    return kinds[rng.integers(len(kinds), size=n), np.arange(n)]


REGIMES: tuple[Callable[[np.random.Generator, int, torch.finfo], Array], ...] = (
    _normal, _whole_range, _ties, _clusters, _denormals, _largest, _zeros, _neighbours, _mild,
    _mixture,
)  # fmt: skip


def _power(rng: np.random.Generator, n: int, info: torch.finfo) -> Array:
    """2 to a power from those of the smallest number to that of the largest."""
    least, most = np.log2(info.smallest_normal * info.eps), np.log2(info.max)
    return np.exp2(np.floor(rng.uniform(least, most, n)))


def draw_scores(rng: np.random.Generator, n: int, dtype: torch.dtype) -> Tensor:
    """Scores (n,) of any number of the type but NaN."""
    info = torch.finfo(dtype)
    with np.errstate(over="ignore"):
        values = REGIMES[rng.integers(len(REGIMES))](rng, n, info)
    values = np.clip(values, -info.max, info.max)
    if rng.random() < 0.15:
        given = rng.random(n) < 0.3
        values[given] = rng.choice([np.inf, -np.inf], n)[given]
    return torch.from_numpy(values).to(dtype)


def draw_step(rng: np.random.Generator, scores: Tensor) -> float | str:
    """A step from tiny to huge, as a rule one that matters for the scores; or "auto"."""
    kind = rng.choice(5, p=[0.2, 0.1, 0.35, 0.25, 0.1])
    if kind == 0:
        return "auto"
    if kind == 1:
        return 1.0
    if kind == 2:
        finite = scores.double().abs()[scores.isfinite() & (scores != 0)]
        some = float(rng.choice(finite.numpy())) if finite.numel() else 1.0
        step = some * 2.0 ** float(rng.uniform(-12, 12))
        return min(max(step, 5e-324), 1.7e308)
    if kind == 3:
        return float(10.0 ** rng.uniform(-300, 300))
    return float(rng.choice(_STEPS))


# --- layouts --------------------------------------------------------------------------------------

_Drawn = tuple[Tensor, Tensor, dict[str, Any], dict[str, Tensor]]


def _length(rng: np.random.Generator) -> int:
    most = rng.choice([3, 12, 60, 400, 3000], p=[0.2, 0.5, 0.25, 0.045, 0.005])
    return int(rng.integers(0 if rng.random() < 0.02 else 1, most + 1))


def _items(rng: np.random.Generator, subject: Subject, dtype: torch.dtype, layout: str) -> _Drawn:
    """Scores and targets of a task with one target a score."""
    n = _length(rng)
    lists = 1
    if layout not in ("list", "groups"):
        lists = int(rng.integers(1, 5))
        n = n + 1 if n == 1 else n  # lists of one item each are refused
    scores = torch.stack([draw_scores(rng, n, dtype) for _ in range(lists)])
    targets = torch.from_numpy(np.stack([subject.draw(rng, n) for _ in range(lists)]))
    if rng.random() < 0.2:  # good or bad predictions
        order = targets.sort(-1, descending=bool(rng.random() < 0.5)).indices
        scores = torch.zeros_like(scores).scatter(-1, order, scores.sort(-1).values)
    options: dict[str, Any] = {}
    arguments: dict[str, Tensor] = {}
    kept = torch.from_numpy(rng.random((lists, n)) < 0.7)
    if layout in ("list", "groups"):
        scores, targets = scores[0], targets[0]
    if layout == "groups":
        arguments["groups"] = torch.from_numpy(rng.integers(0, 4, n))
    elif layout == "columns":
        scores, targets, options["dim"] = scores.T, targets.T, 0
    elif layout == "mask":
        arguments["mask"] = kept
    elif layout == "ignored":
        targets, options["ignore_index"] = torch.where(kept, targets, -7.0), -7
    elif layout == "missing":
        targets = torch.where(kept, targets, torch.nan)
    return scores, targets, options, arguments


def _classes(rng: np.random.Generator, subject: Subject, dtype: torch.dtype, layout: str) -> _Drawn:
    """Scores (B, C) and one class a row."""
    cost = subject.name.startswith("CostMatrix")
    n = COST_CLASSES if cost else int(rng.integers(1, 12))
    rows = int(rng.integers(1, 9))
    scores = torch.stack([draw_scores(rng, n, dtype) for _ in range(rows)])
    targets = torch.from_numpy(np.stack([subject.draw(rng, n) for _ in range(rows)]))
    kept = torch.from_numpy(rng.random(rows) < 0.7)
    options: dict[str, Any] = {}
    arguments: dict[str, Tensor] = {}
    if layout == "columns":
        scores, options["dim"] = scores.T, 0
    elif layout == "mask":
        arguments["mask"] = kept
    elif layout == "ignored":
        targets, options["ignore_index"] = torch.where(kept, targets, -7), -7
    elif layout == "list":
        scores, targets = scores[0], targets[0]
    return scores, targets, options, arguments
