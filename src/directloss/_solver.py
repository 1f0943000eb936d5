"""Where the argmaxes of an update are found: on the host, or on the device of the scores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

from directloss.errors import ArgumentError

__all__ = ["Place", "checked_place", "chosen_place", "solver"]

Place = Literal["host", "device"]

chosen_place: ContextVar[Place] = ContextVar("solver", default="host")
"""What the innermost block of `solver` in this thread asks for."""


@contextmanager
def solver(place: Place) -> Iterator[None]:
    """Where losses that name no solver of their own find their argmaxes, in this block.

    Args:
        place: "host" (the default outside of such a block): scores are copied to the host, solved
            by compiled kernels, and their gradient is copied back. "device": in operations of torch
            on the device of the scores, without a copy and without waiting for it, where the task,
            the direction and the layout have such a solver; on the host where they have none. A
            loss with ``solver="device"`` of its own raises instead.

    Values and gradients are the same. Which tasks stay on the device, and what else differs there
    (a wrong target or a NaN score gives NaN instead of an error), is in `docs/device.md`.

    Raises:
        ArgumentError: `place` is neither.

    Example:
        >>> import torch, directloss as dl
        >>> scores, targets = torch.tensor([0.3, 0.1, -0.2]), torch.tensor([0, 1, 0])
        >>> with dl.solver("device"):
        ...     loss = dl.DirectLoss(dl.ROCAUC(), epsilon=0.5)(scores, targets)
    """
    token = chosen_place.set(checked_place(place))
    try:
        yield
    finally:
        chosen_place.reset(token)


def checked_place(place: object) -> Place:
    """One of the two names."""
    if place == "host" or place == "device":
        return place
    raise ArgumentError("solver", repr(place), "'host' or 'device'")
