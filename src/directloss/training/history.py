"""What happened during training, in plain numbers."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class History:
    """One entry a look at the model; the first is taken before the first step.

    Attributes:
        iteration: steps taken so far.
        train, validation, test: the metric on each part.
        loss: the training objective on the whole training part.
        spread: standard deviation of the scores of the training part.
        zero_gradient: share of the steps since the entry before whose gradient with respect to the
            scores was exactly zero; 0 for the first entry.
    """

    iteration: list[int] = field(default_factory=list)
    train: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    test: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    spread: list[float] = field(default_factory=list)
    zero_gradient: list[float] = field(default_factory=list)

    def append(
        self,
        *,
        iteration: int,
        train: float,
        validation: float,
        test: float,
        loss: float,
        spread: float,
        zero_gradient: float,
    ) -> None:
        """Adds one entry."""
        self.iteration.append(iteration)
        self.train.append(train)
        self.validation.append(validation)
        self.test.append(test)
        self.loss.append(loss)
        self.spread.append(spread)
        self.zero_gradient.append(zero_gradient)

    def __len__(self) -> int:
        return len(self.iteration)
