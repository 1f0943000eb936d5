"""What a study is: everything that its numbers depend on."""

from __future__ import annotations

from dataclasses import replace

from pydantic import BaseModel, ConfigDict

from directloss.errors import ArgumentError
from directloss.paper.synthetic import columns as known
from directloss.paper.synthetic.columns import Column, Kind

TUNING_SEED = 1000
"""Settings are chosen on the data of this seed, which is reported nowhere."""


class StudyConfig(BaseModel):
    """The configuration of `directloss experiment synthetic` and `linear`.

    Where the results go and how many processes work on them is no part of it.

    Attributes:
        kind: "synthetic" (a random network labels the points) or "linear" (a linear function).
        hidden: widths of the hidden layers of generator and student.
        features, points: size of the data; half of the points train, half test.
        positives: share of positives that the generator makes.
        settings: names of the settings to run.
        flips: shares of flipped labels, besides 0.
        methods: the methods to run, of those that a column has; None for all.
        seeds: repetitions that are reported: data, generator and initial weights are others; None
            for the column's own number.
        trials: most settings tried for a method in a column; None for the column's own number.
        iterations: steps; None for the column's own number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    hidden: tuple[int, ...] = (10, 10, 10)
    features: int = 10
    points: int = 20_000
    positives: float = 0.2
    settings: tuple[str, ...]
    flips: tuple[float, ...]
    methods: tuple[str, ...] | None = None
    seeds: int | None = None
    trials: int | None = None
    iterations: int | None = None

    def columns(self) -> list[Column]:
        """All columns, in the order of the tables."""
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
            ArgumentError: naming the option of the command line.
        """
        names = known.LINEAR_SETTINGS if self.kind == "linear" else known.NETWORK_SETTINGS
        for name in self.settings:
            if name not in names:
                raise ArgumentError("--settings", repr(name), f"some of {', '.join(names)}")
        if not self.settings or len(set(self.settings)) < len(self.settings):
            raise ArgumentError(
                "--settings", ", ".join(self.settings), "distinct names, one or more"
            )
        for share in self.flips:
            if not 0 < share < 1:
                raise ArgumentError("--flips", share, "shares above 0 and below 1")
        if len(set(self.flips)) < len(self.flips):
            raise ArgumentError("--flips", self.flips, "distinct shares")
        for option, number in (
            ("--seeds", self.seeds),
            ("--trials", self.trials),
            ("--iterations", self.iterations),
            ("--features", self.features),
            *(("--widths", width) for width in self.hidden),
        ):
            if number is not None and number < 1:
                raise ArgumentError(option, number, "1 or more")
        if self.seeds is not None and self.seeds > TUNING_SEED:
            raise ArgumentError("--seeds", self.seeds, f"at most {TUNING_SEED}")
        if self.points < 10 or self.points % 2:
            raise ArgumentError("--points", self.points, "an even number, 10 or more")
        if not 0 < self.positives < 1:
            raise ArgumentError("--positives", self.positives, "a share above 0 and below 1")
        every = {name for column in names.values() for name in column.methods}
        for name in self.methods or ():
            if name not in every:
                raise ArgumentError("--methods", repr(name), f"some of {', '.join(sorted(every))}")
