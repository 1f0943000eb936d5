"""From a target column to one or several 0/1 problems."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from directloss.datasets.cells import Coded, Kind, canonical, encode, kind_of
from directloss.datasets.errors import DataError, quoted
from directloss.datasets.reading import Reading

_MOST_CLASSES = 100


@dataclass(frozen=True)
class Labels:
    """One class index a row, and the classes that are each told from the rest.

    Attributes:
        codes: index into `classes`, shape `(n,)`.
        classes: all values of the target, sorted, each in its canonical spelling.
        positives: the values that a network is trained for, in that order.
        kind: what the values are.
    """

    codes: NDArray[np.int64]
    classes: list[str]
    positives: list[str]
    kind: Kind = Kind.TEXT

    def only_positive(self, what: str, *, graded: bool | None = False) -> str:
        """The value that is positive, where one network is trained.

        Args:
            what: has the values, in words.
            graded: whether the metric knows relevances, which are of lists.

        Raises:
            DataError: `what` has several, one for each class.
        """
        if len(self.positives) > 1:
            relevances = graded and self.kind is Kind.NUMBER
            lists = "if they are relevances, name the column of queries with `group`; else "
            raise DataError(
                f"{what} has {len(self.classes)} values; {lists if relevances else ''}say which "
                f"one is positive: `positive` {self.positives[0]!r}"
            )
        return self.positives[0]

    def binary(self, positive: str) -> NDArray[np.bool_]:
        """Which rows are positive, shape `(n,)`."""
        is_positive: NDArray[np.bool_] = self.codes == self.classes.index(positive)
        return is_positive

    def known(self, positive: str, fewest: int) -> KnownLabels:
        """What a model keeps of the values, to read them in another table.

        Args:
            positive: the one that is positive.
            fewest: a value of fewer rows is not kept.
        """
        counts = np.bincount(self.codes, minlength=len(self.classes))
        kept = [name for name, count in zip(self.classes, counts, strict=True) if count >= fewest]
        return KnownLabels(
            kind=self.kind,
            classes=tuple(kept),
            others=bool(set(self.classes) - {*kept, positive}),
        )


class KnownLabels(BaseModel):
    """The labels that a training knew.

    Attributes:
        kind: what they are.
        classes: in canonical spelling.
        others: whether there were more, in too few rows to be kept.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    classes: tuple[str, ...]
    others: bool

    def read(self, column: pd.Series, positive: str, reading: Reading) -> NDArray[np.bool_]:
        """Which rows of another table are positive, by value: `1`, `1.0` and `+1` are one label.

        Raises:
            DataError: a label is missing, or the training did not know it.
        """
        name = str(column.name)
        coded = encode([column], reading)
        if coded.missing:
            raise missing_target(name, coded.missing, len(coded.codes))
        values = [canonical(cell, self.kind) for cell in coded.cells]
        known = {*self.classes, positive}
        unknown = [
            cell for cell, value in zip(coded.cells, values, strict=True) if value not in known
        ]
        if unknown and not self.others:
            raise DataError(
                f"target: {name!r} holds {quoted(unknown)}, which the training did not know; it "
                f"knew {quoted(sorted(known))}"
            )
        is_positive = np.array([value == positive for value in values], bool)
        mask: NDArray[np.bool_] = is_positive[coded.codes]
        return mask


def labels_of(coded: Coded, name: str, positive: str | None) -> Labels:
    """Decides what is positive among the values of a target.

    Two values: the one named by `positive`; otherwise 1 of 0/1 and true of booleans, else the
    minority (of two equally frequent ones, the greater). More than two: each against the rest, or
    only the one named.

    Args:
        coded: the target of all rows.
        name: of its column.
        positive: as the user writes it.

    Raises:
        DataError: missing values, one value only, too many values, `positive` not among them.
    """
    if coded.missing:
        raise missing_target(name, coded.missing, len(coded.codes))
    kind = kind_of(coded.cells)
    return _labels(coded.by_value(kind), kind, name, positive)


def read_labels(target: pd.Series, positive: str | None) -> Labels:
    """The same for names, such as those of folders, which are texts whatever they hold.

    Raises:
        DataError: as `labels_of`.
    """
    codes, names = pd.factorize(target.to_numpy(object))
    coded = Coded(codes.astype(np.int64, copy=False), [str(name) for name in names])
    return _labels(coded, Kind.TEXT, str(target.name), positive)


def missing_target(name: str, rows: int, total: int) -> DataError:
    """Rows without a target are no rows to learn from, or to measure on."""
    return DataError(
        f"target: {name!r} is missing in {rows} of {total} rows; to leave them out, train with "
        "`drop_missing_target`"
    )


def _labels(coded: Coded, kind: Kind, name: str, positive: str | None) -> Labels:
    order = sorted(range(len(coded.cells)), key=lambda k: _rank(coded.cells[k], kind))
    classes = [coded.cells[k] for k in order]
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    codes = places[coded.codes]
    counts = np.bincount(codes, minlength=len(classes))
    if len(classes) < 2:
        raise DataError(
            f"target: {name!r} is {quoted(classes)} in every row: nothing to tell apart"
        )
    if positive is not None:
        positives = [_named(canonical(positive, kind), positive, classes, name)]
    elif len(classes) == 2:
        zero_one = set(classes) in ({"0", "1"}, {"False", "True"})
        positives = [classes[1 if zero_one or counts[1] <= counts[0] else 0]]
    elif len(classes) > _MOST_CLASSES:
        raise DataError(
            f"target: {name!r} has {len(classes)} distinct values, and at most {_MOST_CLASSES} are "
            "taken for classes; say which one is positive with `positive`, or make two values of a "
            "quantity, such as 1 above a limit and 0 below"
        )
    else:
        positives = classes
    return Labels(codes, classes, positives, kind)


def _rank(cell: str, kind: Kind) -> tuple[float, str]:
    return (float(cell), "") if kind is Kind.NUMBER else (0.0, cell)


def _named(value: str, positive: str, classes: list[str], name: str) -> str:
    if value in classes:
        return value
    raise DataError(f"positive: {name!r} has no value {positive!r}; it has {quoted(classes)}")


def shown_positive(name: str, positive: str) -> str:
    """Which value is positive, for the user."""
    return f"{name} = {positive} is positive"
