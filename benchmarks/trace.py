"""The way of one step: which functions run, in which modules, how deep.

    python -m benchmarks.trace

Traces forward and backward of `DirectLoss(AveragePrecision())` on one list of 1000 scores, after
some steps, so that everything is compiled and every table made. Functions of the package and calls
of compiled kernels from Python count; those of torch, numpy and numba do not, nor what kernels call
in each other.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from types import FrameType
from typing import Any, NamedTuple

import torch
from numba.core import dispatcher

import directloss as dl

__all__ = ["Call", "document", "trace"]

PACKAGE = "directloss"
WARM = 3
"""Steps before the one that is traced."""


class Call(NamedTuple):
    """A call on the way.

    Attributes:
        depth: calls of the package that it is within.
        module: without the package's name.
        function: qualified name.
        compiled: whether it is a kernel.
    """

    depth: int
    module: str
    function: str
    compiled: bool


class _Trace:
    """Calls in their order, heard from the interpreter and from numba's dispatcher."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._depth = 0

    def hear(self, frame: FrameType, event: str, argument: object) -> None:
        module = frame.f_globals.get("__name__", "")
        name = frame.f_code.co_qualname
        if not _is_ours(module) or name.endswith(("comp>", "<genexpr>")):
            return
        if event == "call":
            self._add(module, name, compiled=False)
            self._depth += 1
        elif event == "return":
            self._depth -= 1

    def hear_kernel(self, kernel: Any) -> None:
        function = kernel.py_func
        if _is_ours(function.__module__):
            self._add(function.__module__, function.__qualname__, compiled=True)

    def _add(self, module: str, function: str, *, compiled: bool) -> None:
        short = module.removeprefix(PACKAGE).lstrip(".") or "__init__"
        self.calls.append(Call(self._depth, short, function, compiled))


def _is_ours(module: str) -> bool:
    return module == PACKAGE or module.startswith(f"{PACKAGE}.")


@contextmanager
def _heard(trace: _Trace) -> Iterator[None]:
    kind = dispatcher.Dispatcher
    plain = kind.__call__

    def call(kernel: Any, *arguments: Any) -> Any:
        trace.hear_kernel(kernel)
        return plain(kernel, *arguments)

    kind.__call__ = call  # type: ignore[method-assign]
    sys.setprofile(trace.hear)
    try:
        yield
    finally:
        sys.setprofile(None)
        del kind.__call__


def trace(direction: str = "positive") -> list[Call]:
    """The calls of one step."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(1000, generator=generator, requires_grad=True)
    targets = (torch.rand(1000, generator=generator) < 0.2).float()
    loss_fn = dl.DirectLoss(dl.AveragePrecision(), epsilon=1.0, direction=direction)  # type: ignore[arg-type]
    found = _Trace()
    for _ in range(WARM):
        loss_fn(scores, targets).backward()
    with _heard(found):
        loss_fn(scores, targets).backward()
    return found.calls


def document(calls: list[Call]) -> str:
    """A summary, and the way as an indented list."""
    modules = [call.module for call in calls]
    changes = sum(a != b for a, b in pairwise(modules))
    kernels = sum(call.compiled for call in calls)
    summary = (
        f"{len(calls)} calls of {len({call[1:3] for call in calls})} functions in "
        f"{len(set(modules))} modules, {changes} changes of module, "
        f"{max(call.depth for call in calls) + 1} deep, {kernels} of them kernels"
    )
    width = max(2 * call.depth + len(call.function) for call in calls) + 2
    lines = [
        f"{'  ' * call.depth + call.function:<{width}}{call.module}{' *' * call.compiled}"
        for call in calls
    ]
    return "\n".join([summary, "", *lines])


if __name__ == "__main__":
    print(document(trace()))
