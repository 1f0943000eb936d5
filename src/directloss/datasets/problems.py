"""Binary problems, ready for training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import BaseModel

from directloss.datasets.cells import encode
from directloss.datasets.columns import FEWEST_ROWS
from directloss.datasets.data import InMemory
from directloss.datasets.errors import Faults
from directloss.datasets.fitting import fit_transform
from directloss.datasets.labels import Labels, labels_of, shown_positive
from directloss.datasets.reading import FeatureRules
from directloss.datasets.source import Source
from directloss.datasets.splits import Split, refuse_one_kind, split_rows
from directloss.training.data import Part, Parts


@dataclass(frozen=True)
class Problems(InMemory):
    """One split of the data, shared by a binary problem for each column of the table.

    With one column it is `Data`.

    Attributes:
        features: of each part, `(n, d)`.
        rows: row numbers of each part in the source.
        labels: the target of all rows.
        names: column name -> value of the target that is positive there.
        recipe: how features are made from what a user gives.
        target_name: of the target.
        notes: what a user should know of the data.
        samples: what to call the rows.
    """

    features: Mapping[str, torch.Tensor]
    rows: Mapping[str, NDArray[np.int64]]
    labels: Labels
    names: Mapping[str, str]
    recipe: BaseModel
    target_name: str
    notes: tuple[str, ...] = ()
    samples: str = "rows"

    @property
    def columns(self) -> list[str]:
        """Names of the binary problems."""
        return list(self.names)

    @property
    def positive(self) -> str:
        """The positive value of the only column."""
        (value,) = self.names.values()
        return value

    def parts(self, column: str) -> Parts:
        """The arrays of one binary problem."""
        positive = torch.from_numpy(self.labels.binary(self.names[column]))
        return Parts(
            **{part: Part(self.features[part], positive[rows]) for part, rows in self.rows.items()}
        )

    def describe(self) -> str:
        """Numbers of rows, features and positives in one line, and the notes."""
        sizes = {part: len(rows) for part, rows in self.rows.items()}
        total = len(self.labels.codes)
        shares = [self.labels.binary(value).mean() for value in self.names.values()]
        share = f"{100 * min(shares):.1f}"
        if len(shares) > 1:
            share += f"-{100 * max(shares):.1f}"
        which = ""
        if len(shares) == 1:
            which = f" ({shown_positive(self.target_name, next(iter(self.names.values())))})"
        line = (
            f"{total} {self.samples} ({sizes['train']} training, {sizes['validation']} validation, "
            f"{sizes['test']} test), {self.features['train'].shape[1]} features, "
            f"{share} % positive{which}"
        )
        return "\n".join((line, *self.notes))


def prepare(
    source: Source, *, positive: str | None, rules: FeatureRules | None, seed: int
) -> Problems:
    """Splits and transforms. The seed decides the split where the data does not.

    Raises:
        DataError: the source does not fit; or a part has no positives or no negatives.
    """
    rules = rules or FeatureRules()
    faults = Faults()
    name = source.target_name
    coded = encode([source.target], rules)
    labels = faults.attempt(lambda: labels_of(coded, name, positive))
    rows: Split | None = None
    if labels is not None:
        rows = faults.attempt(partial(split_of, labels, name, source.split, seed))
    fitted = faults.attempt(
        # Where no part can be drawn, all rows say what else is wrong.
        lambda: fit_transform(source.features, None if rows is None else rows["train"], rules)
    )
    faults.check()
    assert labels is not None and rows is not None and fitted is not None
    names = names_of(labels, name)
    recipe = fitted.recipe
    if len(names) == 1:
        known = labels.known(labels.positives[0], FEWEST_ROWS)
        recipe = recipe.model_copy(update={"labels": known})
    features = {part: torch.from_numpy(fitted.features[indices]) for part, indices in rows.items()}
    return Problems(features, rows, labels, names, recipe, name, source.notes + fitted.notes)


def names_of(labels: Labels, target: str) -> dict[str, str]:
    """Name of each binary problem -> the value of the target that is positive there."""
    several = len(labels.positives) > 1
    return {p if several else f"{target}={p}": p for p in labels.positives}


def split_of(labels: Labels, target: str, column: pd.Series | None, seed: int) -> Split:
    """The parts that a column names, or without one those of the seed.

    Args:
        labels: of all rows.
        target: its name.
        column: the part that each row belongs to, if the data says so.
        seed: of the split, where the data does not.

    Raises:
        DataError: a part has no positives or no negatives.
    """
    several = len(labels.positives) > 1
    strata = labels.codes if several else labels.binary(labels.positives[0]).astype(np.int64)
    rows = split_rows(column, strata, seed)
    for value in labels.positives:
        positive = labels.binary(value)
        counts = {part: (int(positive[each].sum()), len(each)) for part, each in rows.items()}
        refuse_one_kind(counts, shown_positive(target, value))
    return rows
