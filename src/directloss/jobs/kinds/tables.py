"""Tables: in memory, or on the disk and read in blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from directloss.datasets import DataError, fingerprint, load, prepare, prepare_ranking
from directloss.datasets.cells import Coded, Encoder, present
from directloss.datasets.data import Data
from directloss.datasets.embedded import EMBEDDED
from directloss.datasets.errors import quoted
from directloss.datasets.ranking import relevances
from directloss.datasets.reading import ModelReading
from directloss.datasets.recipe import Recipe
from directloss.datasets.rows import Rows, read_rows, unread
from directloss.datasets.source import columns_and_advice, fingerprint_of_files, groups_of
from directloss.datasets.stream import TableStream, is_stream
from directloss.datasets.streamed import prepare_stream
from directloss.errors import ArgumentError
from directloss.jobs.config import Configuration, DataSection, ModelSection
from directloss.jobs.kinds.kind import Labelled, Unlabelled
from directloss.models import MLP
from directloss.study.options import refuse
from directloss.study.unread import OF_IMAGES
from directloss.training.data import Part
from directloss.training.model_folder import About


class Tables:
    """See `Kind`; what no other kind takes is a table."""

    recipe = Recipe

    def fits(self, path: str) -> bool:
        """See `Kind`."""
        return True

    def digest(self, path: str) -> str:
        """See `Kind`; of what is read in blocks, that of the ends of its files."""
        if path in EMBEDDED or not is_stream(path):
            return fingerprint(path)
        files = dict.fromkeys(block.file for block in TableStream(Path(path)).blocks)
        return fingerprint_of_files(Path(path), files)

    def usual(self, configuration: Configuration) -> Configuration:
        """See `Kind`: the defaults are those of tables.

        Raises:
            ArgumentError: what is given means nothing for a table, or for the format of this one.
        """
        refuse(configuration.model, ("frozen", *OF_IMAGES), "a table")
        section = configuration.data
        refuse(section, *unread(section.path, section))
        return configuration

    def open(self, configuration: Configuration, *, graded: bool | None) -> Data:
        """See `Kind`."""
        section, seed = configuration.data, configuration.training.seed
        if Path(section.path).is_dir() or (is_stream(section.path) and section.group is None):
            refuse(section, ("group",), "a folder of tables")
            return prepare_stream(
                Path(section.path),
                target=section.target,
                split_column=section.split_column,
                positive=section.positive,
                rules=section,
                seed=seed,
                graded=graded,
            )
        source = load(
            section.path,
            target=section.target,
            split_column=section.split_column,
            group_column=section.group,
            rules=section,
        )
        if section.group is not None:
            if section.positive is not None:
                raise ArgumentError("positive", section.positive, "nothing, with `group`")
            return prepare_ranking(source, graded=graded, rules=section, seed=seed)
        problems = prepare(source, positive=section.positive, rules=section, seed=seed)
        problems.labels.only_positive(f"target: {source.target_name!r}", graded=graded)
        return problems

    def network(
        self, section: ModelSection, recipe: Recipe, *, seed: int, pretrained: bool = True
    ) -> nn.Module:
        """See `Kind`: a perceptron."""
        generator = torch.Generator().manual_seed(seed)
        try:
            return MLP(recipe.width, section.hidden, generator=generator)
        except RuntimeError as error:  # torch's word for want of memory
            came = ",".join(map(str, section.hidden))
            raise ArgumentError("hidden", came, "layers that fit into memory") from error

    def without_values(self) -> AbstractContextManager[object]:
        """See `Kind`."""
        return torch.device("meta")

    def unlabelled(self, recipe: Recipe, path: str) -> Unlabelled:
        """See `Kind`."""
        rows = _read(recipe, path)
        pieces = (
            (piece.given, torch.from_numpy(recipe.apply(piece.values))) for piece in rows.pieces
        )
        numbers = (each.name for each in recipe.numbers if each.moment is None and rows.texts)
        return Unlabelled(rows.columns, rows.count, pieces, recipe.reading, frozenset(numbers))

    def labelled(
        self, recipe: Recipe, path: str, section: DataSection, about: About, *, graded: bool
    ) -> Labelled:
        """See `Kind`."""
        encoder = Encoder(recipe.reading)

        def pieces() -> Iterator[Part]:
            others = [about.target] if section.group is None else [about.target, section.group]
            for piece in _read(recipe, path, others).pieces:
                frame = piece.values
                if section.drop_missing_target:
                    known = present(frame[about.target], recipe.reading).is_valid()
                    frame = frame[known.to_numpy(False)]
                if not len(frame):
                    continue
                features = torch.from_numpy(recipe.apply(frame))
                targets = _targets(recipe, frame[about.target], about.positive, graded=graded)
                groups = None if section.group is None else encoder.codes(frame[section.group])
                yield Part(
                    features,
                    torch.from_numpy(targets),
                    None if groups is None else torch.from_numpy(groups),
                )

        def lists(groups: Tensor) -> Tensor:
            coded = Coded(groups.numpy(), encoder.cells)
            return torch.from_numpy(groups_of(coded, str(section.group)))

        return Labelled(pieces(), lists)


def _read(recipe: Recipe, path: str, others: Sequence[str] = ()) -> Rows:
    """The rows of another table than that of the training.

    Args:
        recipe: of the model.
        path: see `read_rows`.
        others: columns that are wanted besides those of the features.

    Raises:
        DataError: it cannot be read as the model reads, or lacks columns.
    """
    reading = ModelReading(**recipe.reading.model_dump())
    rows = read_rows(path, reading, recipe.columns)
    lacking = [name for name in (*others, *recipe.columns) if name not in rows.columns]
    if lacking:
        raise DataError(
            f"data: {path} has no column {quoted(lacking)}, which the model reads; it has "
            f"{columns_and_advice(rows.columns, reading)}"
        )
    return rows


def _targets(
    recipe: Recipe, column: pd.Series, positive: str | None, *, graded: bool
) -> NDArray[np.float32] | NDArray[np.bool_]:
    if positive is not None:
        return recipe.positives(column, positive)
    return relevances(column, str(column.name), recipe.reading, graded=graded)
