"""A module with a step, epsilon or a margin, that may set itself."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from directloss._arguments import step as checked_step
from directloss._operators import transformed
from directloss._update import Batch, Step
from directloss._world import World

__all__ = ["Auto", "StepAttribute", "SteppedModule", "failing_together"]

Auto = Literal["auto"]

QUIET_BATCHES = 50
"""Training batches in a row without any gradient before one warning is given."""

UNSEEN_BATCHES = 7
"""Training batches after one with a gradient that nobody looks at: a look takes a twentieth of
a step on a thousand scores."""

_NUMBER_OR_AUTO = "a positive finite number of at least 5.6e-309, or 'auto'"


class StepAttribute:
    """How type checkers see a step: read as a tensor, assigned a number or "auto"."""

    if TYPE_CHECKING:

        def __get__(self, module: object, kind: object = None) -> Tensor: ...

        def __set__(self, module: object, value: float | Auto | Tensor) -> None: ...


@dataclass(slots=True)
class _Quiet:
    """What a loss has seen of its gradients. Not in the module, which is slow at attributes.

    Attributes:
        batches: in a row without a gradient, of those that were looked at.
        unseen: batches until the next look.
    """

    batches: int = 0
    unseen: int = 0


class SteppedModule(nn.Module):
    """Keeps a step in a float64 buffer: NaN while "auto" is not yet set.

    Says once when many training batches in a row gave no gradient.
    """

    _step: ClassVar[str] = ""
    """The name of its buffer; none for a loss without a step."""

    _assigned: float = math.nan
    """The last value of the buffer that was assigned: one on the meta device does not keep it."""

    _seen: tuple[Tensor, int, float] | None = None
    """A buffer on a device, its version and what it held."""

    @property
    def _share(self) -> float:
        """What "auto" takes of the spread of the scores."""
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self._quiet = _Quiet()

    def __setattr__(self, name: str, value: Any) -> None:
        if name == self._step and name in self._buffers:
            self._assign(value)
        else:
            super().__setattr__(name, value)

    @property
    def measures_together(self) -> bool:
        """Whether the next forward pass measures the step with all processes."""
        unset = bool(self._step) and self._number() is None
        return unset and self.training and World().size > 1

    def _watch(self, gradient: Tensor, is_perfect: Callable[[], bool]) -> None:
        """Count training batches whose gradient is 0 everywhere though there is more to gain.

        One is looked at, and after one with a gradient `UNSEEN_BATCHES` are not.

        Args:
            gradient: 0 where the update does nothing.
            is_perfect: whether no prediction could be better; asked where the gradient is 0.
        """
        quiet = self._quiet
        if quiet.unseen:
            quiet.unseen -= 1
        elif _anywhere(gradient) or is_perfect():
            quiet.batches, quiet.unseen = 0, UNSEEN_BATCHES
        else:
            quiet.batches += 1
            if quiet.batches == QUIET_BATCHES:
                quiet.unseen = sys.maxsize  # it is said once
                warnings.warn(self._advice(), UserWarning, stacklevel=_callers_level())

    def _advice(self) -> str:
        """What the warning says."""
        return f"{self!r} gave no gradient for {QUIET_BATCHES} training batches in a row"

    def _register_step(self, value: float | Auto) -> None:
        self.register_buffer(self._step, torch.tensor(math.nan, dtype=torch.float64))
        self._assign(checked_step(self._step, value) if isinstance(value, Tensor) else value)

    def _number(self) -> float | None:
        """The step if it is a number already; None also where Python cannot look at it.

        NaN for a loss without a step.
        """
        if not self._step:
            return math.nan
        if torch.compiler.is_compiling():
            return None
        # From the buffers: nn.Module looks for an attribute in all else before.
        stored = self._buffers[self._step]
        if stored is None or torch._C._functorch.is_functorch_wrapped_tensor(stored):
            return None
        at_hand = stored.is_cpu or stored.is_inference()
        value: float = stored.item() if at_hand else self._waited_for(stored)
        if 0.0 < value < math.inf:
            return value
        return None if math.isnan(value) else checked_step(self._step, value)

    def _waited_for(self, stored: Tensor) -> float:
        """What a buffer on a device holds: waited for once, until it is written again."""
        seen, version, value = self._seen or (None, 0, 0.0)
        if seen is not stored or version != stored._version:
            value = float(stored.item())
            self._seen = (stored, stored._version, value)
        return value

    def _keep(self, measured: Tensor) -> None:
        """A step that was measured, for the batches to come; after what follows from it."""
        if self.training and (torch.compiler.is_compiling() or not transformed()):
            getattr(self, self._step).copy_(measured)

    def _measured(self, batch: Batch, *, together: bool) -> tuple[Tensor, Step]:
        """The step, NaN where the batch gives none; and the one to take."""
        measured = batch.step(getattr(self, self._step), self._share, together=together)
        # Until a batch has a spread, a stand-in. Chosen by no branch, for traced graphs.
        taken = torch.where(torch.isnan(measured), self._share, measured)
        return measured, taken if batch.traced else taken.item()

    def _current_step(self, batch: Batch) -> Step:
        """The step, or what this process alone would measure; nothing is kept."""
        step = self._number()
        return self._measured(batch, together=False)[1] if step is None else step

    def _step_shown(self) -> str:
        """The step as `repr` shows it."""
        value = float(getattr(self, self._step))
        return "'auto'" if math.isnan(value) else f"{value:g}"

    def _assign(self, value: float | Auto | Tensor) -> None:
        """Another step, in the buffer that is there, so that no compiled graph is made anew."""
        name, stored = self._step, getattr(self, self._step)
        if isinstance(value, Tensor):
            if value.is_meta or stored.is_meta:
                self._buffers[name] = value
                return
            number = _stored_number(name, value)
        elif isinstance(value, str) and value == "auto":
            number = math.nan
        else:
            number = checked_step(name, value, _NUMBER_OR_AUTO)
        self._assigned = number
        with torch.no_grad():
            stored.fill_(number)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *others: Any) -> None:
        found = state.get(prefix + self._step)
        if isinstance(found, Tensor) and found.numel() == 1 and not found.is_meta:
            self._assigned = _stored_number(self._step, found)
        super()._load_from_state_dict(state, prefix, *others)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        # The step moves between devices but keeps its precision: half() of a model is not meant
        # for it. float64 does not exist on every device, hence the detour.
        step = self._buffers.get(self._step)
        if step is None:
            return super()._apply(fn, recurse)  # type: ignore[no-untyped-call, no-any-return]
        self._buffers[self._step] = step.float()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        device = self._buffers[self._step].device  # type: ignore[union-attr]
        wide = torch.float32 if device.type == "mps" else torch.float64
        if step.is_meta:  # of `to_empty`, which makes memory for it
            self._buffers[self._step] = torch.full_like(
                step, self._assigned, device=device, dtype=wide
            )
        else:
            self._buffers[self._step] = step.to(device, wide)
        return self


def failing_together(loss_fn: nn.Module, scores: object) -> AbstractContextManager[object]:
    """What fails in this block on one process is raised on all, with the rank named.

    Only where the loss is about to measure its step with all processes; else each is alone.
    """
    alone = torch.compiler.is_compiling() or World().size == 1
    if alone or not any(
        isinstance(part, SteppedModule) and part.measures_together for part in loss_fn.modules()
    ):
        return nullcontext()
    return World(getattr(scores, "device", None)).together()


def _anywhere(gradient: Tensor) -> bool:
    """Whether it is not 0 everywhere; in most batches its first entries tell."""
    if not gradient.is_cpu:
        return bool(gradient.any())
    flat = gradient.numpy(force=True).reshape(-1)
    # Each operation of torch or numpy that a step needs once costs more than its arithmetic.
    return any(flat[:64].tolist()) or bool(flat.any())


def _stored_number(name: str, stored: Tensor) -> float:
    """What a buffer holds: a step, or NaN where it is not set yet.

    Raises:
        ArgumentError: it is neither.
    """
    value = stored.item() if stored.numel() == 1 else stored
    if isinstance(value, float) and math.isnan(value):
        return value
    wanted = f"{_NUMBER_OR_AUTO}; as a tensor of one number, NaN for 'auto'"
    return checked_step(name, value, wanted)


def _callers_level() -> int:
    """The `stacklevel` of the line that called the module, past torch's and our own frames."""
    level = 1
    frame = sys._getframe(1)
    inside = ("directloss.", "torch.")
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(inside):
        frame = frame.f_back
        level += 1
    return level
