from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from directloss.datasets import DataError
from directloss.datasets.folders import find_images, is_image_folder
from directloss.datasets.images import ImageProblem, ImageRecipe, prepare_images

SMALL = ImageRecipe(size=8)


def paint(file: Path, value: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (10, 6), (value, 0, 0)).save(file)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty cats, whose red is their number, and ten dogs."""
    for k in range(20):
        paint(tmp_path / "cat" / f"{k:02}.png", k)
    for k in range(10):
        paint(tmp_path / "dog" / f"{k}.png", 100 + k)
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def prepared(folder: Path, **options: object) -> ImageProblem:
    given: dict[str, object] = {"positive": None, "recipe": SMALL, "seed": 0}
    return prepare_images(folder, **(given | options))  # type: ignore[arg-type]


def red(images: torch.Tensor) -> list[int]:
    return images[:, 0, 0, 0].tolist()


def test_folders_name_the_classes_and_the_rarer_one_is_positive(folder: Path) -> None:
    problem = prepared(folder)
    assert problem.positive == "dog"
    assert problem.targets.tolist() == [False] * 20 + [True] * 10
    assert "30 images (18 train, 6 validation, 6 test), 33.3 % dog" in problem.describe()
    assert is_image_folder(str(folder))
    assert not is_image_folder(str(folder / "notes.txt"))


def test_an_image_comes_with_its_own_target(folder: Path) -> None:
    problem = prepared(folder)
    seen = []
    for part in ("train", "validation", "test"):
        for chunk in problem.chunks(part):
            assert chunk.features.shape[1:] == (3, 8, 8)
            assert chunk.features.dtype == torch.uint8
            assert (chunk.features[:, 0, 0, 0] >= 100).tolist() == chunk.targets.tolist()
            seen += red(chunk.features)
    assert sorted(seen) == [*range(20), *range(100, 110)]


def test_processes_share_the_images(folder: Path) -> None:
    problem = prepared(folder)
    shares = [chunk.features for k in range(4) for chunk in problem.chunks("train", k, 4)]
    whole = [chunk.features for chunk in problem.chunks("train")]
    assert len(shares) == 4
    assert sorted(red(torch.cat(shares))) == sorted(red(torch.cat(whole)))


def test_batches_can_be_taken_up_in_the_middle(folder: Path) -> None:
    batches = prepared(folder).batches(batch_size=6, seed=1)
    whole = [red(batch.part.features) for batch in batches.epoch(3)]
    assert len(whole) == len(batches) == 3
    assert [red(batch.part.features) for batch in batches.epoch(3, start=1)] == whole[1:]
    assert all(0 < sum(value >= 100 for value in batch) < 6 for batch in whole)


def test_outer_folders_name_the_parts(tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        for name in ("a", "b"):
            paint(tmp_path / part / name / "1.jpg", 5)
            paint(tmp_path / part / name / "2.jpg", 5)
    problem = prepared(tmp_path, positive="a")
    assert {part: len(rows) for part, rows in problem.rows.items()} == {
        "train": 4,
        "validation": 4,
        "test": 4,
    }
    assert [file.parts[-3] for file in find_images(tmp_path).files[:4]] == ["test"] * 4


def test_every_kind_of_image_becomes_rgb(tmp_path: Path) -> None:
    for mode, ending in (
        ("L", "png"),
        ("RGBA", "png"),
        ("CMYK", "jpg"),
        ("P", "png"),
        ("1", "tif"),
    ):
        file = tmp_path / f"{mode}.{ending}"
        Image.fromarray(np.full((5, 4), 255, np.uint8)).convert(mode).save(file)
        assert SMALL.load([file]).shape == (1, 3, 8, 8)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "holds no image"),
        (lambda folder: paint(folder / "x.png", 1), "has no folders that name the classes"),
        (
            lambda folder: [paint(folder / "x.png", 1), paint(folder / "a" / "x.png", 1)],
            "lies in no folder of a class",
        ),
        (
            lambda folder: [paint(folder / name / "x.png", 1) for name in "abc"],
            "has 3 values; say which one is positive: `positive` 'a'",
        ),
    ],
)
def test_what_does_not_fit_is_told(make: object, message: str, tmp_path: Path) -> None:
    make(tmp_path)  # type: ignore[operator]
    with pytest.raises(DataError, match=message):
        prepared(tmp_path)


@pytest.mark.parametrize("part", ["", "train"])
def test_a_class_without_images_is_not_dropped(part: str, tmp_path: Path) -> None:
    for name in "ab":
        paint(tmp_path / part / name / "x.png", 1)
    odd = tmp_path / part / "c"
    odd.mkdir()
    (odd / "x.heic").write_bytes(b"of no kind that is read")
    with pytest.raises(DataError, match=r"c holds no image \(\.jpg, .*\), as a folder of a class"):
        find_images(tmp_path)


def test_hidden_files_and_folders_are_no_data(folder: Path) -> None:
    before = find_images(folder).files
    paint(folder / ".cache" / "cat" / "x.png", 1)
    paint(folder / "cat" / ".hidden" / "x.png", 1)
    paint(folder / "cat" / "._01.png", 1)
    assert find_images(folder).files == before


def test_a_hidden_folder_alone_is_no_folder_of_images(tmp_path: Path) -> None:
    paint(tmp_path / ".cache" / "x.png", 1)
    assert not is_image_folder(str(tmp_path))


def test_what_is_no_file_is_named(folder: Path) -> None:
    os.mkfifo(folder / "cat" / "pipe.png")
    with pytest.raises(DataError, match=r"pipe\.png is no file"):
        prepared(folder)


def test_a_name_that_is_no_text_is_refused(folder: Path) -> None:
    paint(folder / "cat" / "x.png", 1)
    (folder / "cat" / "x.png").rename(folder / "cat" / "\udcff.png")
    with pytest.raises(DataError, match=r"\\udcff\.png' is no UTF-8 text"):
        prepared(folder)


def test_a_damaged_image_is_named(folder: Path) -> None:
    file = folder / "cat" / "03.png"
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(DataError, match=r"cannot read the image .*03.png"):
        SMALL.load([file])
