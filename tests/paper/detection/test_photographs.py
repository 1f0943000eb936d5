"""Splits as they are read: what is usable, and a line for what is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from directloss.datasets import DataError
from directloss.datasets.voc import VOCFolder
from directloss.errors import ArgumentError
from directloss.paper.detection.config import DetectionConfig
from directloss.paper.detection.experiment import read_material
from directloss.paper.detection.photographs import (
    choose_classes,
    held_out,
    photographs,
    read_split,
)
from tests.paper.detection.drawn import TEST, TRAIN


def test_objects_are_those_of_the_asked_classes(voc: Path) -> None:
    folder = VOCFolder(voc)
    split = read_split(folder, "val")
    images = photographs(folder, split, ("square",))
    assert len(images) == TEST
    assert all(image.objects.classes.tolist() in ([0], [0, 0]) for image in images)
    last = images[-1].objects
    assert last.difficult.tolist() == [False, True]
    assert last.boxes[1].tolist() == [0, 59, 30, 96]
    assert split.count() == {"square": TEST, "disc": TEST}


def test_what_is_wrong_with_annotations_is_told_in_a_line_each(voc: Path) -> None:
    split = read_split(VOCFolder(voc), "train")
    assert len(split.annotations) == TRAIN
    no_boxes, outside = split.remarks
    assert "image01.xml" in no_boxes
    assert "image02.xml" in outside and "outside" in outside


def test_an_image_without_a_file_is_left_out(voc: Path, tmp_path: Path) -> None:
    copy = tmp_path / "voc"
    shutil.copytree(voc, copy)
    (copy / "JPEGImages" / "image14.jpg").unlink()
    (copy / "Annotations" / "image15.xml").write_text("<annotation>")
    split = read_split(VOCFolder(copy), "val")
    assert len(split.annotations) == TEST - 2
    assert ["image14" in split.remarks[0], "image15" in split.remarks[1]] == [True, True]


def test_classes(voc: Path) -> None:
    folder = VOCFolder(voc)
    train, test = read_split(folder, "train"), read_split(folder, "val")
    assert choose_classes((), train, test) == ("disc", "square")
    assert choose_classes(("square",), train, test) == ("square",)
    with pytest.raises(ArgumentError, match="classes: got 'cat', wanted some of disc, square"):
        choose_classes(("cat",), train, test)


def test_a_missing_split_is_named(voc: Path) -> None:
    with pytest.raises(
        DataError, match=r"no ImageSets/Main/nowhere\.txt; its splits are train, val"
    ):
        read_split(VOCFolder(voc), "nowhere")


def test_splits_that_share_an_image_are_refused(voc: Path) -> None:
    with pytest.raises(ArgumentError, match="shares image14 with 'val'"):
        read_material(DetectionConfig(voc=str(voc), train_split="val", test_split="val"))


def test_held_out_images_are_a_share_and_the_rest(voc: Path) -> None:
    folder = VOCFolder(voc)
    images = photographs(folder, read_split(folder, "train"), ("disc",))
    kept, out = held_out(images, 1 / 3, seed=0)
    assert len(out) == round(TRAIN / 3)
    assert {id(image) for image in [*kept, *out]} == {id(image) for image in images}
    assert [i.image_id for i in held_out(images, 1 / 3, seed=0)[1]] == [i.image_id for i in out]
