"""Which rows of which photographs train, and the stage that trains a head on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from directloss.paper.detection.features import FeatureStage
from directloss.paper.detection.heads import SOFTMAX, Head, HeadSettings, train_head
from directloss.paper.detection.labels import Labels, label
from directloss.paper.detection.photographs import Photograph
from directloss.paper.detection.rows import Rows, choose_rows
from directloss.study.stages import Arrays, Stage, digest, load_arrays


@dataclass(frozen=True)
class Sampling:
    """How boxes become training rows; see `label` and `choose_rows`."""

    positive_from: float = 0.5
    negative_below: float = 0.3
    background: int = 300


@dataclass(frozen=True)
class TrainingSet:
    """Everything that the training rows come from. Two with the same `key` are the same."""

    key: str
    images: tuple[Photograph, ...] = field(compare=False)
    features: FeatureStage = field(compare=False)
    classes: int = field(compare=False)
    sampling: Sampling = field(compare=False)

    @classmethod
    def of(
        cls,
        images: Sequence[Photograph],
        features: FeatureStage,
        classes: int,
        sampling: Sampling,
    ) -> TrainingSet:
        """Names the set by what its rows depend on."""
        annotated = [
            [features.key(image), image.objects.classes.tolist(), image.objects.difficult.tolist()]
            for image in images
        ]
        key = digest(annotated, classes, asdict(sampling))
        return cls(key, tuple(images), features, classes, sampling)


@lru_cache(maxsize=1)
def load_rows(source: TrainingSet) -> Rows:
    """The rows in memory; kept, since many heads are trained on them."""
    features, labels = [], []
    for image in source.images:
        labelled = label(
            source.features.boxes(image),
            image.objects,
            source.classes,
            positive_from=source.sampling.positive_from,
            negative_below=source.sampling.negative_below,
        )
        kept = choose_rows(labelled, source.sampling.background, image.image_id)
        features.append(source.features.load(image)["features"][kept])
        labels.append(Labels(labelled.by_class[kept], labelled.joint[kept]))
    return Rows.of(features, labels)


@dataclass(frozen=True)
class HeadJob:
    """A head to train: the settings, and the number of its class; None for SOFTMAX."""

    settings: HeadSettings
    column: int | None


@dataclass(frozen=True)
class HeadStage(Stage[HeadJob]):
    """The trained heads: `weight`, `bias` and `spread`."""

    cache: Path
    source: TrainingSet

    def path(self, job: HeadJob) -> Path:
        name = digest(self.source.key, asdict(job.settings), job.column)
        return self.cache / "heads" / f"{name}.npz"

    def make(self, job: HeadJob) -> Arrays:
        head = train_head(load_rows(self.source), job.column, job.settings)
        return {**head._asdict(), "spread": np.array(head.spread)}


@lru_cache(maxsize=4096)
def load_head(file: Path) -> Head:
    """A trained head from its file; kept, since many photographs are looked at with it."""
    found = load_arrays(file)
    return Head(found["weight"], found["bias"], float(found["spread"]))


def jobs(settings: HeadSettings, classes: int) -> list[HeadJob]:
    """The heads that together score all classes: one a class, or one for all."""
    if settings.method == SOFTMAX:
        return [HeadJob(settings, None)]
    return [HeadJob(settings, column) for column in range(classes)]
