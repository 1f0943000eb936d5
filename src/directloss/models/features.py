"""Features of the crops of an image: cut, looked at by a backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from directloss.datasets.crops import PADDING, Pixels, crops, mirrored
from directloss.datasets.voc import Box, read_image
from directloss.models.backbones import Backbone, load_backbone
from directloss.models.weights import AUTO

Features = NDArray[np.float32]

_BATCH = 64
"""Crops a forward pass: bounds memory, changes no result."""

_CROPS_AT_ONCE = 256
"""Crops in memory, of each copy: changes no result either."""


@dataclass(frozen=True)
class CropSettings:
    """How crops are cut, and what looks at them.

    Attributes:
        backbone, weights, size: as for `load_backbone`.
        padding: pixels of context at the network's scale.
        mirror: whether each crop also comes with left and right exchanged.
    """

    backbone: str
    weights: str = AUTO
    size: int | None = None
    padding: int = PADDING
    mirror: bool = False

    def load(self) -> Backbone:
        """The network, kept for the next call, on the GPU where there is one."""
        return _kept_backbone(self.backbone, self.weights, self.size)

    def identity(self) -> list[str | int]:
        """All that features depend on besides the image and the boxes: the name of a cache."""
        backbone = self.load()
        weights = backbone.fingerprint
        return [backbone.name, weights, backbone.size, self.padding, 1 + self.mirror]


def cut_crops(settings: CropSettings, file: Path, boxes: Sequence[Box]) -> Pixels:
    """The crops of an image as they are and, if asked for, mirrored.

    Shape `(copies, boxes, size, size, 3)`, copies 1 or 2.

    Raises:
        DataError: the image cannot be read.
    """
    backbone = settings.load()
    pixels = crops(
        read_image(file),
        tuple(boxes),
        backbone.size,
        padding=settings.padding,
        fill=backbone.fill,
    )
    return np.stack([pixels, mirrored(pixels)] if settings.mirror else [pixels])


def crop_features(settings: CropSettings, file: Path, boxes: Sequence[Box]) -> Features:
    """Features of the crops of an image, `(copies, boxes, width)`; copies as in `cut_crops`.

    Raises:
        DataError: the image cannot be read.
    """
    backbone = settings.load()
    chunks = [np.empty((1 + settings.mirror, 0, backbone.width), np.float32)]
    for start in range(0, len(boxes), _CROPS_AT_ONCE):
        pixels = cut_crops(settings, file, boxes[start : start + _CROPS_AT_ONCE])
        features = features_of(backbone, pixels.reshape(-1, *pixels.shape[2:]))
        chunks.append(features.reshape(*pixels.shape[:2], backbone.width))
    return np.concatenate(chunks, axis=1)


@torch.no_grad()
def features_of(backbone: Backbone, pixels: Pixels) -> Features:
    """Features `(n, width)` of crops `(n, size, size, 3)`."""
    device = backbone.mean.device
    batches = [torch.empty(0, backbone.width)]
    for start in range(0, len(pixels), _BATCH):
        batch = torch.from_numpy(pixels[start : start + _BATCH]).to(device)
        batches.append(backbone(batch.permute(0, 3, 1, 2)).cpu())
    values: Features = torch.cat(batches).numpy()
    return values


@lru_cache(maxsize=2)
def _kept_backbone(name: str, weights: str, size: int | None) -> Backbone:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return load_backbone(name, weights, size).to(device)
