"""Lists of documents with relevances, ready for training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from directloss.datasets.cells import encode, numbers
from directloss.datasets.data import InMemory
from directloss.datasets.errors import DataError, Faults
from directloss.datasets.fitting import fit_transform
from directloss.datasets.labels import missing_target
from directloss.datasets.reading import FeatureRules, Reading
from directloss.datasets.recipe import Recipe
from directloss.datasets.source import Source, groups_of
from directloss.datasets.splits import by_group
from directloss.training._order import any_order
from directloss.training.data import SPLITS, Part, Parts

MOST_RELEVANT = 1023
"""The largest relevance whose gain in NDCG, 2^relevance - 1, is a float64."""


@dataclass(frozen=True)
class RankingProblem(InMemory):
    """One split of a ranking table, whole queries to each part: `Data` of one column.

    Attributes:
        target_name: of the target.
        by_part: the arrays of each of `SPLITS`.
        recipe: how features are made from columns.
        rows: row numbers of each part in the source.
        notes: what a user should know of the data.
    """

    target_name: str
    by_part: Mapping[str, Part]
    recipe: Recipe
    rows: Mapping[str, NDArray[np.int64]]
    notes: tuple[str, ...] = ()

    positive = None
    """Targets are relevances."""

    @property
    def columns(self) -> list[str]:
        """The one column of the table of results."""
        return [self.target_name]

    def parts(self, column: str) -> Parts:
        """The arrays of the column."""
        assert column == self.target_name
        return Parts(**self.by_part)

    def describe(self) -> str:
        """Numbers of rows, queries and features in one line, and the notes."""
        sizes = ", ".join(
            f"{len(part)} rows of {len(torch.unique(_groups(part)))} queries {name}"
            for name, part in self.by_part.items()
        )
        relevant = torch.cat([part.targets > 0 for part in self.by_part.values()])
        features = self.by_part["train"].features.shape[1]
        share = 100 * float(relevant.double().mean())
        line = f"{sizes}, {features} features, {share:.1f} % relevant ({self.target_name} above 0)"
        return "\n".join((line, *self.notes))


def prepare_ranking(
    source: Source, *, graded: bool | None, rules: FeatureRules | None, seed: int
) -> RankingProblem:
    """Splits by query and transforms. The seed decides the split where the data does not.

    Args:
        source: with groups.
        graded: whether targets stay relevances, with gains; otherwise a target above 0 is positive.
            None: they stay, whatever is made of them.
        rules: what the user says about columns.
        seed: of the split.

    Raises:
        DataError: missing groups, targets that are no numbers >= 0, or a part where nothing is
            relevant.
    """
    assert source.groups is not None, "loaded with a group column"
    rules = rules or FeatureRules()
    faults = Faults()
    name, group_name = source.target_name, str(source.groups.name)
    relevance = faults.attempt(lambda: relevances(source.target, name, rules, graded=bool(graded)))
    coded = encode([source.groups], rules)
    groups = faults.attempt(lambda: groups_of(coded, group_name))
    rows = None
    if groups is not None:
        rows = faults.attempt(lambda: by_group(groups, source.split, seed))
    fitted = faults.attempt(
        lambda: fit_transform(source.features, None if rows is None else rows["train"], rules)
    )
    faults.check()
    assert relevance is not None and groups is not None
    assert rows is not None and fitted is not None
    notes = source.notes + fitted.notes
    if graded is False and (relevance > 1).any():
        notes += (f"the metric knows 0 and 1 only: a {name!r} above 0 counts as 1",)
    targets = relevance > 0 if graded is False else relevance
    for part, indices in rows.items():
        if not targets[indices].any():
            raise DataError(f"target: the {part} part has no {name!r} above 0")
    for part, indices in rows.items():
        if not any_order(targets[indices], groups[indices]):
            raise DataError(
                f"target: in the {part} part all rows of a {group_name!r} have the same {name!r}, "
                "so that there is nothing to rank; rows without groups are one list, and a split "
                "column keeps what belongs together in one part"
            )
    return RankingProblem(
        source.target_name,
        {
            part: Part(
                *(torch.from_numpy(each[indices]) for each in (fitted.features, targets, groups))
            )
            for part, indices in sorted(rows.items(), key=lambda item: SPLITS.index(item[0]))
        },
        fitted.recipe,
        rows,
        notes,
    )


def relevances(
    target: pd.Series, name: str, reading: Reading, *, graded: bool
) -> NDArray[np.float32]:
    """Targets as relevances, shape `(n,)`.

    Raises:
        DataError: one is missing, no number, negative, or (graded) too large for a gain.
    """
    found, wrong = numbers(target, reading)
    missing = int(np.count_nonzero(np.isnan(found) & ~wrong))
    if missing:
        raise missing_target(name, missing, len(found))
    wrong |= ~(np.isfinite(found) & (found >= 0))
    if wrong.any():
        came = str(target.iloc[int(np.argmax(wrong))])
        raise DataError(
            f"target: {name!r} holds {came!r}; with `group` every target is a relevance, a "
            "number of 0 or more"
        )
    if graded and (found > MOST_RELEVANT).any():
        raise DataError(
            f"target: {name!r} holds {found.max():g}; NDCG has gains 2^relevance - 1, so that a "
            f"relevance is at most {MOST_RELEVANT}: write grades such as 0 to 4, not counts"
        )
    return found.astype(np.float32)


def _groups(part: Part) -> torch.Tensor:
    assert part.groups is not None
    return part.groups
