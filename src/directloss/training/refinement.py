"""What refining a model was worth: what could be expected at the switch, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from directloss.tasks import Task
from directloss.training._rows import Scored
from directloss.training.bootstrap import Difference, difference, interval, resampled, resamples_for
from directloss.training.data import Part
from directloss.training.history import History

# Where these come from: `docs/refine.md`, section "What to expect".

FITTED = 0.80
"""Metric of the training part at the switch from which on little is left to fit."""

NEAR = 0.05
"""Difference of training and validation metric up to which a model underfits, not overfits."""

RISING = 0.05
"""Gain of the training metric in the second half of the first phase from which on a model is not
trained out: what it lacks there may be steps."""

FEW_TO_TRAIN = 60
"""Positives of the training part below which refining lost as often as it gained."""

FEW_TO_CHOOSE = 20
"""Positives of the validation part below which it cannot choose between checkpoints."""


@dataclass(frozen=True)
class Refinement:
    """Cross-entropy at the switch, what to expect of refining it, and the gain.

    Attributes:
        reference: what the first phase is called in words.
        step: steps before the switch.
        train, validation: the metric at the switch.
        noise: half the width of the interval of the validation metric.
        outlook: whether refining may gain, in a sentence.
        warnings: about too few positives.
        gains: part -> the model that was kept against the best one of the first phase, both chosen
            on validation.
    """

    reference: str
    step: int
    train: float
    validation: float
    noise: float
    outlook: str
    warnings: tuple[str, ...]
    gains: Mapping[str, Difference]

    def lines(self) -> list[str]:
        """All of it in words, a line each."""
        gains = [
            f"refined against {self.reference}, {part} part: {gain}"
            for part, gain in self.gains.items()
        ]
        if self.step:  # else the reference had steps of its own
            gains.append(
                f"that is against {self.reference} after the {self.step} steps of the first phase: "
                "trained to the end it may be as good, which a comparison tells"
            )
        return [self.outlook, *(f"warning: {text}" for text in self.warnings), *gains]

    def record(self) -> dict[str, Any]:
        """The same as plain data, of which `of_record` makes it again."""
        return asdict(self)

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Refinement:
        """Of what `record` gave, also where JSON has turned tuples into lists."""
        gains = {part: Difference(**gain) for part, gain in record["gains"].items()}
        return cls(**{**record, "warnings": tuple(record["warnings"]), "gains": gains})


def judge(
    task: Task,
    history: History,
    switch: int,
    before: Mapping[str, Scored],
    after: Mapping[str, Scored],
    *,
    reference: str = "cross-entropy",
) -> Refinement:
    """Compares the model that was kept with the best one of the first phase.

    Args:
        task: the metric.
        history: of the run, with the metric of the training part.
        switch: steps before the switch.
        before, after: part -> scores of the two models, on the CPU; of a metric of decisions less
            their thresholds.
        reference: what the first phase is called in words.
    """
    entry = history.iteration.index(switch)
    train, validation = history.train[entry], history.validation[entry]
    half = min(range(entry + 1), key=lambda k: abs(history.iteration[k] - switch / 2))
    near = abs(history.iteration[half] - switch / 2) <= switch / 4
    held = before["validation"]
    drawn = resampled(task, held, resamples=resamples_for(len(held)), seed=0)
    defined = drawn[~np.isnan(drawn)]
    low, high = interval(defined) if defined.size else (0.0, 0.0)
    noise = (high - low) / 2
    return Refinement(
        reference,
        switch,
        train,
        validation,
        noise,
        outlook(
            train,
            validation,
            noise,
            reference,
            higher_is_better=task.higher_is_better,
            halfway=history.train[half] if near else math.nan,
        ),
        too_few(after["train"], after["validation"]),
        {part: difference(task, before[part], after[part]) for part in after if part != "train"},
    )


def outlook(
    train: float,
    validation: float,
    noise: float,
    reference: str,
    *,
    higher_is_better: bool,
    halfway: float,
) -> str:
    """Whether refining may gain, from the metric at the switch.

    The gain follows underfitting: it is where the model is far from fitting the training part and
    about as good on validation, as far as `noise`, that of the validation metric, lets one see. A
    model that is still learning does not say whether it is too small.

    Args:
        train, validation, noise: the metric at the switch, and that of the validation part's.
        reference: what the first phase is called in words.
        higher_is_better: whether the metric grows with quality.
        halfway: the metric of the training part near the middle of the first phase; NaN if nobody
            looked then.
    """
    found = (
        f"{reference} at the switch: training {100 * train:.1f}, "
        f"validation {100 * validation:.1f} ± {100 * noise:.1f}"
    )
    for part, value in (("training", train), ("validation", validation)):
        if math.isnan(value):
            return f"{found}: the metric is undefined on the {part} part, so nothing can be said"
    fit, held = (value if higher_is_better else 1.0 - value for value in (train, validation))
    if fit - held > NEAR + noise:
        return f"{found}: it overfits, so expect no gain; more L2 is the better use of time"
    if fit >= FITTED:
        return f"{found}: little is left to fit, so expect little; tune L2 or the model's size"
    rise = (train - halfway) if higher_is_better else (halfway - train)
    if rise > RISING:
        return (
            f"{found}: it is not trained out, as training gained {100 * rise:.1f} in the second "
            "half of that phase; more epochs first"
        )
    return f"{found}: it underfits, so refining may gain; a larger model may gain more"


def too_few(train: Scored | Part, validation: Scored | Part) -> tuple[str, ...]:
    """Warnings about parts with few positives, of lists those with one."""
    found = (
        _too_few("training", train, FEW_TO_TRAIN, "to learn from"),
        _too_few("validation", validation, FEW_TO_CHOOSE, "to choose by"),
    )
    return tuple(text for text in found if text is not None)


def _too_few(name: str, part: Scored | Part, wanted: int, purpose: str) -> str | None:
    positive = part.targets > 0
    words = "positives"
    count = int(positive.sum())
    if part.groups is not None:
        words, count = "lists with a positive", len(torch.unique(part.groups[positive]))
    if count >= wanted:
        return None
    return f"the {name} part has {count} {words}, fewer than the {wanted} that it takes {purpose}"
