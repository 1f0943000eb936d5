"""Lists of documents with relevances, ready for training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from directloss.datasets.errors import DataError
from directloss.datasets.recipe import Recipe
from directloss.datasets.source import FeatureRules, Source
from directloss.datasets.splits import by_group
from directloss.training.data import Part, Parts


@dataclass(frozen=True)
class RankingProblem:
    """One split of a ranking table, whole queries to each part: the only column of its table.

    Attributes:
        name: of the target.
        by_part: the arrays of "train", "validation" and "test".
        recipe: how features are made from columns.
        rows: row numbers of each part in the source.
    """

    name: str
    by_part: Mapping[str, Part]
    recipe: Recipe
    rows: Mapping[str, npt.NDArray[np.int64]]

    @property
    def columns(self) -> list[str]:
        """The one column of the table of results."""
        return [self.name]

    def parts(self, column: str) -> Parts:
        """The arrays of the column."""
        assert column == self.name
        return Parts(**self.by_part)

    def describe(self) -> str:
        """Numbers of rows, queries and features in one line."""
        sizes = ", ".join(
            f"{len(part)} rows of {len(torch.unique(_groups(part)))} queries {name}"
            for name, part in self.by_part.items()
        )
        relevant = torch.cat([part.targets > 0 for part in self.by_part.values()])
        features = self.by_part["train"].features.shape[1]
        share = 100 * float(relevant.double().mean())
        return f"{sizes}, {features} features, {share:.1f} % relevant"


def prepare_ranking(
    source: Source, *, graded: bool, rules: FeatureRules | None, seed: int
) -> RankingProblem:
    """Splits by query and transforms. The seed decides the split where the data does not.

    Args:
        source: with groups.
        graded: whether targets stay relevances; otherwise a target above 0 is positive.
        rules: what the user says about columns.
        seed: of the split.

    Raises:
        DataError: missing groups, targets that are no numbers >= 0, or a part where nothing is
            relevant.
    """
    assert source.groups is not None, "loaded with a group column"
    relevance = _relevance(source)
    if source.groups.isna().any():
        raise DataError(f"--group: {str(source.groups.name)!r} has missing values")
    groups = pd.factorize(source.groups)[0].astype(np.int64)
    rows = by_group(groups, source.split, seed)
    recipe, array = Recipe.fit_transform(source.features, rows["train"], rules or FeatureRules())
    targets = relevance if graded else relevance > 0
    for name, indices in rows.items():
        if not targets[indices].any():
            raise DataError(f"--target: the {name} part has no {source.target_name} above 0")
    return RankingProblem(
        source.target_name,
        {
            name: Part(*(torch.from_numpy(each[indices]) for each in (array, targets, groups)))
            for name, indices in sorted(rows.items(), key=lambda part: _ORDER.index(part[0]))
        },
        recipe,
        rows,
    )


_ORDER = ("train", "validation", "test")


def _relevance(source: Source) -> npt.NDArray[np.float32]:
    numbers: npt.NDArray[np.float32] = pd.to_numeric(source.target, errors="coerce").to_numpy(
        np.float32
    )
    wrong = ~(np.isfinite(numbers) & (numbers >= 0))
    if wrong.any():
        came = str(source.target[wrong].iloc[0])
        raise DataError(
            f"--target: {source.target_name!r} holds {came!r}; with --group every target is a "
            "relevance, a number of 0 or more"
        )
    return numbers


def _groups(part: Part) -> torch.Tensor:
    assert part.groups is not None
    return part.groups
