"""Photographs with boxes in the layout of PASCAL VOC.

    JPEGImages/IMAGE.jpg                  the photograph
    Annotations/IMAGE.xml                 its objects: name, box, flags, actions of a person
    ImageSets/Main/SPLIT.txt              the images of a split, one a line
    ImageSets/Main/CLASS_SPLIT.txt        IMAGE LABEL
    ImageSets/Action/CLASS_SPLIT.txt      IMAGE PERSON LABEL, label 1, -1 or 0 (ambiguous)

Source: Everingham, Winn, The PASCAL VOC2012 Development Kit, sections 2 and 9.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import Image, UnidentifiedImageError

from directloss.datasets.errors import DataError

Task = Literal["Action", "Main"]

PERSON = "person"

_SPLIT_OPTIONS: Mapping[Task, str] = {"Action": "--split", "Main": "--train-split or --test-split"}
"""The options of the commands by which a split is asked for."""

_FOLDERS = ("JPEGImages", "Annotations", "ImageSets")
_ENDINGS = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG")


class Box(NamedTuple):
    """A rectangle by its edges in pixels: the first pixel of an image reaches from 0 to 1.

    VOC's files count pixels from 1 and name the last pixel inside, so that `xmin` 1, `xmax` 3 is
    left 0, right 3 here, and the width is a difference without a 1 to add.
    """

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    def clipped(self, width: float, height: float) -> Box:
        """What of it lies in an image of this size; empty (width or height <= 0) if nothing."""
        return Box(
            max(self.left, 0.0),
            max(self.top, 0.0),
            min(self.right, width),
            min(self.bottom, height),
        )


@dataclass(frozen=True)
class VOCObject:
    """An object of a photograph.

    Attributes:
        name: its class.
        box: inside the image.
        number: its place among the objects of the file, from 1.
        number_of_name: its place among those of the same name, from 1.
        difficult: to be left out of training and evaluation, by the rules of detection.
    """

    name: str
    box: Box
    number: int
    number_of_name: int
    difficult: bool


@dataclass(frozen=True)
class Annotation:
    """The usable objects of a photograph, its true size, and a line for each object left out."""

    image_id: str
    width: int
    height: int
    objects: tuple[VOCObject, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class PersonLabel:
    """A line of an action's image set."""

    image_id: str
    person: int
    label: int


class VOCFolder:
    """A folder in VOC's layout.

    Args:
        root: the folder that holds `JPEGImages`, `Annotations` and `ImageSets`.

    Raises:
        DataError: it does not.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        missing = [name for name in _FOLDERS if not (self.root / name).is_dir()]
        if missing:
            raise DataError(
                f"--voc: {self.root} has no folder {missing[0]}; wanted is the folder that holds "
                f"{', '.join(_FOLDERS)} (such as VOCdevkit/VOC2012)"
            )

    def classes(self, task: Task, split: str) -> list[str]:
        """Names of the classes that have an image set of this split, sorted.

        Raises:
            DataError: there is none.
        """
        files = self._sets(task).glob(f"*_{split}.txt")
        names = sorted(file.stem.removesuffix(f"_{split}") for file in files)
        if not names:
            raise DataError(
                f"{_SPLIT_OPTIONS[task]}: {self.root} has no ImageSets/{task}/CLASS_{split}.txt; "
                f"its splits are {self._splits(task)}"
            )
        return names

    def image_ids(self, task: Task, split: str) -> list[str]:
        """The images of a split, as its file lists them; what is listed twice counts once.

        Raises:
            DataError: no such split.
        """
        return list(dict.fromkeys(line.split()[0] for _, line in self._lines(task, split)))

    def person_labels(self, action: str, split: str) -> list[PersonLabel]:
        """The lines of an action's image set.

        Raises:
            DataError: no such file, or a line that is not `IMAGE PERSON LABEL`.
        """
        name = f"{action}_{split}"
        labels = []
        for number, line in self._lines("Action", name):
            match line.split():
                case [image_id, person, ("1" | "-1" | "0") as label] if person.isdecimal():
                    labels.append(PersonLabel(image_id, int(person), int(label)))
                case _:
                    raise DataError(
                        f"ImageSets/Action/{name}.txt, line {number}: {line!r} is not "
                        "IMAGE PERSON LABEL with label 1, -1 or 0"
                    )
        return labels

    def image_file(self, image_id: str) -> Path:
        """Where the photograph is.

        Raises:
            DataError: nowhere.
        """
        for ending in _ENDINGS:
            file = self.root / "JPEGImages" / f"{image_id}{ending}"
            if file.is_file():
                return file
        raise DataError(f"JPEGImages/{image_id}.jpg is missing")

    def annotation(self, image_id: str) -> Annotation:
        """The objects of a photograph.

        Boxes are cut to the image; one of which nothing is left, or that has no area, is left out
        and remarked on. The size is that of the image itself, whatever the XML says.

        Raises:
            DataError: the XML or the image is missing or unreadable.
        """
        name = f"Annotations/{image_id}.xml"
        try:
            root = ElementTree.parse(self.root / name).getroot()
        except FileNotFoundError:
            raise DataError(f"{name} is missing") from None
        except ElementTree.ParseError as error:
            raise DataError(f"{name} is not XML: {error}") from error
        width, height = _image_size(self.image_file(image_id))
        objects: list[VOCObject] = []
        remarks: list[str] = []
        seen: dict[str, int] = {}
        for number, element in enumerate(root.findall("object"), start=1):
            kind = (element.findtext("name") or "").strip()
            seen[kind] = seen.get(kind, 0) + 1
            try:
                box = _read_box(element, width, height)
            except ValueError as error:
                remarks.append(f"{name}: object {number} ({kind}) is left out: {error}")
                continue
            difficult = (element.findtext("difficult") or "0").strip() == "1"
            objects.append(VOCObject(kind, box, number, seen[kind], difficult))
        if not objects and not remarks:
            remarks.append(f"{name} has no boxes")
        return Annotation(image_id, width, height, tuple(objects), tuple(remarks))

    def _sets(self, task: Task) -> Path:
        return self.root / "ImageSets" / task

    def _splits(self, task: Task) -> str:
        splits = {file.stem.rpartition("_")[2] for file in self._sets(task).glob("*.txt")}
        return ", ".join(sorted(splits)) or "none"

    def _lines(self, task: Task, name: str) -> list[tuple[int, str]]:
        """The lines that are not empty, with their numbers."""
        try:
            text = (self._sets(task) / f"{name}.txt").read_text(encoding="utf-8")
        except FileNotFoundError:
            raise DataError(
                f"{_SPLIT_OPTIONS[task]}: {self.root} has no ImageSets/{task}/{name}.txt; "
                f"its splits are {self._splits(task)}"
            ) from None
        except UnicodeDecodeError as error:
            raise DataError(f"ImageSets/{task}/{name}.txt is not text: {error}") from error
        return [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def read_image(file: Path) -> Image.Image:
    """The whole photograph as RGB.

    Raises:
        DataError: it cannot be decoded.
    """
    try:
        with Image.open(file) as image:
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unreadable(file, error) from error


def _image_size(file: Path) -> tuple[int, int]:
    """Width and height from the head of the file, without decoding it."""
    try:
        with Image.open(file) as image:
            return image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> DataError:
    # Pillow's message repeats the path where it knows no format.
    reason = "not an image" if isinstance(error, UnidentifiedImageError) else str(error)
    return DataError(f"JPEGImages/{file.name} cannot be read: {reason}")


def _read_box(element: ElementTree.Element, width: int, height: int) -> Box:
    """The box of an object inside the image; a ValueError says why there is none."""
    found = element.find("bndbox")
    if found is None:
        raise ValueError("it has no bndbox")
    texts = [(found.findtext(edge) or "").strip() for edge in ("xmin", "ymin", "xmax", "ymax")]
    try:
        xmin, ymin, xmax, ymax = map(float, texts)
    except ValueError:
        raise ValueError(f"its box is {' '.join(texts) or 'empty'}") from None
    whole = Box(xmin - 1, ymin - 1, xmax, ymax)
    inside = whole.clipped(width, height)
    shown = f"{xmin:g} {ymin:g} {xmax:g} {ymax:g}"
    # Written so that NaN fails, too.
    if not (whole.width > 0 and whole.height > 0):
        raise ValueError(f"its box {shown} has no area")
    if not (inside.width > 0 and inside.height > 0):
        raise ValueError(f"its box {shown} is outside the image of {width} x {height} pixels")
    return inside
