"""A module with a step, epsilon or a margin, that may set itself."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from directloss._operators import transformed
from directloss.errors import ArgumentError
from directloss.functional import require_positive

__all__ = ["Auto", "SteppedModule"]

Auto = Literal["auto"]

QUIET_BATCHES = 50
"""Training batches in a row without any gradient before one warning is given."""


class SteppedModule(nn.Module):
    """Keeps a step in a float64 buffer: NaN while "auto" is not yet set.

    Says once when many training batches in a row gave no gradient.
    """

    _quiet_batches: int | None = 0

    def _watch(self, moves: bool, is_perfect: Callable[[], bool]) -> None:
        """Count training batches whose gradient is 0 everywhere though there is more to gain.

        Args:
            moves: whether the gradient is not 0 everywhere.
            is_perfect: whether no prediction could be better; asked where the gradient is 0.
        """
        if not self.training or self._quiet_batches is None:
            return
        if moves or is_perfect():
            if self._quiet_batches:  # nn.Module is slow at setting an attribute
                self._quiet_batches = 0
            return
        self._quiet_batches += 1
        if self._quiet_batches == QUIET_BATCHES:
            self._quiet_batches = None
            warnings.warn(self._advice(), UserWarning, stacklevel=_callers_level())

    def _advice(self) -> str:
        """What the warning says."""
        return f"{self!r} gave no gradient for {QUIET_BATCHES} training batches in a row"

    def _set_step(self, name: str, value: float | Auto) -> None:
        if value == "auto":
            value = math.nan
        elif isinstance(value, str):
            raise ArgumentError(name, repr(value), "a positive finite number, or 'auto'")
        else:
            value = float(require_positive(name, value))
        self.register_buffer(name, torch.tensor(value, dtype=torch.float64))

    def _step_set(self, name: str) -> float | None:
        """The step if it is a number already; None also where Python cannot look at it."""
        if torch.compiler.is_compiling():
            return None
        # From the buffers: nn.Module looks for an attribute in all else before.
        step = self._buffers[name]
        if step is None or torch._C._functorch.is_functorch_wrapped_tensor(step):
            return None
        value = float(step.item())
        return None if math.isnan(value) else value

    def _keep(self, name: str, measured: Tensor | None) -> None:
        """Hold the step fixed, once a training batch went through."""
        if measured is None or not self.training:
            return
        if torch.compiler.is_compiling() or not transformed():
            getattr(self, name).copy_(measured)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        # The step moves between devices but keeps its precision: half() of a model is not meant
        # for it. float64 does not exist on every device, hence the detour.
        steps = {n: step for n, step in self._buffers.items() if step is not None}
        for name, step in steps.items():
            self._buffers[name] = step.float()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, step in steps.items():
            device = self._buffers[name].device  # type: ignore[union-attr]
            wide = torch.float32 if device.type == "mps" else torch.float64
            self._buffers[name] = step.to(device, wide)
        return self


def _callers_level() -> int:
    """The `stacklevel` of the line that called the module, past torch's and our own frames."""
    level = 1
    frame = sys._getframe(1)
    inside = ("directloss.", "torch.")
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(inside):
        frame = frame.f_back
        level += 1
    return level
