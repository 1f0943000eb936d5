"""The configuration of `directloss train`: a TOML file, options of the command line, or both.

The module is read for the help of the command, too, and imports torch only where it is used.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.fields import FieldInfo

from directloss.errors import ArgumentError
from directloss.files import read_file
from directloss.study import options
from directloss.study.config import TableRules
from directloss.study.options import ConfigurationError, Optimiser, refuse, shown
from directloss.study.unread import refuse_methods_of_lists, unread_settings

if TYPE_CHECKING:
    from directloss.training.config import FitConfig
    from directloss.training.methods import Settings

_MOST = 1_000_000
_MOST_STEPS = 1_000_000_000
_MOST_BYTES = 1 << 18  # of a file
_MOST_DOTS = 60
_DEEP_KEY = re.compile(
    rf"""(?:(?:(?<![\w-])[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){{{_MOST_DOTS + 1}}}"""
)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataSection(TableRules):
    """What to learn from, and how to read it."""

    model_config = _Section.model_config

    path: str = Field(
        default="digits",
        description="'digits' or 'diabetes'; a .csv, .tsv, .npz or .svmlight (LETOR, SVM-rank) "
        "file, read whole; a .parquet or .arrow file or a folder of them, read in blocks; or a "
        "folder of images, a subfolder a class.",
    )
    group: str | None = Field(default=None, description="Column of queries; each query is a list.")
    sha256: str | None = Field(default=None, description="Of the content; a run fills it in.")


class ModelSection(_Section):
    """What to train."""

    hidden: tuple[int, ...] = Field(
        default=(64, 32),
        max_length=100,
        description="Widths of the hidden layers (64,32); 'none' for a linear model. Of images "
        "with `frozen` only.",
    )
    backbone: str = Field(
        default="resnet18",
        description="Network for images: efficientnet-lite0 (the default where its packages bring "
        "the weights), or a name of torchvision's (resnet18).",
    )
    weights: str = Field(default="auto", description="Of the backbone: auto, random, or a file.")
    frozen: bool = Field(
        default=False,
        description="Of images: the backbone keeps its weights, and a perceptron is trained on its "
        "features, which are computed once.",
    )
    image_size: int = Field(
        default=224, ge=8, le=4096, description="Side to which images are resized (224)."
    )

    @field_validator("hidden")
    @classmethod
    def _widths(cls, hidden: tuple[int, ...]) -> tuple[int, ...]:
        if not all(1 <= width <= _MOST for width in hidden):
            raise ValueError(f"every width is between 1 and {_MOST:,}")
        return hidden


class TrainingSection(_Section):
    """How to train."""

    method: str = Field(
        default="mix",
        description="As for compare: mix (the default), refine, pos, hinge, logistic ...",
    )
    metric: str = Field(
        default="average-precision", description="As for compare; average-precision by default."
    )
    learning_rate: float = Field(
        default=0.1,
        gt=0,
        le=_MOST,
        description="Step size (0.1); of images 0.01, of refine and tuned 0.03.",
    )
    epsilon: float = Field(
        default=1.0,
        gt=0,
        le=_MOST,
        description="Of direct losses, in units of the first scores' spread (1); of refine the "
        "noise, in units of their spread at the switch (0.3).",
    )
    l2: float = Field(
        default=1e-4,
        ge=0,
        le=_MOST,
        description="Weight decay (1e-4); of refine and tuned 1e-3. Biases have none.",
    )
    balance: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="Of tuned: exponent of the weight negatives / positives of a positive (0).",
    )
    optimiser: Optimiser = Field(
        default="sgd", description="sgd (with momentum) or adam, which refine and tuned take."
    )
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Momentum of sgd (0.9).")
    epochs: int = Field(
        default=100, ge=1, le=_MOST_STEPS, description="Passes over the training part (100)."
    )
    batch: int | Literal["all"] = Field(
        default="all",
        description="Samples a step (of images 32); 'all', the default of tables: exact steps on "
        "all of them.",
    )
    batch_positives: int | float | None = Field(
        default=None,
        ge=0,
        le=_MOST_STEPS,
        description="Positives in every batch, or (below 1) their share.",
    )
    evaluations: int = Field(
        default=25,
        ge=1,
        le=_MOST,
        description="Number of evaluations on the validation part (25).",
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        le=_MOST,
        description="Stop after so many evaluations without a better one.",
    )
    calibration: Literal["sigmoid", "isotonic", "none"] = Field(
        default="sigmoid",
        description="From scores to probabilities, fitted to the validation part: sigmoid (the "
        "default), isotonic (of a thousand rows or more), or none.",
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="Of split, weights and batches (0).")

    @model_validator(mode="before")
    @classmethod
    def _usual(cls, given: dict[str, Any]) -> dict[str, Any]:
        """What the method takes where nothing is said."""
        if "method" not in given:  # the defaults above are those of the default method
            return given
        from directloss.training.methods import METHODS  # torch: not for the help of a command

        method = METHODS.get(str(given["method"]))
        if method is None:
            return given
        usual = {name: value for name, value in vars(method.usual).items() if value is not None}
        if method.optimiser is not None:
            usual["optimiser"] = method.optimiser
        return {**usual, **given}

    @field_validator("method")
    @classmethod
    def _known_method(cls, method: str) -> str:
        from directloss.training.methods import METHODS

        if method not in METHODS:
            raise ValueError(f"known methods are {', '.join(METHODS)}")
        return method

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, metric: str) -> str:
        from directloss.study.metrics import canonical_name, metric_named

        metric_named(metric)
        return canonical_name(metric)

    @field_validator("batch")
    @classmethod
    def _some_samples(cls, batch: int | str) -> int | str:
        if isinstance(batch, int) and not 2 <= batch <= _MOST_STEPS:
            raise ValueError(f"a batch has 2 samples or more, at most {_MOST_STEPS:,}")
        return batch

    @property
    def batch_size(self) -> int | None:
        """Samples a step; None for all."""
        return self.batch if isinstance(self.batch, int) else None

    @property
    def unread(self) -> dict[str, str]:
        """Names of the settings that this training does not read -> what they mean nothing for."""
        return unread_settings({self.method: self.optimiser})

    @property
    def settings(self) -> Settings:
        """The point of the method's grid, where it may lie between the grid's values."""
        from directloss.training.methods import METHODS, Settings

        grid = METHODS[self.method].grid
        return Settings(
            self.learning_rate,
            self.l2,
            self.epsilon if "epsilon" in grid else None,
            balance=self.balance if "balance" in grid else None,
        )

    def fit_config(self) -> FitConfig:
        """The same for the training loop."""
        from directloss.training.config import FitConfig
        from directloss.training.methods import METHODS

        base = FitConfig(
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
        return METHODS[self.method].config(base, self.settings)


class CheckpointSection(_Section):
    """How to keep what was done. Changes no number."""

    seconds: float = Field(
        default=60.0,
        ge=0,
        le=_MOST_STEPS,
        description="Between two checkpoints (60); 0: after every step.",
    )
    keep: int = Field(default=3, ge=1, le=_MOST, description="Checkpoints to keep (3).")


class Configuration(_Section):
    """Everything that a run depends on, and all that is in its `configuration.toml`."""

    data: DataSection = DataSection()
    model: ModelSection = ModelSection()
    training: TrainingSection = TrainingSection()
    checkpoints: CheckpointSection = CheckpointSection()

    def check(self) -> None:
        """Nothing is given that a training does not read, or that needs what is not given.

        Raises:
            ArgumentError: naming the argument.
        """
        how = self.training
        refuse_methods_of_lists("method", (how.method,), self.data.group)
        usual = TrainingSection(method=how.method, optimiser=how.optimiser)
        for name, what in how.unread.items():
            refuse(how, (name,), what, usual)
        if self.data.group is not None:
            refuse(how, ("batch_positives",), "queries, which a batch holds whole")
        if how.batch_positives is not None and how.batch_size is None:
            raise ArgumentError("batch_positives", how.batch_positives, "`batch` with it")

    def to_toml(self) -> str:
        """The text of `configuration.toml`; what is None or not read is left out."""
        without = {"training": set(self.training.unread)}
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True, exclude=without))

    def identity(self) -> dict[str, Any]:
        """What the numbers of a run depend on: of data the content, wherever it lies."""
        from directloss.datasets.embedded import EMBEDDED

        found = self.model_dump(mode="json", exclude={"checkpoints"})
        if self.data.sha256 is not None and self.data.path not in EMBEDDED:
            del found["data"]["path"]
        return found


_SECTIONS = {
    "data": DataSection.model_fields,
    "model": ModelSection.model_fields,
    "training": TrainingSection.model_fields,
    "checkpoints": CheckpointSection.model_fields,
}


_CALLED = {("data", "path"): "data", ("checkpoints", "seconds"): "checkpoint_seconds"}
_FILLED_IN = ("sha256",)


def arguments() -> dict[str, FieldInfo]:
    """Every field that a user may set, by the name of its argument."""
    return {
        _argument(section, name): field
        for section, fields in _SECTIONS.items()
        for name, field in fields.items()
        if name not in _FILLED_IN
    }


def read_configuration(
    file: Path | None, given: Mapping[str, object] = MappingProxyType({})
) -> Configuration:
    """The configuration of a file (or the defaults), with arguments on top.

    Args:
        file: TOML.
        given: name of an argument, see `arguments`, -> value.

    Raises:
        ConfigurationError: naming the argument, or the path of the field (`training.epochs`), what
            came and what is wanted.
    """
    content = {} if file is None else _read_toml(file)
    by_argument: dict[str, str] = {}
    for section, fields in _SECTIONS.items():
        called = {name: _argument(section, name) for name in fields}
        own = {name: given[argument] for name, argument in called.items() if argument in given}
        by_argument |= {f"{section}.{name}": called[name] for name in own}
        if own:
            inherited = content.get(section, {})
            if not isinstance(inherited, dict):
                raise ConfigurationError(
                    f"{file}: {section}: got {shown(inherited)}, wanted a table"
                )
            content[section] = {**inherited, **own}
    return validate(content, str(file or "command line"), by_argument)


def validate(
    content: Mapping[str, Any], origin: str, arguments: Mapping[str, str] = MappingProxyType({})
) -> Configuration:
    """The configuration in plain data; see `options.validate`."""
    return options.validate(Configuration, content, origin=origin, depth=2, arguments=arguments)


def _argument(section: str, name: str) -> str:
    return _CALLED.get((section, name), name)


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
        raise ArgumentError("config", f"{str(file)!r} ({error.strerror})", "a TOML file") from error
    return parse(text, str(file))
