"""Crops of a photograph as R-CNN cuts them: with context, warped to a square.

Source: Girshick, Donahue, Darrell, Malik, CVPR 2014, appendix A ("warp" with 16 pixels of context).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from directloss.datasets.voc import Box

PADDING = 16
"""Pixels of context at each side, at the network's scale."""

Pixels = NDArray[np.uint8]
"""RGB in 0..255, shape `(..., size, size, 3)`."""


def with_context(box: Box, size: int, padding: int = PADDING) -> Box:
    """The region that is warped to `size` x `size` pixels, of which `padding` each side is context.

    The box itself fills the middle `size - 2 padding` pixels in both directions, so the region is
    wider than the box by the factor size / (size - 2 padding) and has the same centre.
    """
    factor = size / (size - 2 * padding)
    dx, dy = (factor - 1) * box.width / 2, (factor - 1) * box.height / 2
    return Box(box.left - dx, box.top - dy, box.right + dx, box.bottom + dy)


def crop(
    image: Image.Image,
    box: Box,
    size: int,
    *,
    padding: int = PADDING,
    fill: tuple[int, int, int] = (0, 0, 0),
) -> Pixels:
    """One crop, warped without regard to its aspect ratio, shape `(size, size, 3)`.

    Args:
        image: RGB.
        box: in pixels of the image.
        size: pixels of a side.
        padding: of them at each side, what lies around the box.
        fill: colour of what lies outside the image; give the mean that the network takes off.
    """
    region = with_context(box, size, padding)
    left, top = math.floor(region.left), math.floor(region.top)
    right, bottom = math.ceil(region.right), math.ceil(region.bottom)
    # Pillow fills what is outside with black, and `resize` wants a region that is inside.
    canvas = Image.new("RGB", (right - left, bottom - top), fill)
    canvas.paste(image, (-left, -top))
    inner = (region.left - left, region.top - top, region.right - left, region.bottom - top)
    warped = canvas.resize((size, size), Image.Resampling.BILINEAR, box=inner)
    return np.asarray(warped)


def crops(
    image: Image.Image,
    boxes: tuple[Box, ...],
    size: int,
    *,
    padding: int = PADDING,
    fill: tuple[int, int, int] = (0, 0, 0),
) -> Pixels:
    """A crop for each box, shape `(boxes, size, size, 3)`."""
    cut = [crop(image, box, size, padding=padding, fill=fill) for box in boxes]
    return np.stack(cut) if cut else np.empty((0, size, size, 3), dtype=np.uint8)


def mirrored(pixels: Pixels) -> Pixels:
    """Left and right exchanged."""
    return np.ascontiguousarray(pixels[..., ::-1, :])
