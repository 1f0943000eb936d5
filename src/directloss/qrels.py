"""Relevance judgements as the indices of the relevant items, in place of a target for each."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from directloss.errors import ArgumentError

__all__ = ["Qrels"]


class Qrels(NamedTuple):
    """Relevance judgements: the relevant items of each list, all others being irrelevant.

    In the place of `targets` of a loss or of `task.metric`, for lists of which few items are
    relevant: a data loader then moves some indices for each list. Values and gradients are those of
    the dense targets, which are made where the list is read. With grades it is a tuple of tensors,
    which a `DataLoader` stacks and pins as such; without, let the data set return the items, all
    filled up to the same K, and say ``Qrels(items)`` in the loop.

    Attributes:
        items: integers (..., K), the places of the relevant items along `dim` (several axes count
            as one, flat); -1 fills up lists of fewer than K. Leading axes are the scores' without
            `dim`.
        grades: (..., K), >= 0, the relevance of each; None: 1. An item that comes twice has the
            larger one. Beside a -1 of `items` it may be anything.

    Example:
        >>> import torch, directloss as dl
        >>> scores = torch.randn(2, 100_000, requires_grad=True)
        >>> judged = dl.Qrels(torch.tensor([[17, 4, -1], [99_999, 8, 3]]))
        >>> dl.DirectLoss(dl.AveragePrecision())(scores, judged).backward()

    Source: the name of such files at the Text REtrieval Conference (TREC).
    """

    items: Tensor
    grades: Tensor | None = None

    def to(self, device: torch.device | str) -> Qrels:
        """The same on another device."""
        grades = None if self.grades is None else self.grades.to(device)
        return Qrels(self.items.to(device), grades)

    def dense(self, rows: tuple[int, ...], length: int) -> Tensor:
        """A target for each item, in the shape `rows` and `length`: 0 where an item is not named.

        Raises:
            ArgumentError: something has the wrong shape, type or range.
        """
        items, grades = self.items, self.grades
        if not isinstance(items, Tensor) or items.is_floating_point() or items.dtype == torch.bool:
            kind = str(items.dtype) if isinstance(items, Tensor) else type(items).__name__
            raise ArgumentError("targets.items", kind, "a tensor of integers")
        if tuple(items.shape[:-1]) != rows or items.ndim == 0:
            shape = ", ".join(map(str, (*rows, "K")))
            wanted = f"shape ({shape}): the relevant items of each list"
            raise ArgumentError("targets.items", f"shape {tuple(items.shape)}", wanted)
        if grades is None:
            grades = torch.ones(items.shape, dtype=torch.uint8, device=items.device)
        if not isinstance(grades, Tensor) or grades.shape != items.shape:
            came = f"shape {tuple(grades.shape)}" if isinstance(grades, Tensor) else repr(grades)
            wanted = f"a tensor of the items' shape {tuple(items.shape)}"
            raise ArgumentError("targets.grades", came, wanted)
        if items.numel() and not torch.compiler.is_compiling():
            lowest, highest = int(items.min()), int(items.max())
            if lowest < -1 or highest >= length:
                wanted = f"places from 0 to {length - 1}, or -1 for none"
                raise ArgumentError("targets.items", lowest if lowest < -1 else highest, wanted)
            taken = grades[items >= 0]
            if not bool((taken >= 0).all()):
                raise ArgumentError("targets.grades", taken.min().item(), "numbers >= 0")
        none = torch.zeros((), dtype=grades.dtype, device=grades.device)
        found = torch.zeros((*rows, length), dtype=grades.dtype, device=grades.device)
        # What fills a list up writes a 0, which is the smaller of two.
        places = items.long().clamp(min=0)
        return found.scatter_reduce(-1, places, torch.where(items < 0, none, grades), "amax")
