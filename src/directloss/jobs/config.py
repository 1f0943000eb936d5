"""The configuration of `directloss train`: a TOML file, options of the command line, or both."""

from __future__ import annotations

import re
import reprlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from directloss.datasets import FeatureRules
from directloss.errors import ArgumentError, DirectLossError
from directloss.experiments.metrics import canonical_name, metric_named
from directloss.files import read_file
from directloss.training.config import FitConfig, Optimiser
from directloss.training.methods import METHODS, Settings


class ConfigurationError(DirectLossError):
    """A field of the configuration does not fit; the message starts with its path."""


_MOST = 1_000_000
_MOST_STEPS = 1_000_000_000
_MOST_BYTES = 1 << 18  # of a file
_MOST_DOTS = 60
_DEEP_KEY = re.compile(
    rf"""(?:(?:(?<![\w-])[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){{{_MOST_DOTS + 1}}}"""
)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataSection(FeatureRules):
    """What to learn from, and how to read it."""

    model_config = _Section.model_config

    path: str = Field(default="digits", description="'digits', a table, or a folder")
    target: str | None = Field(default=None, description="column to predict")
    positive: str | None = Field(default=None, description="value of it that is positive")
    split_column: str | None = Field(default=None, description="train, validation or test")
    group: str | None = Field(default=None, description="column of queries, each one a list")

    sha256: str | None = Field(default=None, description="of the content; a run fills it in")


class ModelSection(_Section):
    """What to train."""

    hidden: tuple[int, ...] = Field(
        default=(64, 32), max_length=100, description="widths of the hidden layers"
    )
    backbone: str = Field(default="resnet18", description="for images, as for `load_backbone`")
    weights: str = Field(default="auto", description="of the backbone: auto, random, or a file")
    image_size: int = Field(default=224, ge=8, le=4096, description="side of the resized images")

    @field_validator("hidden")
    @classmethod
    def _widths(cls, hidden: tuple[int, ...]) -> tuple[int, ...]:
        if not all(1 <= width <= _MOST for width in hidden):
            raise ValueError(f"every width is between 1 and {_MOST:,}")
        return hidden


class TrainingSection(_Section):
    """How to train."""

    method: str = Field(default="mix", description="as in `directloss compare`")
    metric: str = Field(default="average-precision", description="what is descended and reported")
    learning_rate: float = Field(default=0.1, gt=0, le=_MOST)
    epsilon: float = Field(
        default=1.0, gt=0, le=_MOST, description="in units of the first scores' spread"
    )
    l2: float = Field(default=1e-4, ge=0, le=_MOST, description="weight decay; biases have none")
    optimiser: Optimiser = "sgd"
    momentum: float = Field(default=0.9, ge=0, lt=1)
    epochs: int = Field(default=100, ge=1, le=_MOST_STEPS)
    batch: int | Literal["all"] = Field(
        default="all", description="samples a step; 'all': exact steps on the whole training part"
    )
    batch_positives: int | float | None = Field(
        default=None, ge=0, le=_MOST_STEPS, description="positives a batch"
    )
    evaluations: int = Field(default=25, ge=1, le=_MOST, description="looks at the validation part")
    patience: int | None = Field(
        default=None, ge=1, le=_MOST, description="looks without a better one"
    )
    seed: int = Field(default=0, ge=0, lt=2**31)

    @field_validator("method")
    @classmethod
    def _known_method(cls, method: str) -> str:
        if method not in METHODS:
            raise ValueError(f"known methods are {', '.join(METHODS)}")
        return method

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, metric: str) -> str:
        metric_named(metric)
        return canonical_name(metric)

    @field_validator("batch")
    @classmethod
    def _some_samples(cls, batch: int | str) -> int | str:
        if isinstance(batch, int) and not 2 <= batch <= _MOST_STEPS:
            raise ValueError(f"a batch has 2 samples or more, at most {_MOST_STEPS:,}")
        return batch

    @model_validator(mode="after")
    def _positives_of_a_batch(self) -> TrainingSection:
        if self.batch_positives is not None and self.batch_size is None:
            raise ValueError("batch_positives needs a batch size")
        return self

    @property
    def batch_size(self) -> int | None:
        """Samples a step; None for all."""
        return self.batch if isinstance(self.batch, int) else None

    @property
    def settings(self) -> Settings:
        """The point of the method's grid, where it may lie between the grid's values."""
        has_epsilon = "epsilon" in METHODS[self.method].grid
        return Settings(self.learning_rate, self.l2, self.epsilon if has_epsilon else None)

    def fit_config(self) -> FitConfig:
        """The same for the training loop."""
        return FitConfig(
            learning_rate=self.learning_rate,
            optimiser=self.optimiser,
            momentum=self.momentum,
            l2=self.l2,
            epochs=self.epochs,
            batch_size=self.batch_size,
            positives=self.batch_positives,
            evaluations=self.evaluations,
            patience=self.patience,
            seed=self.seed,
        )


class CheckpointSection(_Section):
    """How to keep what was done. Changes no number."""

    seconds: float = Field(
        default=60.0, ge=0, le=_MOST_STEPS, description="between checkpoints; 0: every step"
    )
    keep: int = Field(default=3, ge=1, le=_MOST)


class Configuration(_Section):
    """Everything that a run depends on, and all that is in its `configuration.toml`."""

    data: DataSection = DataSection()
    model: ModelSection = ModelSection()
    training: TrainingSection = TrainingSection()
    checkpoints: CheckpointSection = CheckpointSection()

    def to_toml(self) -> str:
        """The text of `configuration.toml`; what is None is left out."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    def identity(self) -> dict[str, Any]:
        """What the numbers of a run depend on."""
        return self.model_dump(mode="json", exclude={"checkpoints"})


def read_configuration(
    file: Path | None, options: Mapping[str, Mapping[str, object]]
) -> Configuration:
    """The configuration of a file (or the defaults), with options of the command line on top.

    Args:
        file: TOML.
        options: section -> field -> value; None where the user says nothing.

    Raises:
        ConfigurationError: naming the path of the field (`training.learning_rate`), what came and
            what is wanted.
    """
    content = {} if file is None else _read_toml(file)
    called: dict[str, str] = {}
    for section, fields in options.items():
        given = {name: value for name, value in fields.items() if value is not None}
        called |= {f"{section}.{name}": _option(section, name) for name in given}
        if given:
            inherited = content.get(section, {})
            if not isinstance(inherited, dict):
                raise ConfigurationError(
                    f"{file}: {section}: got {_shown(inherited)}, wanted a table"
                )
            content[section] = {**inherited, **given}
    return validate(content, str(file or "command line"), called)


def validate(
    content: Mapping[str, Any], origin: str, called: Mapping[str, str] = MappingProxyType({})
) -> Configuration:
    """The configuration in plain data.

    Args:
        content: section -> field -> value.
        origin: where it comes from.
        called: paths of the fields that are options of the command line, and how those are called.

    Raises:
        ConfigurationError: as for `read_configuration`.
    """
    try:
        return Configuration.model_validate(content)
    except ValidationError as error:
        problems = dict.fromkeys(_problem(each, origin, called) for each in error.errors())
        raise ConfigurationError("; ".join(problems)) from error


_CALLED = {"data.path": "--data", "checkpoints.seconds": "--checkpoint-seconds"}


def _option(section: str, name: str) -> str:
    return _CALLED.get(f"{section}.{name}", f"--{name.replace('_', '-')}")


def _problem(error: Any, origin: str, called: Mapping[str, str]) -> str:
    # A union adds the names of its members behind the field; indices of a list stay.
    named = [part for k, part in enumerate(error["loc"]) if k < 2 or isinstance(part, int)]
    option = called.get(".".join(map(str, named[:2])))
    path = option or f"{origin}: {'.'.join(map(str, named))}"
    refusal = error.get("ctx", {}).get("error")
    if isinstance(refusal, ArgumentError):  # it has said what came, and to whom
        return f"{path}: {str(refusal).removeprefix(f'{refusal.argument}: ')}"
    came = (
        f"got {_shown(error['input'])}, "
        if error["type"] not in ("missing", "extra_forbidden")
        else ""
    )
    return f"{path}: {came}{error['msg'].removeprefix('Value error, ')}"


def parse(text: str, origin: str) -> dict[str, Any]:
    """The plain data of a TOML text.

    Raises:
        ConfigurationError: it is none, or cannot be read for its nesting.
    """
    if _DEEP_KEY.search(text):  # the library takes the square of its length, in time and memory
        raise ConfigurationError(f"{origin}: a key has more than {_MOST_DOTS} dots")
    try:
        return tomllib.loads(text)
    except ValueError as error:  # beside the library's own: numbers of too many digits
        raise ConfigurationError(f"{origin}: not TOML: {error}") from error
    except RecursionError as error:
        reason = "not TOML that can be read: nested too deeply"
        raise ConfigurationError(f"{origin}: {reason}") from error


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        text = read_file(file, most=_MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise ArgumentError(
            "--config", f"{str(file)!r} ({error.strerror})", "a TOML file"
        ) from error
    return parse(text, str(file))


class _Shown(reprlib.Repr):
    """A value in a message: a line at most, however deep, long or large it is."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 3, 80, 80

    def repr_int(self, value: int, level: int) -> str:
        few = abs(value) < 10**30
        return repr(value) if few else "a number of more than 30 digits"


_shown = _Shown().repr
