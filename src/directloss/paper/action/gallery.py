"""The highest-ranked and the worst-ranked crops of each class, as pictures for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from PIL import Image

from directloss.datasets.crops import crop
from directloss.datasets.voc import read_image
from directloss.paper.action.persons import Persons
from directloss.report.page import embedded
from directloss.report.schema import Results

SHOWN = 8
_SIDE = 112
_CONTEXT = 8


@dataclass(frozen=True)
class Picture:
    """A crop.

    Attributes:
        source: the image itself, as a data URI.
        caption: its rank.
        words: what it shows, for those who cannot see it.
        positive: whether the person does the action.
    """

    source: str
    caption: str
    words: str
    positive: bool


@dataclass(frozen=True)
class Column:
    """The pictures of a class, and how many persons were ranked."""

    column: str
    highest: list[Picture]
    worst: list[Picture]
    positives: int
    persons: int


@dataclass(frozen=True)
class Gallery:
    """The pictures of all classes, ranked by one method."""

    method: str
    columns: list[Column]


def make_gallery(
    results: Results, persons: Persons, rankings: Mapping[tuple[str, str], Sequence[int]]
) -> Gallery:
    """Cuts the crops of the method that is best on validation, by its mean over the runs.

    Args:
        results: of the experiment.
        persons: rows of the rankings.
        rankings: (method, class) -> persons, highest score first.
    """
    method = max(
        results.methods,
        key=lambda name: fmean(run.validation for run in results.runs if run.method == name),
    )
    columns = [_column(persons, name, rankings[method, name]) for name in results.columns]
    return Gallery(method, columns)


def _column(persons: Persons, column: str, ranking: Sequence[int]) -> Column:
    number = persons.classes.index(column)
    positive = [bool(persons.labels[person, number] == 1) for person in ranking]
    ranks = [rank for rank, does_it in enumerate(positive) if does_it]

    def pictures(chosen: Sequence[int]) -> list[Picture]:
        return [_picture(persons, column, ranking[k], k + 1, positive[k]) for k in chosen]

    return Column(
        column,
        pictures(range(min(SHOWN, len(ranking)))),
        pictures(ranks[: -SHOWN - 1 : -1]),
        len(ranks),
        len(ranking),
    )


def _picture(persons: Persons, column: str, person: int, rank: int, positive: bool) -> Picture:
    image = int(persons.image_of_person[person])
    photograph = persons.photographs[image]
    first = int((persons.image_of_person < image).sum())
    box = photograph.boxes[person - first]
    pixels = crop(read_image(photograph.file), box, _SIDE, padding=_CONTEXT, fill=(128, 128, 128))
    labels = [
        name
        for name, label in zip(persons.classes, persons.labels[person], strict=True)
        if label == 1
    ]
    does = ", ".join(labels) or "none of the actions"
    return Picture(
        source=embedded(Image.fromarray(pixels)),
        caption=f"rank {rank}" + ("" if positive else f": {does}"),
        words=f"{photograph.image_id}, person {person - first + 1}: {does}",
        positive=positive,
    )
