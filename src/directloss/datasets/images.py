"""Images of a folder as samples: decoded when they are needed, never all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Unpack

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from directloss.datasets.errors import DataError
from directloss.datasets.folders import ImageFolder, find_images
from directloss.datasets.labels import Labels, read_labels
from directloss.datasets.problems import Problems, names_of, split_of
from directloss.datasets.splits import Split
from directloss.training.batches import Batch, Batches, BatchOptions, MemoryBatches, Rows
from directloss.training.data import Part

_CHUNK = 64  # images that are in memory at a time
_THREADS = 4  # decoders; they release the lock of the interpreter


class ImageRecipe(BaseModel):
    """From a file to RGB in 0..255, uint8 `(3, size, size)`; backbones do their own normalising."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["images"] = "images"
    size: int = Field(default=224, ge=8, le=4096)

    def load(self, files: Sequence[Path]) -> Tensor:
        """The images `(n, 3, size, size)`.

        Raises:
            DataError: a file is no image, or damaged.
        """
        with ThreadPoolExecutor(_THREADS) as threads:
            return torch.stack(list(threads.map(self._load, files)))

    def _load(self, file: Path) -> Tensor:
        try:
            from PIL import Image

            from directloss.datasets.pixels import read_pixels
        except ImportError as error:
            raise DataError("data: the package pillow is needed to read images") from error
        try:
            image = read_pixels(file)
        except DataError as error:
            raise DataError(f"data: cannot read the image {file}: {error}") from error
        small = image.resize((self.size, self.size), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(small)).permute(2, 0, 1)


@dataclass(frozen=True)
class ImageProblem:
    """One split of an image folder. In memory are names and targets; images come and go.

    With one positive class it is `Data`.

    Attributes:
        folder: the files.
        recipe: how a tensor is made from a file.
        labels: the classes of all files.
        rows: numbers of the files of each part.
    """

    folder: ImageFolder
    recipe: ImageRecipe
    labels: Labels
    rows: Split

    target_name = "class"

    @property
    def positive(self) -> str:
        """The only class that is positive."""
        (value,) = self.labels.positives
        return value

    @cached_property
    def targets(self) -> Tensor:
        """Which files are of that class, bool (n,)."""
        return torch.from_numpy(self.labels.binary(self.positive))

    @property
    def columns(self) -> list[str]:
        """Names of the binary problems."""
        return list(names_of(self.labels, self.target_name))

    def describe(self) -> str:
        """Numbers of images and positives in one line."""
        sizes = ", ".join(f"{len(rows)} {part}" for part, rows in self.rows.items())
        images = f"{len(self.folder.files)} images ({sizes})"
        if len(self.labels.positives) > 1:
            return f"{images}, {len(self.labels.classes)} classes, each against the rest"
        return f"{images}, {100 * float(self.targets.double().mean()):.1f} % {self.positive}"

    def with_features(self, features: Tensor) -> Problems:
        """The same samples with features `(files, width)` in the place of the images."""
        parts = {part: features[torch.from_numpy(rows)] for part, rows in self.rows.items()}
        names = names_of(self.labels, self.target_name)
        return Problems(
            parts,
            self.rows,
            self.labels,
            names,
            self.recipe,
            self.target_name,
            samples="images",
        )

    def every_image(self) -> Iterator[Tensor]:
        """All images in the order of the files, some at a time."""
        for first in range(0, len(self.folder.files), _CHUNK):
            yield self.recipe.load(self.folder.files[first : first + _CHUNK])

    def load(self, rows: Rows) -> Part:
        """Some images with their targets."""
        images = self.recipe.load([self.folder.files[row] for row in rows])
        return Part(images, self.targets[torch.from_numpy(rows)])

    def batches(self, **how: Unpack[BatchOptions]) -> Batches:
        """See `Data`; together the shares are the batches of one process."""
        rows = torch.from_numpy(self.rows["train"])
        how["batch_size"] = min(how["batch_size"], len(rows))
        # The features of these samples are their row numbers, of which batches are made.
        order = MemoryBatches(Part(rows, self.targets[rows]), self.rows["train"], **how)
        return LoadedBatches(order, self.load)

    def chunks(self, split: str, process: int = 0, processes: int = 1) -> Iterator[Part]:
        """The images of a split, every so many of them, some at a time."""
        rows = self.rows[split][process::processes]
        for first in range(0, len(rows), _CHUNK):
            yield self.load(rows[first : first + _CHUNK])


@dataclass(frozen=True)
class LoadedBatches:
    """Batches of which nothing but the order is in memory: each is loaded when it is asked for.

    Attributes:
        order: the same batches of anything.
        load: (row numbers) -> their samples.
    """

    order: MemoryBatches
    load: Callable[[Rows], Part]

    def __len__(self) -> int:
        return len(self.order)

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch]:
        """See `Batches`."""
        for batch in self.order.epoch(number, start=start):
            yield Batch(self.load(batch.rows), batch.rows)


def prepare_images(
    data: Path, *, positive: str | None, recipe: ImageRecipe, seed: int, several: bool = False
) -> ImageProblem:
    """Splits the files: by folders named train, validation and test, or 60/20/20 by class.

    With `several`, each of more than two classes is told from the rest where none is `positive`.

    Raises:
        DataError: no classes, more of them than are wanted, or a part that lacks one.
    """
    folder = find_images(data)
    if folder.target is None:
        raise DataError(f"data: {data} has no folders that name the classes of its images")
    labels = read_labels(folder.target, positive)
    if not several:
        labels.only_positive(f"data: {data}")
    return ImageProblem(folder, recipe, labels, split_of(labels, "class", folder.split, seed))
