from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from directloss.datasets.errors import DataError
from directloss.datasets.voc import Box, VOCFolder
from directloss.errors import ArgumentError
from directloss.paper.action.persons import AMBIGUOUS, read_persons
from tests.voc_folders import write_action_sets, write_annotation, write_image

GREY = np.full((40, 50, 3), 128, dtype=np.uint8)
LEFT, RIGHT = (1, 1, 10, 40), (31, 1, 40, 40)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Photographs `a` (two persons) and `b` (a bicycle before a person)."""
    for image_id in "ab":
        write_image(tmp_path, image_id, GREY)
    write_annotation(tmp_path, "a", [("person", LEFT), ("person", RIGHT)])
    write_annotation(tmp_path, "b", [("bicycle", LEFT), ("person", RIGHT)])
    (tmp_path / "ImageSets").mkdir()
    return tmp_path


def test_labels_of_all_actions_meet_the_boxes(root: Path) -> None:
    write_action_sets(
        root,
        {
            "running": [("a", 1, 1), ("a", 2, -1), ("b", 1, 0)],
            "walking": [("a", 2, 1), ("a", 1, -1)],
        },
    )
    persons = read_persons(VOCFolder(root), "trainval")
    assert persons.classes == ("running", "walking")
    assert [photograph.image_id for photograph in persons.photographs] == ["a", "b"]
    assert persons.photographs[0].boxes == (Box(0, 0, 10, 40), Box(30, 0, 40, 40))
    np.testing.assert_array_equal(persons.image_of_person, [0, 0, 1])
    np.testing.assert_array_equal(
        persons.labels, [[1, -1], [-1, 1], [AMBIGUOUS, AMBIGUOUS]]
    )  # whom a file leaves out is ambiguous
    assert persons.remarks == ()
    assert "3 persons; positives: running 1, walking 1; ambiguous labels: 2" in persons.describe()


@pytest.mark.parametrize("number", [1, 2])
def test_persons_are_counted_as_the_image_set_counts_them(root: Path, number: int) -> None:
    # The person of `b` is its second object (VOC's own way) and its first person.
    write_action_sets(root, {"running": [("a", 1, 1), ("b", number, -1)]})
    persons = read_persons(VOCFolder(root), "trainval")
    assert persons.photographs[1].boxes == (Box(30, 0, 40, 40),)
    assert persons.remarks == ()


def test_what_cannot_be_used_is_a_line_each_and_the_rest_is_used(root: Path) -> None:
    write_image(root, "c", GREY)
    write_annotation(root, "c", [])
    write_image(root, "d", GREY)
    write_annotation(root, "d", [("person", (70, 1, 80, 9)), ("person", LEFT)])
    images = [("a", 1, 1), ("a", 3, 1), ("c", 1, 1), ("d", 1, 1), ("d", 2, -1), ("e", 1, 1)]
    write_action_sets(root, {"running": images})
    persons = read_persons(VOCFolder(root), "trainval")
    np.testing.assert_array_equal(persons.labels, [[1], [-1]])
    assert sorted(persons.remarks) == [
        "Annotations/c.xml has no boxes",
        "Annotations/d.xml: object 1 (person) is left out: its box 70 1 80 9 is outside the image "
        "of 50 x 40 pixels",
        "Annotations/e.xml is missing: its persons are left out",
        "ImageSets/Action names person 1 of c, whom Annotations/c.xml has not: left out",
        "ImageSets/Action names person 1 of d, whom Annotations/d.xml has not: left out",
        "ImageSets/Action names person 3 of a, whom Annotations/a.xml has not: left out",
    ]


def test_without_anybody_it_says_the_first_reason(root: Path) -> None:
    write_action_sets(root, {"running": [("z", 1, 1)]})
    with pytest.raises(DataError, match=r"no person of 'trainval'.*: Annotations/z\.xml is missi"):
        read_persons(VOCFolder(root), "trainval")


@pytest.mark.parametrize(
    ("classes", "message"),
    [(("flying",), "classes: got 'flying', wanted some of running"), (("running",) * 2, "dist")],
)
def test_classes_are_checked(root: Path, classes: tuple[str, ...], message: str) -> None:
    write_action_sets(root, {"running": [("a", 1, 1)]})
    with pytest.raises(ArgumentError, match=message):
        read_persons(VOCFolder(root), "trainval", classes)


def test_without_takes_away_whole_photographs(root: Path) -> None:
    write_action_sets(root, {"running": [("a", 1, 1), ("a", 2, -1), ("b", 1, 1)]})
    persons = read_persons(VOCFolder(root), "trainval")
    first, second = persons.photographs
    rest = persons.without({first: "corrupt"})
    assert (rest.photographs, rest.remarks) == ((second,), ("corrupt",))
    np.testing.assert_array_equal(rest.labels, [[1]])
    assert rest.fingerprint() != persons.fingerprint()
    with pytest.raises(DataError, match="no photograph can be used; the first: corrupt"):
        persons.without({first: "corrupt", second: "corrupt"})


def test_real_persons(data_dir: Path) -> None:
    persons = read_persons(VOCFolder(data_dir / "willow_actions"), "trainval")
    assert (len(persons.photographs), persons.labels.shape) == (968, (1607, 7))
    assert persons.remarks == ()
    assert (persons.labels == 1).sum(axis=0).tolist() == [110, 149, 188, 268, 135, 158, 218]
