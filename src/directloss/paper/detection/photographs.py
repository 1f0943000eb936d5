"""The photographs of a split with the objects of the classes that are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from directloss.datasets.errors import DataError
from directloss.datasets.voc import Annotation, VOCFolder, image_digest, read_image
from directloss.errors import ArgumentError
from directloss.paper.detection.labels import Objects


@dataclass(frozen=True, eq=False)
class Photograph:
    """An image of a split.

    Attributes:
        image_id: as the split's file names it.
        file: the image.
        fingerprint: of the file's content, which names cached results.
        width, height: in pixels.
        objects: those that training and evaluation look at, difficult ones included.
    """

    image_id: str
    file: Path
    fingerprint: str
    width: int
    height: int
    objects: Objects

    def read(self) -> Image.Image:
        """The pixels, RGB.

        Raises:
            DataError: the file cannot be decoded.
        """
        return read_image(self.file)

    def objects_of(self, number: int) -> Objects:
        """The objects of one class."""
        return self.objects.only(self.objects.classes == number)


@dataclass(frozen=True)
class Split:
    """The usable annotations of a split, and a line for each thing that is not."""

    annotations: tuple[Annotation, ...]
    remarks: tuple[str, ...]

    def count(self) -> Counter[str]:
        """Objects of each name that are not difficult."""
        return Counter(
            each.name for image in self.annotations for each in image.objects if not each.difficult
        )


def read_split(folder: VOCFolder, split: str, most: int | None = None) -> Split:
    """Reads the annotations of a split, of its first `most` images only if that is given.

    An image whose annotation or file is missing is left out and remarked on.

    Raises:
        DataError: no such split, or nothing usable in it.
    """
    annotations, remarks = [], []
    for image_id in folder.image_ids("Main", split)[:most]:
        try:
            annotation = folder.annotation(image_id)
        except DataError as error:
            remarks.append(str(error))
            continue
        annotations.append(annotation)
        remarks.extend(annotation.remarks)
    if not annotations:
        raise DataError(f"no image of the split {split!r} of {folder.root} can be used")
    return Split(tuple(annotations), tuple(remarks))


def choose_classes(asked: Sequence[str], train: Split, test: Split) -> tuple[str, ...]:
    """The classes to detect: those asked for, or all that both splits hold.

    Raises:
        ArgumentError: a split has no object of a class that is asked for.
        DataError: nothing is asked for, and the splits share no class.
    """
    counts = train.count(), test.count()
    known = sorted(counts[0].keys() & counts[1].keys())
    if not known:
        raise DataError("no class has an object in both splits")
    for name in asked:
        if name not in known:
            raise ArgumentError("classes", repr(name), f"some of {', '.join(known)}")
    return tuple(asked) or tuple(known)


def photographs(folder: VOCFolder, split: Split, classes: Sequence[str]) -> list[Photograph]:
    """The images of a split with their objects as arrays; other classes' objects are left out."""
    number = {name: place for place, name in enumerate(classes)}
    found = []
    for annotation in split.annotations:
        file = folder.image_file(annotation.image_id)
        kept = [each for each in annotation.objects if each.name in number]
        objects = Objects(
            np.array([each.box for each in kept], dtype=np.float64).reshape(-1, 4),
            np.array([number[each.name] for each in kept], dtype=np.int64),
            np.array([each.difficult for each in kept], dtype=np.bool_),
        )
        content = image_digest(file)
        found.append(
            Photograph(
                annotation.image_id, file, content, annotation.width, annotation.height, objects
            )
        )
    return found


def held_out(
    images: Sequence[Photograph], share: float, seed: int
) -> tuple[list[Photograph], list[Photograph]]:
    """Divides images at random into (to train on, to choose settings on)."""
    order = np.random.default_rng(seed).permutation(len(images))
    chosen: NDArray[np.bool_] = np.zeros(len(images), dtype=np.bool_)
    chosen[order[: round(share * len(images))]] = True
    kept = [image for image, out in zip(images, chosen, strict=True) if not out]
    return kept, [image for image, out in zip(images, chosen, strict=True) if out]
