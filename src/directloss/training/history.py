"""What an evaluation of a model found while it was trained, in plain numbers."""

from __future__ import annotations

from dataclasses import dataclass, field, fields


@dataclass(frozen=True)
class Entry:
    """What one evaluation found.

    Attributes:
        validation: the metric on the validation split, which rules early stopping.
        spread: standard deviation of the scores.
        train, test: the metric on the other splits; None where they are not gone through.
        loss: the training objective on the whole training split; None for the mean of the steps
            since the entry before.
        threshold: score above which a sample is called positive, for a metric of decisions.
        finer: what decides between entries of equal validation metric, see `ties`; it is not kept.
    """

    validation: float
    spread: float
    train: float | None = None
    test: float | None = None
    loss: float | None = None
    threshold: float | None = None
    finer: tuple[float, ...] = ()


@dataclass
class History:
    """One entry an evaluation of the model; the first is taken before the first step.

    The list of a quantity that is not measured stays empty.

    Attributes:
        iteration: steps taken so far.
        train, validation, test, spread, threshold: see `Entry`.
        loss: see `Entry`; None before the first step where it is a mean of steps.
        zero_gradient: share of the steps since the entry before whose gradient with respect to the
            scores was exactly zero; 0 for the first entry.
    """

    iteration: list[int] = field(default_factory=list)
    train: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    test: list[float] = field(default_factory=list)
    loss: list[float | None] = field(default_factory=list)
    spread: list[float] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    zero_gradient: list[float] = field(default_factory=list)

    def append(
        self, entry: Entry, *, iteration: int, mean_loss: float | None, zero_gradient: float
    ) -> None:
        """Adds one entry.

        Args:
            entry: what the evaluation found.
            iteration, zero_gradient: as in the history.
            mean_loss: of the steps since the entry before; None without any.
        """
        self.iteration.append(iteration)
        self.validation.append(entry.validation)
        self.spread.append(entry.spread)
        self.loss.append(mean_loss if entry.loss is None else entry.loss)
        self.zero_gradient.append(zero_gradient)
        for values, value in (
            (self.train, entry.train),
            (self.test, entry.test),
            (self.threshold, entry.threshold),
        ):
            if value is not None:
                values.append(value)

    def record(self) -> dict[str, list[float | None]]:
        """The lists by name, without those of quantities that were not measured."""
        named = ((each.name, getattr(self, each.name)) for each in fields(self))
        measured = {"iteration", "validation", "loss", "spread", "zero_gradient"}
        return {name: list(values) for name, values in named if values or name in measured}

    def __len__(self) -> int:
        return len(self.iteration)
