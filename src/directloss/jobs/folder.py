"""The folder of a training run: what it belongs to, and whether this run may have it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from directloss.datasets import DataError
from directloss.datasets.embedded import EMBEDDED
from directloss.errors import ArgumentError
from directloss.files import read_file, write_whole
from directloss.jobs.config import Configuration, read_configuration
from directloss.jobs.kinds import kind_at
from directloss.study.folder import CONFIGURATION as OF_A_COMPARISON
from directloss.study.folder import FolderError, refuse_changes
from directloss.study.options import ConfigurationError
from directloss.training.checkpoints import Checkpoints
from directloss.training.model_folder import CONFIGURATION, MODEL

CHECKPOINTS = "checkpoints"
EVENTS = "events"


def with_digest(configuration: Configuration) -> Configuration:
    """The configuration with the digest of its data, and their path from the root.

    Raises:
        DataError: it names another digest: the data have changed.
    """
    section = configuration.data
    found = kind_at(section.path).digest(section.path)
    if section.sha256 not in (None, found):
        raise DataError(
            f"data: {section.path} is not what the configuration was made for (data.sha256 is "
            f"{section.sha256}, now {found})"
        )
    path = section.path if section.path in EMBEDDED else str(Path(section.path).absolute())
    section = section.model_copy(update={"path": path, "sha256": found})
    return configuration.model_copy(update={"data": section})


def identity(configuration: Configuration) -> str:
    """What tells the checkpoints of a run from those of others."""
    text = json.dumps(configuration.identity(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def claim(out: Path, configuration: Configuration) -> None:
    """Makes the folder that of this configuration, unless another one was trained in it.

    Raises:
        FolderError: it holds another run, a comparison or an experiment.
    """
    if (out / OF_A_COMPARISON).exists():
        what = f"a comparison or an experiment ({OF_A_COMPARISON})"
        raise FolderError(f"out: {out} is that of {what}; choose another folder")
    file = out / CONFIGURATION
    try:
        before = Checkpoints(out / CHECKPOINTS, identity(configuration))
        if any(before.steps()) or (out / MODEL).exists():
            _compare(out, file, configuration)
            return
        if not file.exists() or read_file(file) != configuration.to_toml().encode():
            before.forget()  # of a run that never took a step
            write_whole(file, configuration.to_toml().encode())
    except OSError as error:
        raise FolderError(f"out: cannot write to {out}: {error.strerror}") from error


def _compare(out: Path, file: Path, configuration: Configuration) -> None:
    try:
        found = read_configuration(file)
    except ConfigurationError:
        raise
    except ArgumentError as error:
        raise FolderError(f"out: {file} is not a configuration: {error}") from error
    refuse_changes(out, _flat(found), _flat(configuration), "run")


def _flat(configuration: Configuration) -> dict[str, Any]:
    return {
        f"{section}.{name}": value
        for section, fields in configuration.identity().items()
        for name, value in fields.items()
    }
