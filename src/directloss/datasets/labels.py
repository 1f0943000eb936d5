"""From a target column to one or several 0/1 problems."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from directloss.datasets.errors import DataError

_MOST_CLASSES = 100


@dataclass(frozen=True)
class Labels:
    """One class index a row, and the classes that are each told from the rest.

    Attributes:
        codes: index into `classes`, shape `(n,)`.
        classes: all values of the target, sorted.
        positives: the values that a network is trained for, in that order.
    """

    codes: npt.NDArray[np.int64]
    classes: list[str]
    positives: list[str]

    def binary(self, positive: str) -> npt.NDArray[np.bool_]:
        """Which rows are positive, shape `(n,)`."""
        is_positive: npt.NDArray[np.bool_] = self.codes == self.classes.index(positive)
        return is_positive


def read_labels(target: pd.Series, positive: str | None) -> Labels:
    """Decides what is positive.

    Two values: the one named by `positive`; otherwise 1 of 0/1 and true of booleans, else the
    minority (of two equally frequent ones, the greater). More than two: each against the rest, or
    only the one named.

    Raises:
        DataError: missing values, one value only, too many values, `positive` not among them.
    """
    name = str(target.name)
    missing = int(target.isna().sum())
    if missing:
        raise DataError(f"--target: {name!r} is missing in {missing} of {len(target)} rows")
    if not pd.api.types.is_numeric_dtype(target):
        target = target.astype("object").map(str)  # texts, and what cannot be sorted as it is
    codes, values = pd.factorize(target.to_numpy(), sort=True)
    counts = np.bincount(codes)
    classes = [_text(value) for value in values]
    if len(classes) < 2:
        raise DataError(f"--target: {name!r} is {classes[0]!r} in every row: nothing to tell apart")
    if positive is not None:
        positives = [_named(positive, classes, name)]
    elif len(classes) == 2:
        zero_one = set(classes) in ({"0", "1"}, {"False", "True"})
        positives = [classes[1 if zero_one or counts[1] <= counts[0] else 0]]
    elif len(classes) > _MOST_CLASSES:
        raise DataError(
            f"--target: {name!r} has {len(classes)} distinct values; a network for each would be "
            f"trained for up to {_MOST_CLASSES}. Name one with --positive"
        )
    else:
        positives = classes
    return Labels(codes.astype(np.int64, copy=False), classes, positives)


def _text(value: object) -> str:
    """A class as the user would write it: 1.0 from a float column is '1'."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _named(positive: str, classes: list[str], name: str) -> str:
    if positive in classes:
        return positive
    shown = ", ".join(classes[:12]) + (", ..." if len(classes) > 12 else "")
    raise DataError(f"--positive: {name!r} has no value {positive!r}; it has {shown}")
