"""What a comparison is: everything that its numbers depend on."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ConfigDict, Field

from directloss.datasets import FeatureRules
from directloss.errors import ArgumentError
from directloss.study.metrics import metric_named
from directloss.training.config import FitConfig, Optimiser
from directloss.training.methods import METHODS, Settings, default_methods


class Comparison(FeatureRules):
    """The configuration of `directloss compare`.

    Where the results go and how many processes work on them is no part of it: they change no
    number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: str = "digits"
    data_sha256: str = Field(default="embedded", description="of the file's content")
    target: str | None = None
    split_column: str | None = None
    positive: str | None = None
    group: str | None = None
    methods: tuple[str, ...] = default_methods("average-precision", grouped=False)
    metric: str = "average-precision"
    hidden: tuple[int, ...] = (32,)
    trials: int = 4
    seeds: int = 2
    epochs: int = 100
    batch: int | None = None
    batch_positives: int | None = None
    optimiser: Optimiser = "sgd"
    momentum: float = 0.9
    patience: int | None = None

    def fit_config(self, settings: Settings, seed: int) -> FitConfig:
        """How to train with one point of a grid."""
        return FitConfig(
            learning_rate=settings.learning_rate,
            l2=settings.l2,
            optimiser=self.optimiser,
            momentum=self.momentum,
            epochs=self.epochs,
            batch_size=self.batch,
            positives=self.batch_positives,
            patience=self.patience,
            seed=seed,
        )

    def check(self) -> None:
        """Everything that can be known without the data.

        Raises:
            ArgumentError: naming the option of the command line.
        """
        _check_names("--methods", self.methods, METHODS)
        metric_named(self.metric)
        for option, number in (
            ("--seeds", self.seeds),
            ("--epochs", self.epochs),
            ("--trials", self.trials),
            *(("--hidden", width) for width in self.hidden),
        ):
            if number < 1:
                raise ArgumentError(option, number, "1 or more")
        smallest = min(self.methods, key=lambda name: METHODS[name].grid_size)
        if self.trials > METHODS[smallest].grid_size:
            raise ArgumentError(
                "--trials",
                self.trials,
                f"at most {METHODS[smallest].grid_size}: {smallest} has no more settings, and "
                "every method gets the same number of trials",
            )
        if self.batch_positives is not None and self.batch is None:
            raise ArgumentError("--batch-positives", self.batch_positives, "--batch with it")
        if self.group is not None:
            for option, value in (("--batch", self.batch), ("--positive", self.positive)):
                if value is not None:
                    raise ArgumentError(option, value, "nothing, with --group")
        self.fit_config(Settings(learning_rate=1.0, l2=0.0), 0)


def _check_names(option: str, names: tuple[str, ...], known: Mapping[str, object]) -> None:
    for name in names:
        if name not in known:
            raise ArgumentError(option, repr(name), f"some of {', '.join(known)}")
    if not names or len(set(names)) < len(names):
        raise ArgumentError(option, ", ".join(names), "distinct names, at least one")
