"""Folders of images: which files they hold, and what the names of subfolders say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from directloss.datasets.errors import DataError
from directloss.datasets.splits import PART_NAMES
from directloss.files import is_text

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


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
        DataError: there are no images, some have a class and some have none, or a class has none.
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
    _refuse_empty(path, files, 2 if split is not None else 1)
    target = pd.Series([parts[0] for parts in folders], name="class")
    return ImageFolder(path, files, target, split)


def _refuse_empty(path: Path, files: tuple[Path, ...], depth: int) -> None:
    """A class whose images are of another kind of file would be gone without a word."""
    filled = {path.joinpath(*file.relative_to(path).parts[:depth]) for file in files}
    for folder in sorted(path.glob("/".join("*" * depth))):
        hidden = any(part.startswith(".") for part in folder.relative_to(path).parts)
        if folder.is_dir() and not hidden and folder not in filled:
            raise DataError(
                f"data: {folder} holds no image ({', '.join(ENDINGS)}), as a folder of a class does"
            )


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
