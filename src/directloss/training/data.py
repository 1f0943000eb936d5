"""Samples in three parts: arrays in memory, or loaders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

from directloss.errors import ArgumentError


@dataclass(frozen=True)
class Part:
    """Samples: features `(n, ...)` and targets `(n,)`: 0/1, or relevances >= 0.

    `groups`, integers `(n,)`, tells which list each sample belongs to; None: all are one list.
    """

    features: Tensor
    targets: Tensor
    groups: Tensor | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (isinstance(value, Tensor) or (value is None and name == "groups")):
                raise ArgumentError(name, f"a {type(value).__name__}", "a tensor")
        if self.targets.ndim != 1 or len(self.features) != len(self.targets):
            raise ArgumentError(
                "targets",
                f"shape {tuple(self.targets.shape)} for features {tuple(self.features.shape)}",
                "one target a sample",
            )

    def __len__(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device) -> Part:
        """The same part on another device."""
        groups = None if self.groups is None else self.groups.to(device)
        return Part(self.features.to(device), self.targets.to(device), groups)

    def split(self, size: int) -> Iterator[Part]:
        """The samples in their order, `size` at a time."""
        return (self[start : start + size] for start in range(0, len(self), size))

    def __getitem__(self, rows: Tensor | slice) -> Part:
        """Some of the samples."""
        groups = None if self.groups is None else self.groups[rows]
        return Part(self.features[rows], self.targets[rows], groups)

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """One after the other; all of them have groups, or none."""
        groups = [part.groups for part in parts if part.groups is not None]
        return cls(
            torch.cat([part.features for part in parts]),
            torch.cat([part.targets for part in parts]),
            torch.cat(groups) if groups else None,
        )

    @property
    def lists(self) -> dict[str, Tensor]:
        """What tells a loss or a metric the lists, as keyword arguments."""
        return {} if self.groups is None else {"groups": self.groups}


@dataclass(frozen=True)
class Parts:
    """Training adapts the weights, validation chooses the settings, test is only reported."""

    train: Part
    validation: Part
    test: Part

    def to(self, device: torch.device) -> Parts:
        """The same parts on another device."""
        return Parts(self.train.to(device), self.validation.to(device), self.test.to(device))


Loader = Iterable[Sequence[Tensor]]
"""Yields (features, targets) or (features, targets, groups), such as torch's DataLoader."""


@dataclass(frozen=True)
class Sources:
    """The three parts, each in memory or a loader; a pass through a loader is an epoch.

    Of several processes, each has a loader of its own share of the training part, with as many
    batches as the others', and loaders of the whole of the other parts. A batch has the whole of a
    list.
    """

    train: Part | Loader
    validation: Part | Loader
    test: Part | Loader | None = None


def pieces(source: Part | Loader, device: torch.device, size: int) -> Iterator[Part]:
    """The samples, `size` at a time where they are in memory, else as the loader gives them."""
    if isinstance(source, Part):
        yield from source.to(device).split(size)
        return
    for batch in source:
        if not isinstance(batch, Sequence) or not 2 <= len(batch) <= 3:
            came = f"a batch that is a {type(batch).__name__} of {len(batch)}"
            raise ArgumentError(
                "loader", came, "(features, targets) or (features, targets, groups)"
            )
        yield Part(*batch).to(device)


SPLITS = tuple(each.name for each in fields(Parts))
"""Names of the parts: "train", "validation", "test"."""
