"""The file `results.json` of a study: all that is needed to redraw it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from directloss.report import schema
from directloss.report.schema import Document, Record

Rule = Literal["training", "validation"]
"""What settings are chosen by: the final average precision on the training half, as in the paper,
or that on the held-out half of the tuning seed."""

RULES: tuple[Rule, ...] = ("training", "validation")


class ColumnRecord(Record):
    """A column, as far as a reader has to know it."""

    name: str
    explanation: str
    setting: str = Field(description="the name without the flips")
    flips: float
    iterations: int
    trials: int
    methods: list[str]


class StudyRun(schema.Run):
    """A run of a reported seed; `test` has clean labels, `validation` the share of flips.

    The lists have the length of the history and tell the accuracy on the held-out half with clean
    and with flipped labels, at the threshold that suits the training half.
    """

    chosen_by: list[Rule]
    accuracy: list[float]
    accuracy_flipped: list[float]


class TuningTrial(schema.Trial):
    """A trial of the tuning seed."""

    train: float


class Difference(Record):
    """A paired difference over seeds: mean and 95 % bootstrap interval; all are unscaled."""

    column: str
    measure: str
    left: str
    right: str
    mean: float
    low: float
    high: float
    holds: bool


class Claim(Record):
    """A claim of the paper, in our words, and what was measured."""

    name: str
    words: str
    differences: list[Difference]
    verdict: str


class StudyResults(Document):
    """The whole file."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    columns: list[ColumnRecord]
    methods: list[str]
    runs: list[StudyRun]
    trials: list[TuningTrial]
    claims: list[Claim]

    def chosen(self, rule: Rule) -> list[StudyRun]:
        """The runs whose settings a rule has chosen."""
        return [run for run in self.runs if rule in run.chosen_by]
