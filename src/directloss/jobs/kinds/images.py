"""Folders of images, a subfolder a class."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pyarrow as pa
import torch
from accelerate import init_empty_weights
from torch import Tensor, nn

from directloss.datasets import DataError, fingerprint
from directloss.datasets.data import Data
from directloss.datasets.folders import find_images, is_image_folder
from directloss.datasets.images import ImageRecipe, prepare_images
from directloss.errors import ArgumentError
from directloss.jobs.config import Configuration, DataSection, ModelSection
from directloss.jobs.kinds.kind import Labelled, Unlabelled
from directloss.models.backbones import SMALLEST_SIZE, load_backbone
from directloss.models.image_scorer import FrozenScorer, ImageScorer, usual_backbone
from directloss.models.weights import RANDOM
from directloss.report.lines import FORMULA
from directloss.study.options import refuse
from directloss.study.unread import OF_TABLES
from directloss.training.data import Part
from directloss.training.model_folder import About

_USUAL = {"batch": 32, "learning_rate": 0.01}
_AT_A_TIME = 64  # images that are in memory


class Images:
    """See `Kind`."""

    recipe = ImageRecipe

    def fits(self, path: str) -> bool:
        """See `Kind`: a folder with an image in it."""
        return is_image_folder(path)

    def digest(self, path: str) -> str:
        """See `Kind`: that of the ends of the files."""
        return fingerprint(path)

    def usual(self, configuration: Configuration) -> Configuration:
        """See `Kind`: a network whose weights need no download; mini-batches and small steps of it.

        On a frozen backbone a perceptron is trained, and its defaults are those of tables.

        Raises:
            ArgumentError: there is no perceptron to have hidden layers.
        """
        training, model = configuration.training, configuration.model
        if not model.model_fields_set & {"backbone", "weights"}:
            model = model.model_copy(update={"backbone": usual_backbone(model.weights)})
        if not model.frozen:
            refuse(model, ("hidden",), "images without `frozen`")
            usual = {k: v for k, v in _USUAL.items() if k not in training.model_fields_set}
            training = training.model_copy(update=usual)
        return configuration.model_copy(update={"model": model, "training": training})

    def open(self, configuration: Configuration, *, graded: bool | None) -> Data:
        """See `Kind`."""
        section = configuration.data
        refuse(section, OF_TABLES, "images")
        return prepare_images(
            Path(section.path),
            positive=section.positive,
            recipe=ImageRecipe(size=configuration.model.image_size),
            seed=configuration.training.seed,
        )

    def network(
        self, section: ModelSection, recipe: ImageRecipe, *, seed: int, pretrained: bool = True
    ) -> nn.Module:
        """See `Kind`: a backbone with a linear layer, or frozen with a perceptron, on top."""
        if recipe.size < SMALLEST_SIZE:
            raise ArgumentError("image_size", recipe.size, f"{SMALLEST_SIZE} or more")
        weights = section.weights if pretrained else RANDOM
        backbone = load_backbone(section.backbone, weights, recipe.size)
        if section.frozen:
            generator = torch.Generator().manual_seed(seed)
            return FrozenScorer(backbone, backbone.width, section.hidden, generator=generator)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return ImageScorer(backbone, backbone.width)

    def without_values(self) -> AbstractContextManager[object]:
        """See `Kind`; backbones may compute while they are made, so only weights lack values."""
        empty: AbstractContextManager[object] = init_empty_weights()
        return empty

    def unlabelled(self, recipe: ImageRecipe, path: str) -> Unlabelled:
        """See `Kind`: a row is the name of a file."""
        folder = Path(path)
        if not folder.is_dir():
            raise DataError(f"data: the model scores images, and {path!r} is no folder")
        files = find_images(folder).files

        def pieces() -> Iterator[tuple[pa.Table, Tensor]]:
            for first in range(0, len(files), _AT_A_TIME):
                some = files[first : first + _AT_A_TIME]
                names = [_harmless(file.relative_to(folder)) for file in some]
                yield pa.table({"file": names}), recipe.load(some)

        return Unlabelled(["file"], len(files), pieces())

    def labelled(
        self, recipe: ImageRecipe, path: str, section: DataSection, about: About, *, graded: bool
    ) -> Labelled:
        """See `Kind`."""
        folder = find_images(Path(path))
        if folder.target is None:
            raise DataError(f"data: {path} has no folders that name the classes of its images")
        positive = (folder.target == about.positive).to_numpy(bool, copy=True)
        return Labelled(
            Part(
                recipe.load(folder.files[first : first + _AT_A_TIME]),
                torch.from_numpy(positive[first : first + _AT_A_TIME]),
            )
            for first in range(0, len(folder.files), _AT_A_TIME)
        )


def _harmless(file: Path) -> str:
    """The path, which no program of tables takes for a formula."""
    path = file.as_posix()
    return f"./{path}" if path.startswith(FORMULA) else path
