from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from directloss.datasets.errors import DataError
from directloss.datasets.voc import Box, PersonLabel, VOCFolder, read_image
from tests.voc_folders import write_action_sets, write_annotation, write_image

GREY = np.full((40, 50, 3), 128, dtype=np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One grey photograph of 50 x 40 pixels, `a`, with two objects, and one action."""
    write_image(tmp_path, "a", GREY)
    write_annotation(tmp_path, "a", [("horse", (1, 1, 50, 40)), ("person", (11, 6, 20, 30))])
    write_action_sets(tmp_path, {"running": [("a", 1, 1), ("b", 2, -1), ("b", 3, 0)]})
    return tmp_path


def test_boxes_reach_from_edge_to_edge(root: Path) -> None:
    annotation = VOCFolder(root).annotation("a")
    horse, person = annotation.objects
    assert (annotation.width, annotation.height) == (50, 40)
    assert horse.box == Box(0, 0, 50, 40)
    assert person.box == Box(10, 5, 20, 30)
    assert (person.box.width, person.box.height) == (10, 25)
    assert [(each.number, each.number_of_name) for each in (horse, person)] == [(1, 1), (2, 1)]
    assert annotation.remarks == ()


def test_a_box_that_reaches_over_the_edge_is_cut(root: Path) -> None:
    write_annotation(root, "a", [("person", (-4, 21, 80, 44.5))])
    (person,) = VOCFolder(root).annotation("a").objects
    assert person.box == Box(0, 20, 50, 40)


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((60, 1, 70, 9), "its box 60 1 70 9 is outside the image of 50 x 40 pixels"),
        ((1, -9, 5, 0), "its box 1 -9 5 0 is outside the image of 50 x 40 pixels"),
        ((9, 5, 3, 8), "its box 9 5 3 8 has no area"),
        ((1, 1, float("nan"), 8), "its box 1 1 nan 8 has no area"),
        ((1, "x", 3, 8), "its box is 1 x 3 8"),
    ],
)
def test_a_bad_box_is_one_line_and_the_others_stay(
    root: Path, box: tuple[float, float, float, float], reason: str
) -> None:
    write_annotation(root, "a", [("person", box), ("person", (1, 1, 9, 9))])
    annotation = VOCFolder(root).annotation("a")
    assert annotation.remarks == (f"Annotations/a.xml: object 1 (person) is left out: {reason}",)
    (kept,) = annotation.objects
    assert (kept.box, kept.number, kept.number_of_name) == (Box(0, 0, 9, 9), 2, 2)


def test_an_annotation_without_boxes_is_one_line(root: Path) -> None:
    write_annotation(root, "a", [])
    annotation = VOCFolder(root).annotation("a")
    assert (annotation.objects, annotation.remarks) == ((), ("Annotations/a.xml has no boxes",))


def test_an_object_without_a_box_is_one_line(root: Path) -> None:
    file = root / "Annotations" / "a.xml"
    file.write_text("<annotation><object><name>dog</name></object></annotation>")
    annotation = VOCFolder(root).annotation("a")
    wanted = "Annotations/a.xml: object 1 (dog) is left out: it has no bndbox"
    assert annotation.remarks == (wanted,)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("Annotations/a.xml", None, "Annotations/a.xml is missing"),
        ("Annotations/a.xml", b"<annotation>", "Annotations/a.xml is not XML: no element found"),
        ("JPEGImages/a.jpg", None, "JPEGImages/a.jpg is missing"),
        ("JPEGImages/a.jpg", b"GIF?", "JPEGImages/a.jpg cannot be read: not an image"),
        ("JPEGImages/a.jpg", b"", "JPEGImages/a.jpg cannot be read: not an image"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    root: Path, file: str, content: bytes | None, message: str
) -> None:
    (root / file).unlink()
    if content is not None:
        (root / file).write_bytes(content)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        VOCFolder(root).annotation("a")
    assert "\n" not in str(caught.value)


def test_a_truncated_photograph_has_a_size_but_no_pixels(root: Path) -> None:
    generator = np.random.default_rng(0)
    file = write_image(root, "a", generator.integers(0, 256, (40, 50, 3)).astype(np.uint8))
    file.write_bytes(file.read_bytes()[:2000])
    assert VOCFolder(root).annotation("a").width == 50
    with pytest.raises(DataError, match=r"JPEGImages/a\.jpg cannot be read: "):
        read_image(file)


def test_grey_photographs_become_rgb(root: Path) -> None:
    file = write_image(root, "a", GREY[:, :, 0])
    image = read_image(file)
    assert (image.mode, image.size) == ("RGB", (50, 40))


def test_person_labels(root: Path) -> None:
    folder = VOCFolder(root)
    assert folder.classes("Action", "trainval") == ["running"]
    assert folder.person_labels("running", "trainval") == [
        PersonLabel("a", 1, 1),
        PersonLabel("b", 2, -1),
        PersonLabel("b", 3, 0),
    ]


@pytest.mark.parametrize("line", ["a 1", "a x 1", "a 1 2", "a 1 1 1", "a -1 1"])
def test_a_malformed_line_is_named(root: Path, line: str) -> None:
    file = root / "ImageSets" / "Action" / "running_trainval.txt"
    file.write_text(f"a 1 1\n\n{line}\n")
    message = f"ImageSets/Action/running_trainval.txt, line 3: {line!r} is not"
    with pytest.raises(DataError, match=re.escape(message)):
        VOCFolder(root).person_labels("running", "trainval")


def test_a_missing_split_names_those_that_are_there(root: Path) -> None:
    folder = VOCFolder(root)
    for ask in (
        lambda: folder.classes("Action", "train"),
        lambda: folder.person_labels("running", "train"),
    ):
        with pytest.raises(DataError, match=r"--split: .*_train\.txt; its splits are trainval$"):
            ask()
    message = r"^--train-split or --test-split: .*Main/val\.txt; its splits are none$"
    with pytest.raises(DataError, match=message):
        folder.image_ids("Main", "val")


def test_images_of_a_split(root: Path) -> None:
    (root / "ImageSets" / "Main").mkdir()
    (root / "ImageSets" / "Main" / "val.txt").write_text("b\na  1\n\nb\n")
    assert VOCFolder(root).image_ids("Main", "val") == ["b", "a"]


def test_a_folder_of_another_layout_is_refused(tmp_path: Path) -> None:
    (tmp_path / "JPEGImages").mkdir()
    with pytest.raises(DataError, match="has no folder Annotations; wanted is the folder"):
        VOCFolder(tmp_path)


def test_real_annotations_are_all_usable(data_dir: Path) -> None:
    folder = VOCFolder(data_dir / "willow_actions")
    image_ids = {line.image_id for line in folder.person_labels("running", "trainval")}
    annotations = [folder.annotation(image_id) for image_id in sorted(image_ids)]
    persons = sum(each.name == "person" for a in annotations for each in a.objects)
    assert (len(annotations), persons) == (968, 1607)
    assert not any(annotation.remarks for annotation in annotations)
