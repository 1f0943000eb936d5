"""Features of the boxes of an image.

Sources: Girshick, ICCV 2015 (one pass of the network an image), with the sampling of He, Gkioxari,
Dollar, Girshick, ICCV 2017 (RoIAlign).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.ops import roi_align

from directloss.models.backbones import Backbone
from directloss.paper.detection.boxes import Boxes

_SAMPLES = 2
"""Samples of the maps in each direction of a grid cell."""

_CHUNK = 512
"""Boxes at a time: bounds memory, changes no result."""


@torch.no_grad()
def roi_features(
    image: Image.Image, boxes: Boxes, backbone: Backbone, *, grid: int, shortest_side: int
) -> NDArray[np.float16]:
    """One pass over the image, then for each box the mean of the maps in each cell of a grid.

    Args:
        image: RGB.
        boxes: in pixels of the image, `(n, 4)`.
        backbone: a network that has maps.
        grid: cells in each direction.
        shortest_side: the image is brought to this size first, whether larger or smaller.

    Returns:
        `(n, channels * grid * grid)`.
    """
    scale = shortest_side / min(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    pixels = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    device = backbone.mean.device
    maps = backbone.maps(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].to(device))
    regions = torch.from_numpy(boxes).float()
    regions *= torch.tensor([width, height, width, height]) / torch.tensor([*image.size] * 2)
    regions = to_map(regions, (width, height), maps).to(device)
    chunks = [
        roi_align(maps, [chunk], (grid, grid), sampling_ratio=_SAMPLES, aligned=True).flatten(1)
        for chunk in torch.split(regions, _CHUNK)
    ]
    features: NDArray[np.float16] = torch.cat(chunks).half().cpu().numpy()
    return features


def to_map(regions: Tensor, size: tuple[int, int], maps: Tensor) -> Tensor:
    """Boxes in pixels of the network's input -> in cells of its maps.

    The middle of the maps lies on the middle of the input, and a cell is as many pixels wide as
    the network's stride, a power of two. (Layers without padding give fewer cells than the input
    has strides, so dividing the input evenly would misplace every box but those in the middle.)

    Args:
        regions: `(n, 4)`.
        size: width and height of the input.
        maps: `(1, channels, rows, columns)`.
    """
    cells = maps.shape[3], maps.shape[2]
    stride = [
        2.0 ** round(math.log2(pixels / count)) for pixels, count in zip(size, cells, strict=True)
    ]
    middle = [pixels / 2 for pixels in size]
    shift = [count / 2 for count in cells]
    return (regions - torch.tensor(middle * 2)) / torch.tensor(stride * 2) + torch.tensor(shift * 2)
