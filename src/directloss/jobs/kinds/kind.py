"""A kind of data: all that training, evaluation and prediction know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

import pyarrow as pa
from pydantic import BaseModel
from torch import Tensor, nn

from directloss.datasets.data import Data
from directloss.datasets.reading import PLAIN, Reading
from directloss.jobs.config import Configuration, DataSection, ModelSection
from directloss.training.data import Part
from directloss.training.model_folder import About

RecipeT = TypeVar("RecipeT", bound=BaseModel)


@dataclass(frozen=True)
class Unlabelled:
    """What a user wants scores of.

    Attributes:
        columns: their names.
        count: number of rows, where it is known before they are read.
        pieces: rows as they came, and their features; gone through once.
        reading: how the model reads text files.
        numbers: columns of texts that the model reads as numbers.
    """

    columns: list[str]
    count: int | None
    pieces: Iterator[tuple[pa.Table, Tensor]]
    reading: Reading = PLAIN
    numbers: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Labelled:
    """Other data than those of the training, with targets.

    Attributes:
        pieces: the samples; gone through once.
        lists: (groups of all samples as they came) -> number of the list of each.
    """

    pieces: Iterator[Part]
    lists: Callable[[Tensor], Tensor] = lambda groups: groups


class Kind(Protocol[RecipeT]):
    """How data of one kind are opened, and how a model that was trained on them reads others.

    Attributes:
        recipe: the record of a model's preprocessing. Its field `kind` is the name of this kind.
    """

    @property
    def recipe(self) -> type[RecipeT]: ...

    def fits(self, path: str) -> bool:
        """Whether the data at `path` are of this kind."""

    def digest(self, path: str) -> str:
        """What identifies the content: the SHA-256 of a file; of a folder, or of a file that is
        read in blocks, that of names, sizes and the last bytes of each file, since it may be huge.

        Raises:
            DataError: there is nothing of that name.
        """

    def usual(self, configuration: Configuration) -> Configuration:
        """The configuration with what these data take where the user says nothing."""

    def open(self, configuration: Configuration, *, graded: bool | None) -> Data:
        """The data of a configuration, split and ready.

        Args:
            configuration: of the training.
            graded: whether targets may be relevances; None leaves them as they are.

        Raises:
            DataError, ArgumentError: data and configuration do not fit.
        """

    def network(
        self, section: ModelSection, recipe: RecipeT, *, seed: int, pretrained: bool = True
    ) -> nn.Module:
        """A network that takes what the recipe makes, with initial weights by the seed.

        Args:
            section: of the configuration.
            recipe: of the features.
            seed: of the initial weights.
            pretrained: whether to read `section.weights`; a model that is about to get its own
                weights does not need them.

        Raises:
            ArgumentError: no such network, weights that do not fit it, or layers too large.
        """

    def without_values(self) -> AbstractContextManager[object]:
        """Within, `network` gives weights on the device `meta`, which take no memory."""

    def unlabelled(self, recipe: RecipeT, path: str) -> Unlabelled:
        """Rows to be scored.

        Raises:
            DataError: they do not fit the recipe.
        """

    def labelled(
        self, recipe: RecipeT, path: str, section: DataSection, about: About, *, graded: bool
    ) -> Labelled:
        """Samples to be measured.

        Args:
            recipe: of the features.
            path: of the data.
            section: of the configuration of the training.
            about: the model's target and positive value.
            graded: whether targets may be relevances.

        Raises:
            DataError: they do not fit the recipe, or have no target.
        """
