"""The file `results.json`: everything that table, curves and page are drawn from.

Average precisions are stored as they are, in [0, 1].
"""

from __future__ import annotations

from pydantic import Field

from directloss.report.schema import Document, Record, Table


class Interval(Record):
    """95 % percentile interval over bootstrap samples of the test images."""

    low: float
    high: float


class Summary(Record):
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


class Trace(Record):
    """The precision-recall curve of a method for a class: first seed, thinned for drawing."""

    method: str
    column: str
    recall: list[float]
    precision: list[float]


class Ceiling(Record):
    """How well the proposals cover the test objects of a class."""

    column: str
    objects: int
    found: float = Field(description="share of objects with a proposal of overlap 0.5 or more")
    mean_best_overlap: float


class StageRecord(Record):
    """What a stage took; seconds are those of one core, summed over workers."""

    name: str
    unit: str
    items: int
    seconds: float
    peak_megabytes: float


class DataRecord(Record):
    """What was used."""

    train_images: int
    test_images: int
    train_boxes: int = Field(description="proposals and annotated boxes of the training images")
    test_boxes: int
    rows: int = Field(description="training rows: the boxes that are used, of all classes")
    positives: dict[str, int] = Field(description="class -> positive rows")
    features: int = Field(description="number of features of a box")


class DetectionResults(Document):
    """One run of `directloss experiment detection`."""

    classes: list[str]
    methods: list[str]
    data: DataRecord
    table: Table
    summaries: list[Summary]
    curves: list[Trace]
    ceiling: list[Ceiling]
    stages: list[StageRecord]
    remarks: list[str]
