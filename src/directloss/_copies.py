"""Copies between the host and a device, of which several are waited for at once, or none."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["from_host", "to_host"]


def to_host(
    scores: Tensor, targets: Tensor, *others: Tensor | None
) -> tuple[Tensor, Tensor, list[Tensor | None]]:
    """The tensors on the host, of which those of a CUDA device are copied into pinned memory.

    All copies are begun before one is waited for.
    """
    given = (scores, targets, *others)
    devices = {tensor.device for tensor in given if tensor is not None and tensor.is_cuda}
    copies = [None if tensor is None else _begun(tensor) for tensor in others]
    begun = _begun(scores), _begun(targets), copies
    for device in devices:
        torch.cuda.current_stream(device).synchronize()
    return begun


def _begun(tensor: Tensor) -> Tensor:
    return tensor.to("cpu", non_blocking=True) if tensor.is_cuda else tensor


def from_host(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the host on a device. Nobody waits for the copy to a CUDA device."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
