"""Folders of images, one subfolder a class: decoded when they are needed, never all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Unpack

import numpy as np
import pandas as pd
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from directloss.datasets.errors import DataError
from directloss.datasets.labels import read_labels, shown_positive
from directloss.datasets.splits import PART_NAMES, Split, refuse_one_kind, split_rows
from directloss.files import is_text
from directloss.training.batches import Batch, Batches, BatchOptions, MemoryBatches, Rows
from directloss.training.data import Part

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")

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
class ImageFolder:
    """Image files and, from the names of their folders, their classes and perhaps their parts."""

    path: Path
    files: tuple[Path, ...]
    target: pd.Series | None
    split: pd.Series | None


def find_images(path: Path) -> ImageFolder:
    """Looks for `PART/CLASS/*` (train, validation, test), `CLASS/*`, or files without a class.

    Raises:
        DataError: there are no images, or some have a class and some have none.
    """
    files = tuple(sorted(_images(path)))
    if not files:
        raise DataError(f"data: {path} holds no image ({', '.join(ENDINGS)})")
    for file in files:
        if not file.is_file():
            raise DataError(f"data: {file} is no file")
        if not is_text(str(file)):
            raise DataError(f"data: the name of {str(file)!r} is no UTF-8 text")
    folders = [file.relative_to(path).parts[:-1] for file in files]
    split = None
    if all(parts and parts[0].lower() in PART_NAMES for parts in folders):
        split = pd.Series([parts[0] for parts in folders], name="folder")
        folders = [parts[1:] for parts in folders]
    with_class = [bool(parts) for parts in folders]
    if not any(with_class):
        return ImageFolder(path, files, None, split)
    if not all(with_class):
        odd = files[with_class.index(False)]
        raise DataError(f"data: {odd} lies in no folder of a class, others of {path} do")
    target = pd.Series([parts[0] for parts in folders], name="class")
    return ImageFolder(path, files, target, split)


def is_image_folder(data: str) -> bool:
    """Whether `data` is a folder with at least one image in it."""
    path = Path(data)
    return path.is_dir() and any(True for _ in _images(path))


def _images(path: Path) -> Iterator[Path]:
    """What is named as an image; hidden files, and all in hidden folders, are no data."""
    for file in path.rglob("*"):
        hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
        if file.name.lower().endswith(ENDINGS) and not hidden:
            yield file


@dataclass(frozen=True)
class ImageProblem:
    """One split of an image folder: `Data`. In memory are names and targets; images come and go.

    Attributes:
        folder: the files.
        recipe: how a tensor is made from a file.
        positive: the class that is positive.
        targets: which files are positive, bool (n,).
        rows: numbers of the files of each part.
    """

    folder: ImageFolder
    recipe: ImageRecipe
    positive: str
    targets: Tensor
    rows: Split

    target_name = "class"

    def describe(self) -> str:
        """Numbers of images and positives in one line."""
        sizes = ", ".join(f"{len(rows)} {part}" for part, rows in self.rows.items())
        share = 100 * float(self.targets.double().mean())
        return f"{len(self.targets)} images ({sizes}), {share:.1f} % {self.positive}"

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
    data: Path, *, positive: str | None, recipe: ImageRecipe, seed: int
) -> ImageProblem:
    """Splits the files: by folders named train, validation and test, or 60/20/20 by class.

    Raises:
        DataError: no classes, more than two of them without `positive`, or a part that lacks one.
    """
    folder = find_images(data)
    if folder.target is None:
        raise DataError(f"data: {data} has no folders that name the classes of its images")
    labels = read_labels(folder.target, positive)
    positive = labels.only_positive(f"data: {data}")
    targets = labels.binary(positive)
    rows = split_rows(folder.split, targets.astype(np.int64), seed)
    counts = {part: (int(targets[each].sum()), len(each)) for part, each in rows.items()}
    refuse_one_kind(counts, shown_positive("class", positive))
    return ImageProblem(folder, recipe, positive, torch.from_numpy(targets), rows)
