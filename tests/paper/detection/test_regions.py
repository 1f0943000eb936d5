"""Features of boxes, on maps that can be worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d

from directloss.paper.detection.regions import roi_features, to_map


class MeanColours:
    """A stand-in for a backbone: the mean colour of each square of 16 x 16 pixels."""

    mean = torch.zeros(3, 1, 1)

    def maps(self, images: Tensor) -> Tensor:
        return avg_pool2d(images.float(), 16)


def features(image: Image.Image, boxes: list[list[float]], **options: Any) -> Tensor:
    stand_in: Any = MeanColours()
    found = roi_features(image, np.array(boxes, dtype=np.float64), stand_in, **options)
    return torch.from_numpy(found.astype(np.float32))


def halves(width: int, height: int) -> Image.Image:
    """Left half black, right half red."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, width // 2 :, 0] = 240
    return Image.fromarray(pixels)


def test_each_cell_of_the_grid_is_the_mean_of_its_part_of_the_box() -> None:
    found = features(halves(256, 128), [[64, 0, 192, 128]], grid=2, shortest_side=128)
    cells = found.reshape(3, 2, 2)
    torch.testing.assert_close(cells[0], torch.tensor([[0.0, 240.0], [0.0, 240.0]]))
    assert not cells[1:].any()


@pytest.mark.parametrize("shortest_side", [64, 128, 256])
def test_boxes_follow_the_size_of_the_image(shortest_side: int) -> None:
    boxes = [[0, 0, 96, 128], [160, 0, 256, 128]]
    found = features(halves(256, 128), boxes, grid=1, shortest_side=shortest_side)
    assert found[0, 0] == 0
    assert found[1, 0] == pytest.approx(240, abs=3)


def test_an_image_without_boxes_has_no_features() -> None:
    stand_in: Any = MeanColours()
    found = roi_features(halves(64, 64), np.empty((0, 4)), stand_in, grid=2, shortest_side=64)
    assert found.shape == (0, 12)


def test_the_box_of_the_whole_input_covers_maps_that_have_no_padding() -> None:
    # 480 pixels, stride 16, 29 cells with centres at 16, 32, ..., 464.
    maps = torch.zeros(1, 1, 29, 29)
    cells = to_map(
        torch.tensor([[8.0, 8.0, 24.0, 24.0], [0.0, 0.0, 480.0, 480.0]]), (480, 480), maps
    )
    torch.testing.assert_close(cells[0], torch.tensor([0.0, 0.0, 1.0, 1.0]))
    torch.testing.assert_close(cells[1], torch.tensor([-0.5, -0.5, 29.5, 29.5]))
