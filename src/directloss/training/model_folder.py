"""A trained model as a folder of plain data: weights, preprocessing, configuration, metrics.

    weights.safetensors   tensors by name; nothing in it can run
    preprocessing.json    from input rows to features
    configuration.toml    what `directloss train --config` takes to train it again
    metrics.json          what was measured, and the history of the training
    calibration.json      from scores to probabilities; absent where there is none
    model.json            format, versions, decisions, and the SHA-256 of the other files

`model.json` is written last, so that a folder that has it is complete.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import safetensors
import safetensors.torch
from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError
from torch import Tensor

import directloss as dl
from directloss.errors import DirectLossError
from directloss.files import read_file, write_whole

WEIGHTS = "weights.safetensors"
PREPROCESSING = "preprocessing.json"
CONFIGURATION = "configuration.toml"
METRICS = "metrics.json"
CALIBRATION = "calibration.json"
MODEL = "model.json"

_VERSIONS = ("torch", "numpy", "numba", "scikit-learn", "accelerate", "pandas", "pyarrow")


class ModelError(DirectLossError):
    """A model folder cannot be used; the message says which file, and why."""


class About(BaseModel):
    """What a model says about itself, in `model.json`.

    Attributes:
        format: of the folder.
        target, positive: name of the target, and its value that gets high scores; None where
            targets are relevances.
        threshold: the score above which a row is called positive, fitted to the training part;
            None where the metric knows no decisions.
        thresholds: the same for each metric of decisions, by name.
        versions: packages that made the model.
        sha256: name of a file -> digest of its content.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    target: str
    positive: str | None
    threshold: FiniteFloat | None
    thresholds: dict[str, FiniteFloat]
    versions: dict[str, str]
    sha256: dict[str, str]


@dataclass(frozen=True)
class StoredModel:
    """The content of a model folder, each file checked against its digest.

    The weights are still on the disk: what they should be is in the other files.
    """

    folder: Path
    about: About
    preprocessing: str
    configuration: str
    metrics: Mapping[str, Any]
    calibration: str | None

    def load_weights(self, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors by name.

        Args:
            like: tensors of the wanted names, shapes and types, of which no value is read: those of
                a network on the device `meta`, which takes no memory.

        Raises:
            ModelError: the file is missing, damaged, no safetensors file, or holds other tensors.
        """
        file = self.folder / WEIGHTS
        room = sum(tensor.numel() * tensor.element_size() + _HEADER for tensor in like.values())
        tensors = read_tensors(_checked(file, self.about, most=room + _HEADER), file)
        _compare(tensors, like, file)
        return tensors


def write_model(
    folder: Path,
    *,
    weights: Mapping[str, Tensor],
    preprocessing: str,
    configuration: str,
    metrics: Mapping[str, Any],
    target: str,
    positive: str | None,
    threshold: float | None,
    thresholds: Mapping[str, float],
    calibration: str | None = None,
) -> None:
    """Writes all files, `model.json` last.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    files = {
        WEIGHTS: safetensors.torch.save(tensors),
        PREPROCESSING: preprocessing.encode(),
        CONFIGURATION: configuration.encode(),
        METRICS: (json.dumps(metrics, indent=2, allow_nan=False) + "\n").encode(),
    }
    if calibration is not None:
        files[CALIBRATION] = calibration.encode()
    for name, content in files.items():
        write_whole(folder / name, content)
    about = About(
        target=target,
        positive=positive,
        threshold=threshold,
        thresholds=dict(thresholds),
        versions=installed_versions(),
        sha256={name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    )
    write_whole(folder / MODEL, (about.model_dump_json(indent=2) + "\n").encode())


def read_model(folder: Path) -> StoredModel:
    """Reads all files and checks that they are what was written.

    Raises:
        ModelError: no model, an unfinished one, or one whose files were cut, damaged or exchanged.
    """
    if not folder.is_dir():
        raise ModelError(f"there is no model folder {str(folder)!r}")
    if not (folder / MODEL).is_file():
        raise ModelError(f"{folder} holds no {MODEL}: no model, or its training has not ended")
    try:
        about = About.model_validate_json(read_file(folder / MODEL, most=_MOST_ABOUT))
    except OSError as error:
        raise ModelError(f"cannot read {folder / MODEL}: {error.strerror}") from error
    except ValidationError as error:
        raise ModelError(f"{folder / MODEL}: {first_complaint(error)}") from error
    most_bytes = _MOST_BYTES | ({CALIBRATION: 1 << 28} if CALIBRATION in about.sha256 else {})
    contents = {name: _checked(folder / name, about, most) for name, most in most_bytes.items()}
    try:
        metrics = json.loads(contents[METRICS])
        texts = {name: contents[name].decode() for name in contents.keys() - {METRICS}}
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{folder}: a file is not the text it should be: {error}") from error
    if not isinstance(metrics, dict):
        raise ModelError(f"{folder / METRICS} is no object of JSON")
    return StoredModel(
        folder,
        about,
        texts[PREPROCESSING],
        texts[CONFIGURATION],
        metrics,
        texts.get(CALIBRATION),
    )


def read_tensors(content: bytes, name: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        ModelError: it is not one, or is cut short.
    """
    try:
        return safetensors.torch.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError, OverflowError) as error:
        raise ModelError(f"{name} is no safetensors file, or damaged: {error}") from error


def first_complaint(error: ValidationError) -> str:
    """The first thing that does not fit: its place in the file, and why."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"])) or "content"
    return f"{place}: {first['msg']}"


def installed_versions(packages: Iterable[str] = _VERSIONS) -> dict[str, str]:
    """Releases of what numbers depend on: by default those of a model."""
    versions = {"directloss": dl.__version__, "python": platform.python_version()}
    return versions | {name: importlib.metadata.version(name) for name in packages}


_MOST_ABOUT = 1 << 20
_MOST_BYTES = {PREPROCESSING: 1 << 28, CONFIGURATION: 1 << 18, METRICS: 1 << 28}
_HEADER = 1024  # bytes that a tensor's name, type and shape may take in the file


def _compare(tensors: Mapping[str, Tensor], like: Mapping[str, Tensor], file: Path) -> None:
    for name in sorted(tensors.keys() ^ like.keys()):
        there = "has no" if name in like else "has a"
        raise ModelError(f"{file} does not fit the configuration: it {there} tensor {name!r}")
    for name, tensor in tensors.items():
        came, wanted = ((*each.shape, each.dtype) for each in (tensor, like[name]))
        if came != wanted:
            raise ModelError(
                f"{file} does not fit the configuration: {name!r} is {came}, wanted is {wanted}"
            )
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise ModelError(f"{file}: {name!r} holds values that are not finite")


def _checked(file: Path, about: About, most: int) -> bytes:
    try:
        content = read_file(file, most=most)
    except OSError as error:
        raise ModelError(f"cannot read {file}: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != about.sha256.get(file.name):
        raise ModelError(f"{file} is not what was written: cut short, damaged or exchanged")
    return content
