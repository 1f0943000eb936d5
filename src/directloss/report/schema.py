"""The file `results.json`: everything that is needed to redraw a comparison.

Metrics, validation and test values are stored as they are (an average precision lies in [0, 1]);
`Metric.scale` is the factor by which tables and plots multiply them for the reader.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION = 1


class Record(BaseModel):
    """Unknown fields are refused, so that writer and reader cannot drift apart unnoticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Metric(Record):
    """What was measured, and how to show it."""

    name: str = Field(description="in words, such as 'average precision'")
    higher_is_better: bool = True
    scale: float = Field(
        default=100.0, description="factor for display; stored values are unscaled"
    )


class Settings(Record):
    """One point of a method's search grid."""

    learning_rate: float
    epsilon: float | None = Field(
        default=None,
        description="in units of the initial standard deviation of the scores; None: not used",
    )
    l2: float
    length: float | None = Field(default=None, description="factor of the epochs; None: 1")
    balance: float | None = Field(
        default=None, description="exponent of the weight of positives; None: 0"
    )


class History(Record):
    """One training run; all lists have the length of `iteration`.

    `loss` is the training objective on the whole training part at that iterate; `spread` the
    standard deviation of the scores of the training part; `zero_gradient` the share of the steps
    since the entry before whose gradient with respect to the scores was exactly zero.
    """

    iteration: list[int]
    train: list[float]
    validation: list[float]
    test: list[float]
    loss: list[float]
    spread: list[float]
    zero_gradient: list[float]

    @model_validator(mode="after")
    def _one_length(self) -> History:
        lengths = {name: len(getattr(self, name)) for name in type(self).model_fields}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"history: all lists must have one length, got {lengths}")
        return self


class Run(Record):
    """The chosen settings of a (method, column, seed): one training run."""

    method: str
    column: str
    seed: int
    settings: Settings
    validation: float
    test: float = Field(description="at the end of training: what the table reports")
    test_peak: float = Field(description="best of the whole history: shows collapse, not a result")
    spread_final: float
    seconds: float
    diverged: bool = Field(
        default=False, description="scores became NaN; rated as a constant model"
    )
    warnings: list[str] = Field(default_factory=list)
    history: History


class Trial(Record):
    """One tried point of the search."""

    method: str
    column: str
    seed: int
    number: int
    settings: Settings
    validation: float
    diverged: bool = False


class Cell(Record):
    """Test metric of a method on a column over seeds; `std` (n - 1) is None for a single seed."""

    column: str
    mean: float
    std: float | None
    n: int
    best: bool


class Average(Record):
    """Mean over columns: taken for each seed, then mean and standard deviation over seeds."""

    mean: float
    std: float | None
    best: bool


class Row(Record):
    """One method: its cells in the order of `Results.columns`, and their average."""

    method: str
    cells: list[Cell]
    average: Average


class Table(Record):
    """Rows in the order of `Results.methods`."""

    rows: list[Row]


class Document(Record):
    """What every results file begins with."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    title: str
    command: list[str]
    created: str = Field(description="ISO 8601, with time zone")
    versions: dict[str, str]
    configuration: dict[str, Any]

    def to_json(self) -> str:
        """The text of the file."""
        return self.model_dump_json(by_alias=True)


class Results(Document):
    """The whole file."""

    schema_version: int = Field(default=SCHEMA_VERSION, alias="schema")
    metric: Metric
    columns: list[str]
    methods: list[str]
    runs: list[Run]
    trials: list[Trial]
    table: Table

    @model_validator(mode="after")
    def _known_version(self) -> Results:
        if self.schema_version != SCHEMA_VERSION:
            raise ValueError(
                f"schema: this program reads version {SCHEMA_VERSION}, got {self.schema_version}"
            )
        return self
