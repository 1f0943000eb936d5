"""Gradients that are added as a whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def gradients_added(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Gradients of the block are added to those from before; if it raises, these stay alone."""
    before = {parameter: parameter.grad for parameter in parameters}
    for parameter in before:
        parameter.grad = None
    try:
        yield
    except BaseException:
        for parameter, gradient in before.items():
            parameter.grad = gradient
        raise
    for parameter, gradient in before.items():
        if gradient is None:
            continue
        if parameter.grad is not None:
            gradient += parameter.grad
        parameter.grad = gradient
