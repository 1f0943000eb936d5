"""Arrays in memory, in three parts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from directloss.errors import ArgumentError


@dataclass(frozen=True)
class Part:
    """Samples: features `(n, ...)` and 0/1 targets `(n,)`."""

    features: Tensor
    targets: Tensor

    def __post_init__(self) -> None:
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
        return Part(self.features.to(device), self.targets.to(device))


@dataclass(frozen=True)
class Parts:
    """Training adapts the weights, validation chooses the settings, test is only reported."""

    train: Part
    validation: Part
    test: Part

    def to(self, device: torch.device) -> Parts:
        """The same parts on another device."""
        return Parts(self.train.to(device), self.validation.to(device), self.test.to(device))
