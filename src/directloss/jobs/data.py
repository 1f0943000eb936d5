"""The user's data, in whatever form, as the one interface that training and evaluation see."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import torch

from directloss.datasets import DataError, FeatureRules, fingerprint, load, prepare, prepare_ranking
from directloss.datasets.images import (
    ImageBatches,
    ImageProblem,
    ImageRecipe,
    find_images,
    is_image_folder,
    prepare_images,
)
from directloss.datasets.recipe import Recipe
from directloss.datasets.rows import EMBEDDED
from directloss.datasets.stream import TableStream, is_stream
from directloss.datasets.streamed import StreamedBatches, StreamedProblem, prepare_stream
from directloss.errors import ArgumentError
from directloss.files import open_file
from directloss.jobs.config import Configuration, DataSection, TrainingSection
from directloss.study.metrics import metric_named
from directloss.training.batches import Batches, MemoryBatches, Rows
from directloss.training.data import Part, Parts

_CHUNK = 65_536  # rows of a forward pass without gradient: bounds memory, changes no result
_TAIL = 65_536  # bytes at the end of a file, where Parquet and Arrow keep their table of contents


class Data(Protocol):
    """Samples in three parts."""

    @property
    def recipe(self) -> Recipe | ImageRecipe:
        """How features are made of what a user gives."""

    @property
    def target(self) -> str:
        """Name of the target."""

    @property
    def positive(self) -> str | None:
        """Its positive value; None where targets are relevances."""

    def describe(self) -> str:
        """The data in one line."""

    def batches(
        self, how: TrainingSection, size: int, process: int = 0, processes: int = 1
    ) -> Batches:
        """Batches of about `size` training samples; every process has a share of each."""

    def chunks(self, part: str, process: int = 0, processes: int = 1) -> Iterator[Part]:
        """The samples of a part, a share of them for each process, in pieces that fit into memory.

        Always in the same order.
        """


@dataclass(frozen=True)
class MemoryData:
    """A table in memory."""

    parts: Parts
    rows: Rows
    recipe: Recipe
    target: str
    positive: str | None
    description: str

    def describe(self) -> str:
        """See `Data`."""
        return self.description

    def batches(
        self, how: TrainingSection, size: int, process: int = 0, processes: int = 1
    ) -> Batches:
        """See `Data`; together the shares are the batches of one process."""
        return MemoryBatches(
            self.parts.train,
            self.rows,
            batch_size=size,
            positives=how.batch_positives,
            seed=how.seed,
            process=process,
            processes=processes,
        )

    def chunks(self, part: str, process: int = 0, processes: int = 1) -> Iterator[Part]:
        """See `Data`."""
        whole: Part = getattr(self.parts, part)
        mine = torch.arange(process, len(whole), processes)
        for rows in torch.split(mine, _CHUNK):
            groups = None if whole.groups is None else whole.groups[rows]
            yield Part(whole.features[rows], whole.targets[rows], groups)


@dataclass(frozen=True)
class StreamedData:
    """A table on the disk."""

    problem: StreamedProblem

    @property
    def recipe(self) -> Recipe:
        """See `Data`."""
        return self.problem.recipe

    @property
    def target(self) -> str:
        """See `Data`."""
        return self.problem.target_name

    @property
    def positive(self) -> str | None:
        """See `Data`."""
        return self.problem.positive

    def describe(self) -> str:
        """See `Data`."""
        return self.problem.describe()

    def batches(
        self, how: TrainingSection, size: int, process: int = 0, processes: int = 1
    ) -> Batches:
        """See `Data`."""
        return StreamedBatches(
            self.problem,
            batch_size=size,
            positives=how.batch_positives,
            seed=how.seed,
            process=process,
            processes=processes,
        )

    def chunks(self, part: str, process: int = 0, processes: int = 1) -> Iterator[Part]:
        """See `Data`."""
        return self.problem.chunks(part, process, processes)


@dataclass(frozen=True)
class ImageData:
    """A folder of images."""

    problem: ImageProblem

    @property
    def recipe(self) -> ImageRecipe:
        """See `Data`."""
        return self.problem.recipe

    @property
    def target(self) -> str:
        """See `Data`."""
        return "class"

    @property
    def positive(self) -> str | None:
        """See `Data`."""
        return self.problem.positive

    def describe(self) -> str:
        """See `Data`."""
        return self.problem.describe()

    def batches(
        self, how: TrainingSection, size: int, process: int = 0, processes: int = 1
    ) -> Batches:
        """See `Data`; together the shares are the batches of one process."""
        return ImageBatches(
            self.problem,
            batch_size=size,
            positives=how.batch_positives,
            seed=how.seed,
            process=process,
            processes=processes,
        )

    def chunks(self, part: str, process: int = 0, processes: int = 1) -> Iterator[Part]:
        """See `Data`."""
        return self.problem.chunks(part, process, processes)


def open_data(configuration: Configuration, *, as_they_are: bool = False) -> Data:
    """The data of a configuration, split and ready.

    Args:
        configuration: of the training.
        as_they_are: leave relevances as they are, though the metric of the training knows 0 and 1
            only.

    Raises:
        DataError, ArgumentError: data and configuration do not fit.
    """
    section, seed = configuration.data, configuration.training.seed
    if is_image_folder(section.path):
        _refuse(section, ("target", "split_column", "group", *FeatureRules.model_fields), "images")
        recipe = ImageRecipe(size=configuration.model.image_size)
        return ImageData(
            prepare_images(Path(section.path), positive=section.positive, recipe=recipe, seed=seed)
        )
    if Path(section.path).is_dir() or (is_stream(section.path) and section.group is None):
        _refuse(section, ("group",), "a folder of tables")
        return StreamedData(
            prepare_stream(
                Path(section.path),
                target=section.target,
                split_column=section.split_column,
                positive=section.positive,
                rules=section,
                seed=seed,
            )
        )
    return _in_memory(configuration, as_they_are)


def content_digest(data: str) -> str:
    """What identifies the content: the SHA-256 of a file; of a folder, or of a file that is read in
    blocks, that of names, sizes and the last bytes of each file, since it may be huge.

    Raises:
        DataError: there is nothing of that name.
    """
    if data == EMBEDDED or not is_stream(data):
        return fingerprint(data)
    path = Path(data)
    files = find_images(path).files if is_image_folder(data) else _block_files(path)
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        name = file.relative_to(path) if path.is_dir() else file.name
        digest.update(f"{name}\0{size}\0".encode())
        with _opened(file) as opened:
            opened.seek(max(0, size - _TAIL))
            digest.update(opened.read())
    return digest.hexdigest()


def _opened(file: Path) -> BinaryIO:
    try:
        return open_file(file)
    except OSError as error:
        raise DataError(f"data: cannot read {file}: {error.strerror}") from error


def _block_files(path: Path) -> list[Path]:
    return list(dict.fromkeys(block.file for block in TableStream(path).blocks))


def _refuse(section: DataSection, names: tuple[str, ...], what: str) -> None:
    for name in names:
        value = getattr(section, name)
        if value != type(section).model_fields[name].default:
            came = ", ".join(map(repr, value)) if isinstance(value, tuple) else repr(value)
            raise ArgumentError(name, came, f"nothing, for {what}")


def _in_memory(configuration: Configuration, as_they_are: bool) -> MemoryData:
    section, seed = configuration.data, configuration.training.seed
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
        graded = None if as_they_are else metric_named(configuration.training.metric).graded
        ranking = prepare_ranking(source, graded=graded, rules=section, seed=seed)
        parts = ranking.parts(ranking.name)
        rows = ranking.rows["train"]
        return MemoryData(parts, rows, ranking.recipe, ranking.name, None, ranking.describe())
    problems = prepare(source, positive=section.positive, rules=section, seed=seed)
    if len(problems.columns) > 1:
        raise DataError(
            f"target: {source.target_name!r} has {len(problems.columns)} values; say which one "
            f"is positive, such as {problems.columns[0]!r}"
        )
    (column,) = problems.columns
    return MemoryData(
        problems.parts(column),
        problems.rows["train"],
        problems.recipe,
        source.target_name,
        problems.names[column],
        problems.describe(),
    )
