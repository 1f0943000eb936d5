"""Photographs with boxes in the layout of PASCAL VOC.

    JPEGImages/IMAGE.jpg                  the photograph
    Annotations/IMAGE.xml                 its objects: name, box, flags, actions of a person
    ImageSets/Main/SPLIT.txt              the images of a split, one a line
    ImageSets/Main/CLASS_SPLIT.txt        IMAGE LABEL
    ImageSets/Action/CLASS_SPLIT.txt      IMAGE PERSON LABEL, label 1, -1 or 0 (ambiguous)

Source: Everingham, Winn, The PASCAL VOC2012 Development Kit, sections 2 and 9.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import Image

from directloss.datasets.errors import DataError
from directloss.datasets.pixels import Size, digest_of_pixels, read_pixels, read_size
from directloss.datasets.xml_tree import Element, decode, read_xml
from directloss.files import read_file

Task = Literal["Action", "Main"]

PERSON = "person"

_SPLIT_OPTIONS: Mapping[Task, str] = {"Action": "split", "Main": "`train_split` or `test_split`"}
"""The options of the commands by which a split is asked for."""

_FOLDERS = ("JPEGImages", "Annotations", "ImageSets")
_ENDINGS = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG")
_MOST_OBJECTS = 10_000  # of a photograph
_MOST_BYTES = 1 << 26  # of a list
_MOST_SHOWN = 40  # letters in a message
_NUMBER = re.compile(r"[0-9]{1,9}")
_COORDINATE = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(inf|nan)")


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
                f"voc: {self.root} has no folder {missing[0]}; wanted is the folder that holds "
                f"{', '.join(_FOLDERS)} (such as VOCdevkit/VOC2012)"
            )

    def classes(self, task: Task, split: str) -> list[str]:
        """Names of the classes that have an image set of this split, sorted.

        Raises:
            DataError: there is none.
        """
        ending = f"_{split}.txt"
        files = (name for name in self._lists(task) if name.endswith(ending))
        names = sorted(name.removesuffix(ending) for name in files)
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
                case [image_id, person, ("1" | "-1" | "0") as label] if _NUMBER.fullmatch(person):
                    labels.append(PersonLabel(image_id, int(person), int(label)))
                case _:
                    raise DataError(
                        f"ImageSets/Action/{name}.txt, line {number}: {_shortened(line)!r} is not "
                        "IMAGE PERSON LABEL with label 1, -1 or 0"
                    )
        return labels

    def image_file(self, image_id: str) -> Path:
        """Where the photograph is.

        Raises:
            DataError: nowhere.
        """
        _check_id(image_id)
        for ending in _ENDINGS:
            file = self.root / "JPEGImages" / f"{image_id}{ending}"
            try:
                if file.is_file():
                    return file
            except OSError as error:
                raise _unreadable(file, DataError(error.strerror)) from error
        raise DataError(f"JPEGImages/{image_id}.jpg is missing")

    def annotation(self, image_id: str) -> Annotation:
        """The objects of a photograph.

        Boxes lie on the upright image. They are cut to it; one of which nothing is left, or that
        has no area, is left out and remarked on. The size is that of the image itself, whatever
        the XML says; only where EXIF lays the image on another side, XML that has the size of the
        stored one is refused, since its boxes may be meant for that.

        Raises:
            DataError: the XML or the image is missing or unreadable.
        """
        _check_id(image_id)
        name = f"Annotations/{image_id}.xml"
        try:
            root = read_xml(self.root / name)
        except FileNotFoundError:
            raise DataError(f"{name} is missing") from None
        except DataError as error:
            raise DataError(f"{name} {error}") from error
        width, height = _image_size(self.image_file(image_id), _annotated_size(root), name)
        objects: list[VOCObject] = []
        remarks: list[str] = []
        seen: dict[str, int] = {}
        found = root.findall("object")
        if len(found) > _MOST_OBJECTS:
            raise DataError(f"{name} has more than {_MOST_OBJECTS:,} objects")
        for number, element in enumerate(found, start=1):
            kind = (element.findtext("name") or "").strip()
            seen[kind] = seen.get(kind, 0) + 1
            try:
                box = _read_box(element, width, height)
            except ValueError as error:
                what = f"object {number} ({_shortened(kind)})"
                remarks.append(f"{name}: {what} is left out: {error}")
                continue
            difficult = (element.findtext("difficult") or "0").strip() == "1"
            objects.append(VOCObject(kind, box, number, seen[kind], difficult))
        if not objects and not remarks:
            remarks.append(f"{name} has no boxes")
        return Annotation(image_id, width, height, tuple(objects), tuple(remarks))

    def _lists(self, task: Task) -> list[str]:
        """Names of the image sets' files."""
        folder = self.root / "ImageSets" / task
        files = folder.iterdir() if folder.is_dir() else ()
        return [file.name for file in files if file.suffix == ".txt"]

    def _splits(self, task: Task) -> str:
        splits = {name.removesuffix(".txt").rpartition("_")[2] for name in self._lists(task)}
        return ", ".join(sorted(splits)) or "none"

    def _lines(self, task: Task, name: str) -> list[tuple[int, str]]:
        """The lines that are not empty, with their numbers."""
        file = f"ImageSets/{task}/{name}.txt"
        try:
            if not _stays_inside(name):
                raise FileNotFoundError
            text = decode(read_file(self.root / file, most=_MOST_BYTES))
        except FileNotFoundError:
            raise DataError(
                f"{_SPLIT_OPTIONS[task]}: {self.root} has no {file}; "
                f"its splits are {self._splits(task)}"
            ) from None
        except OSError as error:
            raise DataError(f"{file} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{file} is not text, save it as UTF-8: {error}") from error
        return [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def read_image(file: Path) -> Image.Image:
    """The whole photograph as RGB, upright; see `directloss.datasets.pixels`.

    Raises:
        DataError: it cannot be decoded.
    """
    try:
        return read_pixels(file)
    except DataError as error:
        raise _unreadable(file, error) from error


def image_digest(file: Path) -> str:
    """What identifies a photograph, and with it all that is computed from its pixels.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return digest_of_pixels(file)
    except DataError as error:
        raise _unreadable(file, error) from error


def _check_id(image_id: str) -> None:
    if not _stays_inside(image_id):
        raise DataError(f"{image_id!r} in ImageSets is no name of an image")


def _stays_inside(name: str) -> bool:
    """Whether a file of this name lies in its folder, or in one inside of that."""
    return "\0" not in name and not {"", ".", ".."} & set(name.split("/"))


def _image_size(file: Path, annotated: Size | None, name: str) -> Size:
    try:
        upright, stored = read_size(file)
    except DataError as error:
        raise _unreadable(file, error) from error
    if upright != stored and annotated == stored:
        raise DataError(
            f"{name} has the size of JPEGImages/{file.name} as it is stored, {stored[0]} x "
            f"{stored[1]}, but EXIF turns that by a quarter: boxes lie on the upright image, "
            f"{upright[0]} x {upright[1]}"
        )
    return upright


def _annotated_size(root: Element) -> Size | None:
    """What the annotation says, if it says so in whole numbers."""
    texts = [(root.findtext(f"size/{side}") or "").strip() for side in ("width", "height")]
    width, height = (int(text) if _NUMBER.fullmatch(text) else None for text in texts)
    return None if width is None or height is None else (width, height)


def _unreadable(file: Path, error: Exception) -> DataError:
    return DataError(f"JPEGImages/{file.name} cannot be read: {error}")


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def _read_box(element: Element, width: int, height: int) -> Box:
    """The box of an object inside the image; a ValueError says why there is none."""
    found = element.find("bndbox")
    if found is None:
        raise ValueError("it has no bndbox")
    texts = [(found.findtext(edge) or "").strip() for edge in ("xmin", "ymin", "xmax", "ymax")]
    if not all(map(_COORDINATE.fullmatch, texts)):
        shown = " ".join(map(_shortened, texts))
        raise ValueError(f"its box is {shown.strip() or 'empty'}")
    xmin, ymin, xmax, ymax = map(float, texts)
    whole = Box(xmin - 1, ymin - 1, xmax, ymax)
    inside = whole.clipped(width, height)
    shown = f"{xmin:g} {ymin:g} {xmax:g} {ymax:g}"
    # Written so that NaN fails, too.
    if not (whole.width > 0 and whole.height > 0):
        raise ValueError(f"its box {shown} has no area")
    if not (inside.width > 0 and inside.height > 0) or math.inf in map(abs, whole):
        raise ValueError(f"its box {shown} is outside the image of {width} x {height} pixels")
    return inside
