"""The persons of a split with their boxes and a label for each action."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from directloss.datasets.errors import DataError
from directloss.datasets.voc import PERSON, Annotation, Box, VOCFolder, VOCObject, image_digest
from directloss.errors import ArgumentError

AMBIGUOUS = 0
"""The label of a person of whom one cannot say; also of one whom an action's file leaves out."""

Labels = NDArray[np.int8]


@dataclass(frozen=True)
class Photograph:
    """An image of the split: its file, the SHA-256 of that, the boxes of the listed persons."""

    image_id: str
    file: Path
    sha256: str
    boxes: tuple[Box, ...]


@dataclass(frozen=True, eq=False)
class Persons:
    """What a split says.

    Attributes:
        classes: the actions.
        photographs: those with at least one usable person.
        labels: 1, -1 or `AMBIGUOUS`, shape `(persons, actions)`, in the order of the photographs
            and of the boxes in them.
        remarks: a line for everything that could not be used.
    """

    classes: tuple[str, ...]
    photographs: tuple[Photograph, ...]
    labels: Labels
    remarks: tuple[str, ...]

    @property
    def image_of_person(self) -> NDArray[np.int64]:
        """Index of each person's photograph, shape `(persons,)`."""
        counts = [len(photograph.boxes) for photograph in self.photographs]
        return np.repeat(np.arange(len(counts)), counts)

    def without(self, refused: Mapping[Photograph, str]) -> Persons:
        """The same without some photographs, each with the line that says why.

        Raises:
            DataError: none is left.
        """
        kept = np.array([each not in refused for each in self.photographs], dtype=np.bool_)
        if not kept.any():
            raise DataError(f"no photograph can be used; the first: {next(iter(refused.values()))}")
        return Persons(
            self.classes,
            tuple(each for each in self.photographs if each not in refused),
            self.labels[kept[self.image_of_person]],
            (*self.remarks, *refused.values()),
        )

    def fingerprint(self) -> str:
        """SHA-256 of the classes, images, boxes and labels."""
        digest = hashlib.sha256(repr(self.classes).encode())
        for photograph in self.photographs:
            digest.update(repr((photograph.sha256, photograph.boxes)).encode())
        digest.update(self.labels.tobytes())
        return digest.hexdigest()

    def describe(self) -> str:
        """One sentence: how many of what."""
        positives = ", ".join(
            f"{name} {int((self.labels[:, k] == 1).sum())}" for k, name in enumerate(self.classes)
        )
        return (
            f"{len(self.photographs)} photographs, {len(self.labels)} persons; positives: "
            f"{positives}; ambiguous labels: {int((self.labels == AMBIGUOUS).sum())}"
        )


def read_persons(folder: VOCFolder, split: str, classes: Sequence[str] = ()) -> Persons:
    """Reads the image sets of some actions (none named: of all) and the annotations they mention.

    A person or photograph that cannot be used is left out and remarked on.

    Raises:
        ArgumentError: an action that has no image set, or is named twice.
        DataError: no such split, a malformed image set, or nobody can be used.
    """
    names = _chosen(classes, folder.classes("Action", split))
    listed: dict[str, dict[int, dict[str, int]]] = {}
    for name in names:
        for line in folder.person_labels(name, split):
            labels = listed.setdefault(line.image_id, {}).setdefault(line.person, {})
            labels[name] = line.label
    annotations: list[Annotation] = []
    remarks: list[str] = []
    for image_id in listed:
        try:
            annotations.append(folder.annotation(image_id))
        except DataError as error:
            remarks.append(f"{error}: its persons are left out")
            continue
        remarks += annotations[-1].remarks
    count = _numbering(annotations, listed)
    photographs, rows = [], []
    for annotation in annotations:
        image_id = annotation.image_id
        numbered = {count(each): each for each in annotation.objects if each.name == PERSON}
        wanted = listed[image_id]
        found = [number for number in wanted if number in numbered]
        remarks += [
            f"ImageSets/Action names person {number} of {image_id}, whom "
            f"Annotations/{image_id}.xml has not: left out"
            for number in wanted
            if number not in numbered
        ]
        if not found:
            continue
        file = folder.image_file(image_id)
        boxes = tuple(numbered[number].box for number in found)
        photographs.append(Photograph(image_id, file, image_digest(file), boxes))
        rows += [[wanted[number].get(name, AMBIGUOUS) for name in names] for number in found]
    if not rows:
        reason = f"; the first reason: {remarks[0]}" if remarks else ""
        raise DataError(f"voc: no person of {split!r} in {folder.root} can be used{reason}")
    return Persons(names, tuple(photographs), np.array(rows, dtype=np.int8), tuple(remarks))


def _chosen(asked: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    for name in asked:
        if name not in known:
            raise ArgumentError("classes", repr(name), f"some of {', '.join(known)}")
    if len(set(asked)) < len(asked):
        raise ArgumentError("classes", ", ".join(asked), "distinct names")
    return tuple(asked or known)


Numbering = Callable[[VOCObject], int]


def _numbering(annotations: Sequence[Annotation], listed: Mapping[str, Iterable[int]]) -> Numbering:
    """How the image sets count persons: among all objects of a file, as VOC's, or among persons.

    The two differ in photographs that also show, say, a bicycle. Taken is the one under which more
    of the listed persons exist; VOC's own where both do equally well.
    """

    def existing(count: Numbering) -> int:
        return sum(
            count(each) in listed[annotation.image_id]
            for annotation in annotations
            for each in annotation.objects
            if each.name == PERSON
        )

    def among_all(each: VOCObject) -> int:
        return each.number

    def among_persons(each: VOCObject) -> int:
        return each.number_of_name

    return max((among_all, among_persons), key=existing)
