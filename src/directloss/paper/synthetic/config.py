"""What a study is: everything that its numbers depend on.

The module is read for the help of the command, too, and imports torch only where it is used.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from directloss.errors import ArgumentError
from directloss.study.config import check_counts, check_names

if TYPE_CHECKING:
    from directloss.paper.synthetic.columns import Column

Kind = Literal["synthetic", "linear"]

TUNING_SEED = 1000
"""Settings are chosen on the data of this seed, which is reported nowhere."""


class StudyConfig(BaseModel):
    """The configuration of `directloss experiment synthetic` and `linear`.

    Where the results go and how many processes work on them is no part of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind = Field(
        description="What labels the points: a random network, or a linear function."
    )
    hidden: tuple[int, ...] = Field(
        default=(10, 10, 10), description="Hidden layers of generator and student."
    )
    features: int = Field(default=10, description="Features of a point.")
    points: int = Field(default=20_000, description="Points; half train, half test.")
    positives: float = Field(default=0.2, description="Share of positives.")
    settings: tuple[str, ...] = Field(description="Separated by commas; all of them without it.")
    flips: tuple[float, ...] = Field(
        description="Shares of flipped training labels, such as 0.1,0.4, or none; besides 0."
    )
    methods: tuple[str, ...] | None = Field(
        default=None, description="Separated by commas; all that a setting has without it."
    )
    seeds: int | None = Field(default=None, description="Repetitions: other data, other weights.")
    trials: int | None = Field(default=None, description="Most settings to try for each method.")
    iterations: int | None = Field(default=None, description="Full-batch steps.")

    def columns(self) -> list[Column]:
        """All columns, in the order of the tables."""
        from directloss.paper.synthetic import columns as known

        if self.kind == "linear":
            found = [known.LINEAR_SETTINGS[name] for name in self.settings]
            found += [known.noisy(column, share) for share in self.flips for column in found[:]]
        else:
            found = [known.NETWORK_SETTINGS[name] for name in self.settings]
            found += [known.label_noise(share) for share in self.flips]
        return [self._fitted(column) for column in found]

    def _fitted(self, column: Column) -> Column:
        methods = tuple(m for m in column.methods if self.methods is None or m in self.methods)
        return replace(
            column,
            methods=methods,
            trials=column.trials if self.trials is None else min(self.trials, column.trials),
            seeds=self.seeds or column.seeds,
            iterations=self.iterations or column.iterations,
        )

    def check(self) -> None:
        """Everything that can be known before the first trial.

        Raises:
            ArgumentError: naming the field.
        """
        from directloss.paper.synthetic import columns as known

        names = known.LINEAR_SETTINGS if self.kind == "linear" else known.NETWORK_SETTINGS
        check_names("settings", self.settings, names)
        for share in self.flips:
            if not 0 < share < 1:
                raise ArgumentError("flips", share, "shares above 0 and below 1")
        if len(set(self.flips)) < len(self.flips):
            raise ArgumentError("flips", self.flips, "distinct shares")
        check_counts(self, "seeds", "trials", "iterations", "features", "hidden")
        if self.seeds is not None and self.seeds > TUNING_SEED:
            raise ArgumentError("seeds", self.seeds, f"at most {TUNING_SEED}")
        if self.points < 10 or self.points % 2:
            raise ArgumentError("points", self.points, "an even number, 10 or more")
        if not 0 < self.positives < 1:
            raise ArgumentError("positives", self.positives, "a share above 0 and below 1")
        every = sorted({name for column in names.values() for name in column.methods})
        if self.methods is not None:
            check_names("methods", self.methods, every)
