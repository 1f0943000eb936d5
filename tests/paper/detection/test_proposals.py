"""Selective search on drawn images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from directloss.datasets.voc import VOCFolder
from directloss.paper.detection.boxes import best_overlaps
from directloss.paper.detection.photographs import photographs, read_split
from directloss.paper.detection.proposals import (
    Pixels,
    ProposalStage,
    SearchSettings,
    propose,
    recall,
)
from directloss.study.stages import run_stage


def scene(width: int = 160, height: int = 120) -> Pixels:
    """A bright rectangle from a quarter to three quarters of a noisy image."""
    noise = np.random.default_rng(0).integers(60, 90, (height, width, 3), np.uint8)
    image = Image.fromarray(noise)
    corners = (width // 4, height // 4, 3 * width // 4 - 1, 3 * height // 4 - 1)
    ImageDraw.Draw(image).rectangle(corners, fill="#e8d020")
    return np.asarray(image)


def test_an_object_that_stands_out_is_proposed() -> None:
    boxes = propose(scene(), SearchSettings())
    assert best_overlaps([[40, 30, 120, 90]], boxes)[0] > 0.9
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= [160, 120]).all()
    assert (boxes[:, 2:] - boxes[:, :2] >= 0.04 * 160).all()


def test_the_same_image_gives_the_same_boxes_largest_first() -> None:
    first, second = (propose(scene(), SearchSettings()) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    area = (first[:, 2:] - first[:, :2]).prod(axis=1)
    assert (np.diff(area) <= 0).all()
    assert len(np.unique(first, axis=0)) == len(first)


def test_boxes_of_a_shrunk_image_are_in_pixels_of_the_image() -> None:
    boxes = propose(scene(640, 480), SearchSettings(longest_side=160))
    assert best_overlaps([[160, 120, 480, 360]], boxes)[0] > 0.85
    assert boxes.max() > 600


def test_few_boxes_are_spread_over_all_sizes() -> None:
    everything = propose(scene(), SearchSettings())
    some = propose(scene(), SearchSettings(most=5))
    assert len(some) == 5
    np.testing.assert_array_equal(some[[0, -1]], everything[[0, -1]])
    assert len(propose(scene(), SearchSettings(most=10**6))) == len(everything)


def test_stage_and_recall(voc: Path, tmp_path: Path) -> None:
    folder = VOCFolder(voc)
    images = photographs(folder, read_split(folder, "val", 3), ("disc", "square"))
    stage = ProposalStage(tmp_path, SearchSettings())
    run_stage(stage, images)
    found = recall(stage, images, 2)
    assert [each.objects for each in found] == [3, 3]
    for number, each in enumerate(found):
        best = [best_overlaps(i.objects_of(number).boxes, stage.boxes(i))[0] for i in images]
        assert each.mean_best_overlap == pytest.approx(np.mean(best))
        assert each.found == pytest.approx(np.mean(np.array(best) >= 0.5))
    assert min(each.found for each in found) > 0.5


def test_other_settings_are_other_files(voc: Path, tmp_path: Path) -> None:
    folder = VOCFolder(voc)
    (image,) = photographs(folder, read_split(folder, "val", 1), ("disc",))
    stages = [ProposalStage(tmp_path, SearchSettings(longest_side=s)) for s in (100, 200)]
    assert stages[0].path(image) != stages[1].path(image)
