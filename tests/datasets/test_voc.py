from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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
        ((1, 1, float("inf"), 8), "its box 1 1 inf 8 is outside the image of 50 x 40 pixels"),
        ((1, "x" * 5000, 3, 8), f"its box is 1 {'x' * 40}... 3 8"),
        ((1, "1_0", 20, 8), "its box is 1 1_0 20 8"),
        ((1, 1, "٣", 8), "its box is 1 1 ٣ 8"),
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


def test_a_remark_is_one_line_whatever_a_name_holds(root: Path) -> None:
    file = root / "Annotations" / "a.xml"
    file.write_text("<annotation><object><name>a\nb</name></object></annotation>")
    (remark,) = VOCFolder(root).annotation("a").remarks
    assert remark == "Annotations/a.xml: object 1 (a b) is left out: it has no bndbox"


def test_a_long_line_of_a_list_is_shortened(root: Path) -> None:
    file = root / "ImageSets" / "Action" / "running_trainval.txt"
    file.write_text(f"a {'9' * 5000} 1\n")
    with pytest.raises(DataError, match=r"line 1: 'a 9+\.\.\.' is not") as caught:
        VOCFolder(root).person_labels("running", "trainval")
    assert len(str(caught.value)) < 200


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
        ("JPEGImages/a.jpg", b"GIF?", "JPEGImages/a.jpg cannot be read: damaged, or not an image"),
        ("JPEGImages/a.jpg", b"", "JPEGImages/a.jpg cannot be read: damaged, or not an image"),
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


@pytest.mark.parametrize("person", ["٣", "1" * 5000, "1.0", "+1", "0x1", "nan"])
def test_a_person_is_a_number(root: Path, person: str) -> None:
    file = root / "ImageSets" / "Action" / "running_trainval.txt"
    file.write_text(f"a {person} 1\n")
    with pytest.raises(DataError, match=r"running_trainval\.txt, line 1: .* is not"):
        VOCFolder(root).person_labels("running", "trainval")


ODD_IDS = ["../a", "/etc/passwd", "a\0b", "..", "a/../../b", "n" * 300, "[red]", "*", "\x1b[31m"]


@pytest.mark.parametrize("image_id", ODD_IDS)
def test_an_odd_id_is_one_line(root: Path, image_id: str) -> None:
    (root / "ImageSets" / "Main").mkdir()
    (root / "ImageSets" / "Main" / "val.txt").write_text(f"{image_id}\na\n")
    (root / "a.xml").write_text("<annotation/>")
    folder = VOCFolder(root)
    found = folder.image_ids("Main", "val")
    assert found == [image_id, "a"]
    for read in (folder.annotation, folder.image_file):
        with pytest.raises(DataError):
            read(image_id)
    assert len(folder.annotation("a").objects) == 2


def test_an_id_may_name_a_folder_inside(root: Path) -> None:
    write_image(root, "2007/b", GREY)
    write_annotation(root, "2007/b", [("dog", (1, 1, 9, 9))])
    assert len(VOCFolder(root).annotation("2007/b").objects) == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_list_may_begin_with_a_mark(root: Path, encoding: str) -> None:
    (root / "ImageSets" / "Main").mkdir()
    (root / "ImageSets" / "Main" / "val.txt").write_bytes("a\r\nb\r\n".encode(encoding))
    (root / "ImageSets" / "Action" / "running_trainval.txt").write_bytes("a 1 1".encode(encoding))
    assert VOCFolder(root).image_ids("Main", "val") == ["a", "b"]
    assert VOCFolder(root).person_labels("running", "trainval") == [PersonLabel("a", 1, 1)]


def test_a_list_that_is_no_text_or_no_file_is_named(root: Path) -> None:
    folder = VOCFolder(root)
    file = root / "ImageSets" / "Action" / "running_trainval.txt"
    file.write_bytes(b"a\xe9 1 1")
    with pytest.raises(DataError, match=r"running_trainval\.txt is not text, save it as UTF-8"):
        folder.person_labels("running", "trainval")
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(DataError, match=r"running_trainval\.txt cannot be read: it is a folder"):
        folder.person_labels("running", "trainval")


@pytest.mark.parametrize("split", ["**", "../x", "/x", "[", "", "a\0b", "n" * 300])
def test_an_odd_split_is_refused(root: Path, split: str) -> None:
    folder = VOCFolder(root)
    for ask in (folder.classes, folder.image_ids):
        with pytest.raises(DataError):
            ask("Main", split)  # type: ignore[operator]


@pytest.mark.parametrize(
    "number", ["1e999", "-1e999", "inf", "1e-400", "1_0", "٣", "", " ", "0x10", "9" * 5000]
)
def test_odd_numbers_of_a_box_are_one_line_or_a_box(root: Path, number: str) -> None:
    write_annotation(root, "a", [("person", (1, 1, number, 9)), ("dog", (1, 1, 9, 9))])  # type: ignore[list-item]
    annotation = VOCFolder(root).annotation("a")
    assert len(annotation.objects) + len(annotation.remarks) == 2
    for each in annotation.objects:
        assert each.box.clipped(50, 40) == each.box
    assert all(len(remark) < 300 for remark in annotation.remarks)


def turned(root: Path, size: str) -> Path:
    """A photograph that is stored 50 x 40 and shown 40 x 50."""
    exif = Image.Exif()
    exif[0x112] = 6
    Image.fromarray(GREY).save(root / "JPEGImages" / "a.jpg", exif=exif)
    (root / "Annotations" / "a.xml").write_text(
        f"<annotation>{size}<object><name>dog</name><bndbox><xmin>1</xmin><ymin>1</ymin>"
        "<xmax>40</xmax><ymax>50</ymax></bndbox></object></annotation>"
    )
    return root


@pytest.mark.parametrize(
    "size",
    [
        "",
        "<size><width>40</width><height>50</height></size>",
        "<size><width>0</width><height>0</height></size>",
        "<size><width>x</width></size>",
    ],
)
def test_boxes_lie_on_the_upright_photograph(root: Path, size: str) -> None:
    annotation = VOCFolder(turned(root, size)).annotation("a")
    assert (annotation.width, annotation.height) == (40, 50)
    assert [each.box for each in annotation.objects] == [Box(0, 0, 40, 50)]
    assert read_image(root / "JPEGImages" / "a.jpg").size == (40, 50)


def test_boxes_that_may_lie_on_the_stored_photograph_are_refused(root: Path) -> None:
    turned(root, "<size><width>50</width><height>40</height></size>")
    with pytest.raises(DataError, match=r"a\.xml has the size of JPEGImages/a\.jpg as it"):
        VOCFolder(root).annotation("a")


def test_too_many_objects_are_refused(root: Path) -> None:
    (root / "Annotations" / "a.xml").write_text(f"<annotation>{'<object/>' * 10_001}</annotation>")
    with pytest.raises(DataError, match=r"Annotations/a\.xml has more than 10,000 objects"):
        VOCFolder(root).annotation("a")


def test_a_missing_split_names_those_that_are_there(root: Path) -> None:
    folder = VOCFolder(root)
    for ask in (
        lambda: folder.classes("Action", "train"),
        lambda: folder.person_labels("running", "train"),
    ):
        with pytest.raises(DataError, match=r"split: .*_train\.txt; its splits are trainval$"):
            ask()
    message = r"^`train_split` or `test_split`: .*Main/val\.txt; its splits are none$"
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
