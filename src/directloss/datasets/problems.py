"""Binary problems, ready for training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from directloss.datasets.errors import DataError
from directloss.datasets.labels import Labels, read_labels
from directloss.datasets.recipe import Recipe
from directloss.datasets.source import FeatureRules, Source
from directloss.datasets.splits import from_column, stratified
from directloss.training.data import Part, Parts


@dataclass(frozen=True)
class Problems:
    """One split of the data, shared by a binary problem for each column of the table.

    Attributes:
        features: of each part, `(n, d)`.
        rows: row numbers of each part in the source.
        labels: the target of all rows.
        names: column name -> value of the target that is positive there.
        recipe: how features are made from columns.
    """

    features: Mapping[str, torch.Tensor]
    rows: Mapping[str, npt.NDArray[np.int64]]
    labels: Labels
    names: Mapping[str, str]
    recipe: Recipe

    @property
    def columns(self) -> list[str]:
        """Names of the binary problems."""
        return list(self.names)

    def parts(self, column: str) -> Parts:
        """The arrays of one binary problem."""
        positive = torch.from_numpy(self.labels.binary(self.names[column]))
        return Parts(
            **{part: Part(self.features[part], positive[rows]) for part, rows in self.rows.items()}
        )

    def describe(self) -> str:
        """Numbers of rows, features and positives in one line."""
        sizes = {part: len(rows) for part, rows in self.rows.items()}
        total = len(self.labels.codes)
        shares = [self.labels.binary(value).mean() for value in self.names.values()]
        share = f"{100 * min(shares):.1f}"
        if len(shares) > 1:
            share += f"-{100 * max(shares):.1f}"
        return (
            f"{total} rows ({sizes['train']} training, {sizes['validation']} validation, "
            f"{sizes['test']} test), {self.features['train'].shape[1]} features, "
            f"{share} % positive"
        )


def prepare(
    source: Source, *, positive: str | None, rules: FeatureRules | None, seed: int
) -> Problems:
    """Splits and transforms. The seed decides the split where the data does not.

    Raises:
        DataError: the source does not fit; or a part has no positives or no negatives.
    """
    labels = read_labels(source.target, positive)
    several = len(labels.positives) > 1
    strata = labels.codes if several else labels.binary(labels.positives[0]).astype(np.int64)
    if source.split is None:
        rows = stratified(strata, seed)
    else:
        rows = from_column(source.split, strata, seed)
    names = {p if several else f"{source.target_name}={p}": p for p in labels.positives}
    for value in labels.positives:
        for part, indices in rows.items():
            found = int(labels.binary(value)[indices].sum())
            if not 0 < found < len(indices):
                raise DataError(
                    f"--target: the {part} part has {found} positives among {len(indices)} rows "
                    f"(positive: {source.target_name} = {value}); both kinds are needed"
                )
    recipe, array = Recipe.fit_transform(source.features, rows["train"], rules or FeatureRules())
    features = {part: torch.from_numpy(array[indices]) for part, indices in rows.items()}
    return Problems(features, rows, labels, names, recipe)
