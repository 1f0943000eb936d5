"""Folders of images in a comparison: features of a backbone that keeps its weights."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from directloss.datasets import Problems
from directloss.datasets.images import ImageProblem, ImageRecipe, prepare_images
from directloss.models.backbones import load_backbone
from directloss.models.image_scorer import features_of_images, moments, words_of_weights
from directloss.study.config import Comparison
from directloss.study.stages import digest, load_arrays, save_arrays

FEATURES = "features"


def load_images(comparison: Comparison, seed: int) -> ImageProblem:
    """The images of a comparison, split by a seed; none is decoded.

    Raises:
        DataError: they are no binary problems, or cannot be split.
    """
    return prepare_images(
        Path(comparison.data),
        positive=comparison.positive,
        recipe=ImageRecipe(size=comparison.image_size),
        seed=seed,
        several=True,
    )


def describe_features(comparison: Comparison) -> str:
    """What the features of the images are, for the user."""
    words = words_of_weights(comparison.weights)
    return f"features of {comparison.backbone} at {comparison.image_size} pixels, with {words}"


def make_features(comparison: Comparison, folder: Path) -> Path:
    """The file in the folder with the features of all images, which it makes unless it is there.

    Its name depends on the images, the network and its weights, so that it is never stale.

    Raises:
        ArgumentError: no such network, or weights that do not fit it.
        DataError: an image cannot be read.
    """
    assert comparison.backbone is not None
    backbone = load_backbone(comparison.backbone, comparison.weights, comparison.image_size)
    name = digest(comparison.data_sha256, backbone.fingerprint, comparison.image_size)
    file = folder / f"{FEATURES}-{name[:16]}.npz"
    if not file.exists():
        features = features_of_images(backbone, load_images(comparison, 0).every_image())
        save_arrays(file, {FEATURES: features.numpy()})
    return file


@lru_cache(maxsize=1)
def _read_features(file: Path) -> Tensor:
    return torch.from_numpy(load_arrays(file)[FEATURES])


@lru_cache(maxsize=4)
def problems_of_images(comparison: Comparison, seed: int, file: Path) -> Problems:
    """The binary problems of one split, on features that its training part standardises."""
    problem = load_images(comparison, seed)
    features = _read_features(file)
    mean, scale = moments(features[torch.from_numpy(problem.rows["train"])])
    return problem.with_features((features - mean) / scale)
