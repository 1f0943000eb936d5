"""The stage that turns the persons of each photograph into features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from directloss.models.features import CropSettings, Features, crop_features
from directloss.paper.action.persons import Labels, Persons, Photograph
from directloss.study.stages import (
    Arrays,
    OnItem,
    Stage,
    StageCost,
    digest,
    load_arrays,
    run_stage,
    save_arrays,
)


@dataclass(frozen=True)
class CropStage(Stage[Photograph]):
    """`features` of each photograph, see `crop_features`.

    A file is named by the content of the image, the boxes, and the settings with the weights, so
    that it is never stale and never has to be deleted.

    Attributes:
        cache: folder of results.
        settings: how crops are cut, and the network.
        identity: `settings.identity()`.
    """

    cache: Path
    settings: CropSettings
    identity: tuple[str | int, ...]

    def path(self, item: Photograph) -> Path:
        name = digest(item.sha256, [list(map(float, box)) for box in item.boxes], self.identity)
        return self.cache / name[:2] / f"{name}.npz"

    def make(self, item: Photograph) -> Arrays:
        return {"features": crop_features(self.settings, item.file, item.boxes)}


@dataclass(frozen=True, eq=False)
class Table:
    """What heads are trained on.

    Attributes:
        features: of each person's crop and, where there is a second copy, of the mirrored crop;
            shape `(copies, persons, width)`.
        labels: 1, -1 or 0 (ambiguous), shape `(persons, actions)`.
        image: number of each person's photograph, shape `(persons,)`.
        classes: the actions.
    """

    features: Features
    labels: Labels
    image: NDArray[np.int64]
    classes: tuple[str, ...]

    def save(self, file: Path) -> None:
        """Writes it, whole or not at all."""
        arrays: Mapping[str, NDArray[Any]] = {
            "features": self.features,
            "labels": self.labels,
            "image": self.image,
            "classes": np.array(self.classes),
        }
        save_arrays(file, arrays)

    @classmethod
    def load(cls, file: Path) -> Table:
        """Reads what `save` wrote."""
        arrays = load_arrays(file)
        classes = tuple(str(name) for name in arrays["classes"])
        return cls(arrays["features"], arrays["labels"], arrays["image"], classes)


def make_table(
    persons: Persons,
    settings: CropSettings,
    cache: Path,
    *,
    workers: int = 1,
    on_item: OnItem = lambda _: None,
) -> tuple[Table, Persons, StageCost]:
    """Features of all persons, the persons without those whose photograph is corrupt, the cost.

    Raises:
        DataError: no photograph can be used.
    """
    stage = CropStage(cache, settings, tuple(settings.identity()))
    result = run_stage(stage, persons.photographs, workers=workers, on_item=on_item)
    usable = persons.without(result.refused) if result.refused else persons
    features = [stage.load(each)["features"] for each in usable.photographs]
    table = Table(
        np.concatenate(features, axis=1), usable.labels, usable.image_of_person, usable.classes
    )
    return table, usable, result.cost
