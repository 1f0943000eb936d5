"""What the two estimators share: reading their parameters, and training one network a label."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from directloss._arguments import number, whole_number
from directloss.errors import ArgumentError
from directloss.sklearn._inputs import scores_of
from directloss.sklearn._rows import Array
from directloss.sklearn._tasks import task_of
from directloss.sklearn._training import METHODS, Layers, Options


class Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Parameters of training, and the layers of a network a label."""

    def _is_linear(self) -> bool:
        return isinstance(self.hidden, tuple | list) and not len(self.hidden)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._is_linear()
        tags.target_tags.required = True
        return tags

    def _options(self) -> Options:
        """The parameters, checked."""
        if self.method not in METHODS:
            raise ArgumentError("method", repr(self.method), f"one of {METHODS}")
        whole_number("max_iter", self.max_iter)
        number("learning_rate", self.learning_rate, lambda found: 0.0 < found < np.inf, "above 0")
        number("l2", self.l2, lambda found: 0.0 <= found < np.inf, "0 or more")
        fraction = self.validation_fraction
        wanted = "a number from 0 to below 1"
        number("validation_fraction", fraction, lambda found: 0.0 <= found < 1.0, wanted)
        if self.batch_size is not None:
            whole_number("batch_size", self.batch_size, least=2)
        if not isinstance(self.hidden, tuple | list):
            raise ArgumentError("hidden", repr(self.hidden), "a tuple of widths; () is linear")
        return Options(
            task_of(self.task),
            self.method,
            tuple(whole_number("hidden", width) for width in self.hidden),
            float(self.learning_rate),
            float(self.l2),
            int(self.max_iter),
            self.batch_size,
            int(check_random_state(self.random_state).randint(2**31 - 1)),
        )

    def _checked(self, X: Any, y: Any = "no_validation", **options: Any) -> Any:
        """Features, and targets if given, as scikit-learn checks them."""
        return validate_data(
            self,
            X,
            y,
            accept_sparse="csr" if self._is_linear() else False,
            dtype=(np.float64, np.float32),
            **options,
        )

    def _keep(self, layers: list[Layers]) -> None:
        """Learned numbers as arrays: `coef_` and `intercept_`, or layers a label."""
        for name in ("coef_", "intercept_", "coefs_", "intercepts_"):
            self.__dict__.pop(name, None)  # of a fit with other `hidden`
        if self._is_linear():
            self.coef_ = np.concatenate([label[0][0] for label in layers])
            self.intercept_ = np.concatenate([label[0][1] for label in layers])
        else:
            self.coefs_ = [[weights.T for weights, _ in label] for label in layers]
            self.intercepts_ = [[bias for _, bias in label] for label in layers]

    def _kept(self) -> list[Layers]:
        """The layers again."""
        if hasattr(self, "coef_"):
            pairs = zip(self.coef_, self.intercept_, strict=True)
            return [[(weights[None], np.array([bias]))] for weights, bias in pairs]
        labels = zip(self.coefs_, self.intercepts_, strict=True)
        return [[(w.T, b) for w, b in zip(*label, strict=True)] for label in labels]

    def _decide(self, X: Any) -> Array:
        """Scores of checked features, (n, labels), less what was taken off the last biases."""
        return np.stack([scores_of(layers, X) for layers in self._kept()], 1)
