"""From scores to probabilities: calibrations by scikit-learn, and as plain data of a model folder.

A network that was trained on a metric of the order has scores of any offset and scale. Fitted to
rows that it was not trained on, a calibration gives them a meaning and keeps their order.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

Array = NDArray[np.float64]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]

CALIBRATIONS = ("sigmoid", "isotonic")

LEAST_SLOPE = 1e-3
"""Of a sigmoid, a spread of the scores: probabilities never fall where scores grow."""


class Calibration(BaseModel):
    """What makes probabilities of the scores of a model, in `calibration.json`.

    Attributes:
        kind: "sigmoid": 1 / (1 + exp(-(slope * score + intercept))). "isotonic": through the points
            `(scores[k], probabilities[k])`, in a line between two of them, and level outside.
        rows, positives: what it was fitted to.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["sigmoid", "isotonic"]
    rows: int = Field(ge=2)
    positives: int = Field(ge=1)
    slope: FiniteFloat | None = Field(default=None, gt=0)
    intercept: FiniteFloat | None = None
    scores: tuple[FiniteFloat, ...] = ()
    probabilities: tuple[Probability, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        sigmoid = self.slope is not None and self.intercept is not None
        points = len(self.scores)
        if self.kind == "sigmoid":
            if not sigmoid or points or self.probabilities:
                raise ValueError("a sigmoid has a slope and an intercept")
        elif self.slope is not None or self.intercept is not None or not points:
            raise ValueError("an isotonic calibration has scores and probabilities")
        elif len(self.probabilities) != points:
            raise ValueError("there is a probability for each of the scores")
        elif not (_grows(self.scores, strictly=True) and _grows(self.probabilities)):
            raise ValueError("scores grow, and probabilities do not fall")
        return self

    def apply(self, scores: Array) -> Array:
        """The probability of the positive class for each score, in their shape."""
        if self.kind == "sigmoid":
            assert self.slope is not None and self.intercept is not None
            return np.asarray(expit(self.slope * scores + self.intercept), np.float64)
        return np.interp(scores, self.scores, self.probabilities)


def fit_calibration(
    kind: Literal["sigmoid", "isotonic"], scores: Array, positive: NDArray[np.bool_]
) -> Calibration:
    """A calibration of the scores of rows that the network was not trained on.

    Args:
        kind: see `Calibration`.
        scores: (n,).
        positive: (n,), with both classes.
    """
    fitted = fit_calibrator(kind, scores, positive, np.ones(len(scores)))
    counts: dict[str, Any] = {"rows": len(scores), "positives": int(positive.sum())}
    if kind == "sigmoid":
        slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
        return Calibration(kind=kind, slope=slope, intercept=intercept, **counts)
    return Calibration(
        kind=kind,
        scores=tuple(fitted.X_thresholds_.tolist()),
        probabilities=tuple(fitted.y_thresholds_.tolist()),
        **counts,
    )


def fit_calibrator(kind: str, scores: Array, positive: NDArray[np.bool_], weights: Array) -> Any:
    """A sigmoid (by logistic regression on the score) or an isotonic regression, fitted.

    Args:
        kind: one of `CALIBRATIONS`.
        scores: (n,).
        positive: (n,), with both classes.
        weights: of the rows, (n,).
    """
    if kind == "isotonic":
        isotonic = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
        return isotonic.fit(scores, positive, sample_weight=weights)
    spread = float(scores.std()) or 1.0
    centre = float(np.average(scores, weights=weights))
    sigmoid = LogisticRegression(max_iter=1000)
    sigmoid.fit((scores[:, None] - centre) / spread, positive, sample_weight=weights)
    if sigmoid.coef_[0, 0] < LEAST_SLOPE:
        # The best sigmoid that does not fall is flat; a little slope keeps the order of the scores.
        share = np.average(positive, weights=weights)
        sigmoid.coef_ = np.full((1, 1), LEAST_SLOPE)
        sigmoid.intercept_ = np.log([share / (1.0 - share)])
    sigmoid.coef_ = sigmoid.coef_ / spread
    sigmoid.intercept_ = sigmoid.intercept_ - sigmoid.coef_[0] * centre
    return sigmoid


def _grows(values: tuple[float, ...], *, strictly: bool = False) -> bool:
    steps = np.diff(values)
    return bool((steps > 0).all() if strictly else (steps >= 0).all())
