"""From what an experiment has made to the record of `results.json`."""

from __future__ import annotations

from statistics import fmean

import numpy as np

from directloss.paper.detection.average_precision import precision_recall
from directloss.paper.detection.boxes import Floats
from directloss.paper.detection.config import DetectionConfig
from directloss.paper.detection.evaluate import Measured, measure, resampled_means
from directloss.paper.detection.experiment import UNITS, Finished
from directloss.paper.detection.labels import POSITIVE
from directloss.paper.detection.proposals import recall
from directloss.paper.detection.results import (
    Ceiling,
    DataRecord,
    DetectionResults,
    Interval,
    StageRecord,
    Summary,
    Trace,
)
from directloss.paper.detection.training_set import jobs, load_head, load_rows
from directloss.study.records import header
from directloss.study.table import Values, table_of
from directloss.training.bootstrap import interval

_PACKAGES = ("torch", "torchvision", "opencv-contrib-python-headless", "numpy", "numba", "pillow")

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
        **header(f"Detection on {name}", command, config, _PACKAGES),
        classes=list(finished.material.classes),
        methods=list(config.methods),
        data=_data(finished),
        table=table_of(
            _values(by_method, finished.material.classes), config.methods, finished.material.classes
        ),
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


def _values(by_method: dict[str, list[Measured]], classes: tuple[str, ...]) -> Values:
    return {
        (method, name): [float(each.all_points[column]) for each in seeds]
        for method, seeds in by_method.items()
        for column, name in enumerate(classes)
    }


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
            load_head(finished.heads.path(job)).spread
            for each in settings
            for job in jobs(each, classes)
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
    low, high = interval(values)
    return Interval(low=low, high=high)
