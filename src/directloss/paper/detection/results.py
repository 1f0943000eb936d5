"""The file `results.json`: everything that table, curves and page are drawn from.

Average precisions are stored as they are, in [0, 1].
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from directloss.report.schema import Table


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(_Record):
    """95 % percentile interval over bootstrap samples of the test images."""

    low: float
    high: float


class Summary(_Record):
    """A method over all classes."""

    method: str
    learning_rate: float
    mean_ap: Interval
    eleven_points: float = Field(description="mean over classes and seeds of the 2007 measure")
    difference: float = Field(description="of the mean AP to the first method's")
    difference_interval: Interval
    held_out: dict[str, float] = Field(
        description="learning rate -> mean AP on held-out training images; empty without a choice"
    )
    spread: float = Field(description="of the last mini-batch's scores, mean over heads and seeds")


class Trace(_Record):
    """The precision-recall curve of a method for a class: first seed, thinned for drawing."""

    method: str
    column: str
    recall: list[float]
    precision: list[float]


class Ceiling(_Record):
    """How well the proposals cover the test objects of a class."""

    column: str
    objects: int
    found: float = Field(description="share of objects with a proposal of overlap 0.5 or more")
    mean_best_overlap: float


class StageRecord(_Record):
    """What a stage took; seconds are those of one core, summed over workers."""

    name: str
    unit: str
    items: int
    seconds: float
    peak_megabytes: float


class DataRecord(_Record):
    """What was used."""

    train_images: int
    test_images: int
    train_boxes: int = Field(description="proposals and annotated boxes of the training images")
    test_boxes: int
    rows: int = Field(description="training rows: the boxes that are used, of all classes")
    positives: dict[str, int] = Field(description="class -> positive rows")
    features: int = Field(description="number of features of a box")


class DetectionResults(_Record):
    """One run of `directloss experiment detection`."""

    title: str
    command: list[str]
    created: str
    versions: dict[str, str]
    configuration: dict[str, Any]
    classes: list[str]
    methods: list[str]
    data: DataRecord
    table: Table
    summaries: list[Summary]
    curves: list[Trace]
    ceiling: list[Ceiling]
    stages: list[StageRecord]
    remarks: list[str]

    def to_json(self) -> str:
        """The file's text."""
        return self.model_dump_json(indent=1) + "\n"
