from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from directloss.datasets.crops import crop, crops, mirrored, with_context
from directloss.datasets.voc import Box


def test_the_context_is_so_many_pixels_at_the_scale_of_the_network() -> None:
    box = Box(100, 50, 295, 245)  # 195 = 227 - 2 * 16 pixels: the scale is 1
    assert with_context(box, 227) == pytest.approx((84, 34, 311, 261))
    half = Box(100, 50, 197.5, 147.5)
    assert with_context(half, 227) == pytest.approx((92, 42, 205.5, 155.5))


def test_the_box_fills_the_middle_and_its_surroundings_the_rim() -> None:
    pixels = np.zeros((100, 120, 3), dtype=np.uint8)
    pixels[30:70, 40:80] = 255
    cut = crop(Image.fromarray(pixels), Box(40, 30, 80, 70), 72)  # 40 = 72 - 2 * 16
    wanted = np.zeros((72, 72, 3), dtype=np.uint8)
    wanted[16:56, 16:56] = 255
    np.testing.assert_array_equal(cut, wanted)


def test_width_and_height_are_scaled_each_on_its_own() -> None:
    pixels = np.zeros((100, 100, 3), dtype=np.uint8)
    pixels[40:60, 20:60] = 255  # 20 high, 40 wide
    cut = crop(Image.fromarray(pixels), Box(20, 40, 60, 60), 120, padding=20)
    inside = cut[:, :, 0] > 127
    assert inside.sum(axis=0).max() == inside.sum(axis=1).max() == 80


def test_outside_the_image_is_the_fill() -> None:
    pixels = np.full((40, 40, 3), 200, dtype=np.uint8)
    cut = crop(Image.fromarray(pixels), Box(0, 0, 40, 40), 72, fill=(1, 2, 3))
    assert (cut[:15] == (1, 2, 3)).all()
    assert (cut[:, 57:] == (1, 2, 3)).all()
    assert (cut[16:56, 16:56] == 200).all()


def test_a_colour_stays_in_its_channel() -> None:
    pixels = np.zeros((30, 30, 3), dtype=np.uint8)
    pixels[:, :] = (10, 120, 230)
    assert (crop(Image.fromarray(pixels), Box(5, 5, 25, 25), 64, padding=0) == (10, 120, 230)).all()


def test_mirroring_is_the_crop_of_the_mirrored_image() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 60, 3)).astype(np.uint8)
    image, turned = Image.fromarray(pixels), Image.fromarray(pixels[:, ::-1].copy())
    cut = mirrored(crop(image, Box(10, 5, 40, 45), 64))
    other = crop(turned, Box(20, 5, 50, 45), 64)
    assert np.abs(cut.astype(int) - other).max() <= 1  # rounding of the filter's weights


def test_one_crop_a_box_and_none_for_no_box() -> None:
    image = Image.new("RGB", (30, 20))
    boxes = (Box(0, 0, 10, 10), Box(5, 5, 30, 20))
    assert crops(image, boxes, 64).shape == (2, 64, 64, 3)
    assert crops(image, (), 64).shape == (0, 64, 64, 3)
