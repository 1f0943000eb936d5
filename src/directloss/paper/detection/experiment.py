"""From photographs to the table: stages in their order, each resumed where it was."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar

from directloss.datasets.errors import DataError
from directloss.datasets.voc import VOCFolder
from directloss.errors import ArgumentError
from directloss.paper.detection.config import DetectionConfig
from directloss.paper.detection.detect import Detections, DetectionStage, collect
from directloss.paper.detection.evaluate import measure
from directloss.paper.detection.features import FeatureStage
from directloss.paper.detection.heads import HeadSettings
from directloss.paper.detection.photographs import (
    Photograph,
    choose_classes,
    held_out,
    photographs,
    read_split,
)
from directloss.paper.detection.proposals import ProposalStage
from directloss.paper.detection.training_set import HeadStage, Sampling, TrainingSet, jobs
from directloss.study.stages import OnStage, Stage, StageCost, run_stage

Item = TypeVar("Item")

UNITS = {"proposals": "image", "features": "image", "training": "head", "detection": "image"}
"""What the stages count."""


class Material(NamedTuple):
    """The images of an experiment, as far as they can be used."""

    classes: tuple[str, ...]
    train: list[Photograph]
    test: list[Photograph]


class Finished(NamedTuple):
    """What an experiment has made.

    Attributes:
        material: the images.
        proposals, train_features, test_features: stages whose results are kept.
        training_set: all of the training images' rows.
        heads: of the last training.
        settings: for each method and seed, in this order, how it was trained.
        held_out: for each method the mean AP of each learning rate; empty without a choice.
        detections: for each method and seed the detections of each class.
        costs: of each stage.
        remarks: a line for everything that could not be used.
    """

    material: Material
    proposals: ProposalStage
    train_features: FeatureStage
    test_features: FeatureStage
    training_set: TrainingSet
    heads: HeadStage
    settings: list[HeadSettings]
    held_out: dict[str, dict[float, float]]
    detections: list[list[Detections]]
    costs: dict[str, StageCost]
    remarks: list[str]


def read_material(config: DetectionConfig) -> tuple[Material, list[str]]:
    """Reads annotations; the second part is a line for each thing that cannot be used.

    Raises:
        DataError: the folder or a split is missing, or nothing in it can be used.
        ArgumentError: a class without objects, or an image that is in both splits.
    """
    folder = VOCFolder(config.voc)
    train = read_split(folder, config.train_split, config.images)
    test = read_split(folder, config.test_split, config.images)
    shared = {each.image_id for each in train.annotations} & {
        each.image_id for each in test.annotations
    }
    if shared:
        raise ArgumentError(
            "test_split",
            f"{config.test_split!r}, which shares {min(shared)} with {config.train_split!r}",
            "splits without a common image",
        )
    classes = choose_classes(config.classes, train, test)
    material = Material(
        classes, photographs(folder, train, classes), photographs(folder, test, classes)
    )
    return material, [*train.remarks, *test.remarks]


class Experiment:
    """One run over the stages.

    Args:
        config: everything that the numbers depend on.
        cache: folder for the results of stages; other experiments may share it.
        workers: processes.
        on_stage: for a display of progress.
    """

    def __init__(
        self,
        config: DetectionConfig,
        cache: Path,
        *,
        workers: int = 1,
        on_stage: OnStage = lambda *_: lambda _: None,
    ) -> None:
        if workers < 1:
            raise ArgumentError("workers", workers, "1 or more")
        self._config = config
        self._cache = cache
        self._workers = workers
        self._on_stage = on_stage
        self._costs: dict[str, StageCost] = {}
        self._remarks: list[str] = []

    def run(self) -> Finished:
        """Goes through all stages.

        Raises:
            DirectLossError: data or configuration do not fit.
        """
        config = self._config
        material, self._remarks = read_material(config)
        fingerprint = config.feature_settings.network.load().fingerprint
        proposals = ProposalStage(self._cache, config.search_settings)
        usable = set(self._usable("proposals", proposals, [*material.train, *material.test]))
        material = material._replace(
            train=_of_split(config.train_split, material.train, usable),
            test=_of_split(config.test_split, material.test, usable),
        )
        test_features = FeatureStage(
            self._cache, proposals, config.feature_settings, fingerprint, with_objects=False
        )
        train_features = replace(test_features, with_objects=True)
        material = material._replace(
            train=self._usable("features", train_features, material.train),
            test=self._usable("features", test_features, material.test),
        )

        count = len(material.classes)
        rates = self._rates(material, train_features)
        best = {name: max(found, key=found.__getitem__) for name, found in rates.items()}
        training_set = TrainingSet.of(
            material.train, train_features, count, Sampling(background=config.background)
        )
        settings = [
            config.head_settings(name, best.get(name, config.learning_rates[0]), seed)
            for name in config.methods
            for seed in range(config.seeds)
        ]
        heads = self._train(training_set, settings, material.classes)
        detections = self._detect(heads, settings, test_features, material.test)
        return Finished(
            material=material,
            proposals=proposals,
            train_features=train_features,
            test_features=test_features,
            training_set=training_set,
            heads=heads,
            settings=settings,
            held_out=rates,
            detections=detections,
            costs=self._costs,
            remarks=self._remarks,
        )

    def _rates(self, material: Material, features: FeatureStage) -> dict[str, dict[float, float]]:
        """Mean AP on held-out training images: method -> learning rate -> value."""
        config = self._config
        if len(config.learning_rates) == 1:
            return {}
        kept, chosen = held_out(material.train, config.held_out, seed=0)
        settings = [
            config.head_settings(name, rate, 0)
            for name in config.methods
            for rate in config.learning_rates
        ]
        sampling = Sampling(background=config.background)
        source = TrainingSet.of(kept, features, len(material.classes), sampling)
        heads = self._train(source, settings, material.classes)
        found = self._detect(heads, settings, features, chosen)
        rates: dict[str, dict[float, float]] = {name: {} for name in config.methods}
        for each, detections in zip(settings, found, strict=True):
            mean = float(measure(detections).all_points.mean())
            rates[each.method][each.learning_rate] = mean
        return rates

    def _train(
        self, source: TrainingSet, settings: Sequence[HeadSettings], names: Sequence[str]
    ) -> HeadStage:
        stage = HeadStage(self._cache, source)
        work = [job for each in settings for job in jobs(each, source.classes)]
        refused = self._stage("training", stage, work)
        for job, reason in refused.items():
            name = "all classes" if job.column is None else names[job.column]
            raise DataError(f"{name}: {reason}; {len(source.images)} images are left to train on")
        return stage

    def _detect(
        self,
        heads: HeadStage,
        settings: Sequence[HeadSettings],
        features: FeatureStage,
        images: Sequence[Photograph],
    ) -> list[list[Detections]]:
        count = heads.source.classes
        files = tuple(tuple(map(heads.path, jobs(each, count))) for each in settings)
        stage = DetectionStage(self._cache, features, files, count, self._config.suppression)
        self._stage("detection", stage, images)
        return collect(stage, images)

    def _usable(
        self, name: str, stage: Stage[Photograph], images: list[Photograph]
    ) -> list[Photograph]:
        """The images that the stage could work on; the others are remarked on."""
        refused = self._stage(name, stage, images)
        self._remarks += refused.values()
        return [image for image in images if image not in refused]

    def _stage(self, name: str, stage: Stage[Item], items: Sequence[Item]) -> dict[Item, str]:
        on_item = self._on_stage(name, len(items))
        result = run_stage(stage, items, workers=self._workers, on_item=on_item)
        self._costs[name] = self._costs.get(name, StageCost(0)).plus(result.cost)
        return result.refused


def _of_split(
    split: str, images: Sequence[Photograph], usable: Set[Photograph]
) -> list[Photograph]:
    kept = [image for image in images if image in usable]
    if not kept:
        raise DataError(f"no image of the split {split!r} can be decoded")
    return kept
