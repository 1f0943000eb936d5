"""What tests ask of solvers on a device, on machines without one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike
from torch.utils._python_dispatch import TorchDispatchMode

from directloss._terms import Kind, Term
from directloss.inference.device import Solver
from directloss.tasks import Solution, Task
from tests.cases import TASKS
from tests.harness import DIRECTIONS, TaskCase, update_terms


def kind_of(weight: float) -> Kind:
    return Term(1.0, weight).kind


def solver_of(task: Task) -> Solver[Any]:
    solver = task.on_device()
    assert solver is not None
    return solver


def has(task: Task, update: str) -> bool:
    """Whether a device has solvers for all terms of an update."""
    kinds = [kind_of(weight) for _, weight in update_terms(update, 1.0)]
    return solver_of(task).missing(kinds) is None


ON_DEVICE: tuple[TaskCase, ...] = tuple(c for c in TASKS if c.make().on_device() is not None)

STEPS = [
    pytest.param(case, direction, id=f"{case}-{direction}")
    for case in ON_DEVICE
    for direction in DIRECTIONS
    if has(case.make(), direction)
]


def solve_padded(
    task: Task,
    scores: Sequence[ArrayLike],
    targets: Sequence[ArrayLike],
    weights: Sequence[float],
    *,
    share_ties: bool = False,
) -> Solution:
    """`tests.harness.solve_batch` by the solver of a device: lists as rows, padded by a mask."""
    sizes = [len(np.atleast_1d(s)) for s in scores]
    rows, labels = torch.zeros(2, len(sizes), max(sizes), dtype=torch.float64)
    mask = torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]
    rows[mask] = torch.from_numpy(np.concatenate([np.asarray(s, np.float64) for s in scores]))
    labels[mask] = torch.from_numpy(np.concatenate([np.asarray(t, np.float64) for t in targets]))
    terms = [Term(1.0, weight) for weight in weights]
    found = solver_of(task).solve(rows, labels, mask, terms, share_ties=share_ties)
    return Solution(*(part.numpy() for part in (found.combination[mask], *found[1:])))


class NoWaiting(TorchDispatchMode):
    """Refuses what makes Python wait for a device: a look at a number, a shape made of one, a copy.

    Args:
        device: the one that is not waited for, of which tensors may be stand-ins without data.
    """

    REFUSED = (
        "_local_scalar_dense",
        "_unique",
        "_unique2",
        "bincount",
        "equal",
        "is_nonzero",
        "masked_select",
        "nonzero",
        "repeat_interleave",
        "unique_consecutive",
        "unique_dim",
    )

    def __init__(self, device: str = "cuda") -> None:
        super().__init__()
        self.device = device
        self.calls = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name, given = func.overloadpacket.__name__, _tensors(args)
        concerned = any(tensor.device.type == self.device for tensor in given)
        if concerned:
            assert name not in self.REFUSED, f"{name} waits for the device"
            if name.startswith("index"):
                assert not any(t.dtype == torch.bool for t in given[1:]), f"{name} by bools waits"
        made = func(*args, **(kwargs or {}))
        if concerned:
            there = [tensor.device.type == self.device for tensor in _tensors(made)]
            assert all(there), f"{name} copies to the host"
        self.calls += concerned
        return made


def _tensors(values: Any) -> list[torch.Tensor]:
    if isinstance(values, torch.Tensor):
        return [values]
    if isinstance(values, list | tuple):
        return [tensor for value in values for tensor in _tensors(value)]
    return []
