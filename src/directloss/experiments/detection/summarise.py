"""From what an experiment has made to the record of `results.json`."""

from __future__ import annotations

import importlib.metadata
import platform
from datetime import datetime
from statistics import fmean, stdev

import numpy as np

import directloss as dl
from directloss.experiments.detection.average_precision import precision_recall
from directloss.experiments.detection.boxes import Floats
from directloss.experiments.detection.config import DetectionConfig
from directloss.experiments.detection.evaluate import Measured, measure, resampled_means
from directloss.experiments.detection.experiment import UNITS, Finished
from directloss.experiments.detection.labels import POSITIVE
from directloss.experiments.detection.proposals import recall
from directloss.experiments.detection.results import (
    Ceiling,
    DataRecord,
    DetectionResults,
    Interval,
    StageRecord,
    Summary,
    Trace,
)
from directloss.experiments.detection.training_set import jobs, load_rows
from directloss.report import schema
from directloss.report.intervals import percentile_interval

_VERSIONS = ("torch", "torchvision", "opencv-contrib-python-headless", "numpy", "numba", "pillow")

_TRACE_POINTS = 200


def summarise(
    finished: Finished, config: DetectionConfig, command: list[str], name: str
) -> DetectionResults:
    """All numbers of a run.

    Args:
        finished: the run.
        config: its configuration.
        command: the command line, for the record.
        name: of the data, for the title.
    """
    measured = [measure(each) for each in finished.detections]
    by_method = {
        method: measured[place * config.seeds : (place + 1) * config.seeds]
        for place, method in enumerate(config.methods)
    }
    return DetectionResults(
        title=f"Detection on {name}",
        command=command,
        created=datetime.now().astimezone().isoformat(timespec="seconds"),
        versions={
            "directloss": dl.__version__,
            "python": platform.python_version(),
            **{package: importlib.metadata.version(package) for package in _VERSIONS},
        },
        configuration=config.model_dump(mode="json"),
        classes=list(finished.material.classes),
        methods=list(config.methods),
        data=_data(finished),
        table=_table(by_method, finished.material.classes),
        summaries=_summaries(finished, config, by_method),
        curves=_traces(finished, config),
        ceiling=_ceiling(finished),
        stages=[
            StageRecord(
                name=stage,
                unit=UNITS[stage],
                items=cost.items,
                seconds=cost.seconds,
                peak_megabytes=cost.peak_megabytes,
            )
            for stage, cost in finished.costs.items()
        ],
        remarks=finished.remarks,
    )


def _data(finished: Finished) -> DataRecord:
    rows = load_rows(finished.training_set)
    positives = (rows.labels.by_class == POSITIVE).sum(axis=0)
    material = finished.material
    return DataRecord(
        train_images=len(material.train),
        test_images=len(material.test),
        train_boxes=sum(len(finished.train_features.boxes(image)) for image in material.train),
        test_boxes=sum(len(finished.test_features.boxes(image)) for image in material.test),
        rows=len(rows.features),
        positives=dict(zip(material.classes, map(int, positives), strict=True)),
        features=rows.width,
    )


def _table(by_method: dict[str, list[Measured]], classes: tuple[str, ...]) -> schema.Table:
    """Means and deviations over seeds, the best mean of each column marked."""
    values = {
        name: np.array([each.all_points for each in seeds]) for name, seeds in by_method.items()
    }
    best = np.max([each.mean(axis=0) for each in values.values()], axis=0)
    best_average = max(float(each.mean()) for each in values.values())

    def cell(values: Floats, column: int) -> schema.Cell:
        mean = float(values[:, column].mean())
        return schema.Cell(
            column=classes[column],
            mean=mean,
            std=_deviation(values[:, column]),
            n=len(values),
            best=mean == best[column],
        )

    return schema.Table(
        rows=[
            schema.Row(
                method=name,
                cells=[cell(each, column) for column in range(len(classes))],
                average=schema.Average(
                    mean=float(each.mean()),
                    std=_deviation(each.mean(axis=1)),
                    best=float(each.mean()) == best_average,
                ),
            )
            for name, each in values.items()
        ]
    )


def _summaries(
    finished: Finished, config: DetectionConfig, by_method: dict[str, list[Measured]]
) -> list[Summary]:
    means = resampled_means(finished.detections, config.resamples)
    samples = means.reshape(len(config.methods), config.seeds, -1).mean(axis=1)
    baseline = _mean_ap(by_method[config.methods[0]])
    found = []
    for place, (method, seeds) in enumerate(by_method.items()):
        settings = finished.settings[place * config.seeds : (place + 1) * config.seeds]
        classes = len(finished.material.classes)
        spreads = [
            finished.heads.head(job).spread for each in settings for job in jobs(each, classes)
        ]
        found.append(
            Summary(
                method=method,
                learning_rate=settings[0].learning_rate,
                mean_ap=_interval(samples[place]),
                eleven_points=fmean(float(each.eleven_points.mean()) for each in seeds),
                difference=_mean_ap(seeds) - baseline,
                difference_interval=_interval(samples[place] - samples[0]),
                held_out={f"{k:g}": v for k, v in finished.held_out.get(method, {}).items()},
                spread=fmean(spreads),
            )
        )
    return found


def _traces(finished: Finished, config: DetectionConfig) -> list[Trace]:
    traces = []
    for place, method in enumerate(config.methods):
        detections = finished.detections[place * config.seeds]
        for column, each in zip(finished.material.classes, detections, strict=True):
            curve = precision_recall(each.scores, each.outcomes, each.objects.sum())
            kept = _thinned(curve.recall)
            traces.append(
                Trace(
                    method=method,
                    column=column,
                    recall=[round(float(value), 4) for value in curve.recall[kept]],
                    precision=[round(float(value), 4) for value in curve.precision[kept]],
                )
            )
    return traces


def _thinned(recall_values: Floats) -> list[int]:
    """Places of at most `_TRACE_POINTS` points at which recall has just risen, evenly spread."""
    rises = np.flatnonzero(np.diff(recall_values, prepend=0.0) > 0)
    spread = np.linspace(0, len(rises) - 1, min(len(rises), _TRACE_POINTS)).round()
    return [int(place) for place in rises[spread.astype(np.int64)]]


def _ceiling(finished: Finished) -> list[Ceiling]:
    classes, test = finished.material.classes, finished.material.test
    return [
        Ceiling(column=name, **each._asdict())
        for name, each in zip(classes, recall(finished.proposals, test, len(classes)), strict=True)
    ]


def _mean_ap(seeds: list[Measured]) -> float:
    return fmean(float(each.all_points.mean()) for each in seeds)


def _interval(values: Floats) -> Interval:
    low, high = percentile_interval(values)
    return Interval(low=low, high=high)


def _deviation(values: Floats) -> float | None:
    return stdev(map(float, values)) if len(values) > 1 else None
