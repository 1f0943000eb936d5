"""A classifier trained on the metric that is reported."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from directloss.errors import ArgumentError
from directloss.sklearn._base import Estimator
from directloss.sklearn._decisions import (
    CALIBRATIONS,
    calibrated,
    probabilities,
    shift,
    threshold_of,
)
from directloss.sklearn._inputs import Inputs, scores_of
from directloss.sklearn._rows import Array, arranged, check_weights, fingerprints, split
from directloss.sklearn._scorer import TaskValue
from directloss.sklearn._tasks import task_of
from directloss.sklearn._training import Layers, Options, Targets, Trained, train
from directloss.training.refinement import FEW_TO_CHOOSE


class DirectLossClassifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    r"""A linear model or a perceptron, trained on average precision, F1 or another metric.

    Two classes, or several labels by the columns of y, each with a model of its own. Features are
    standardised inside; `coef_` is that of the features as they came.

    A row of weight w counts as w equal rows, exactly if weights are whole numbers, also in units of
    the smallest one. Other weights are drawn: each row is there floor or ceil of its share of m
    rows, m up to four times as many as there are. A row of weight 0 is absent.

    Where a row stands does not count: what rows hold decides which of them validate, and equal
    rows of a class stay together.

    Args:
        task: the metric, by the name that the commands know ("average_precision", "f1",
            "fbeta:2", "precision_at_k:100") or as a task.
        method: "refine" (cross-entropy, then the direct loss of the metric), "cross-entropy", or
            "direct" (the direct loss alone).
        hidden: widths of the hidden layers; empty for a linear model.
        validation_fraction: share of each class that does not train. It chooses between the
            weights of 20 moments, and fits calibration and threshold. Where that would be fewer
            than 20 rows of a class, or 0, all rows train, the last weights are kept, and
            calibration and threshold are fitted to the training rows.
        calibration: "sigmoid" (logistic regression on the score) or "isotonic".
        class_weight: {class: weight}, "balanced", or None: what a row of a class counts in
            cross-entropy and in the calibration; with several labels also a list of them. The
            metric, its direct loss and its threshold know no such weights.
        learning_rate, l2: of Adam, on standardised features.
        max_iter: epochs; with full batches the number of steps.
        batch_size: rows a step; None for all of them.
        warm_start: whether `fit` goes on from the weights of the call before; the method "refine"
            then skips cross-entropy.
        random_state: of the validation part, of the first weights, and of mini-batches.

    Attributes:
        classes_: the two classes, the positive one last; of several labels 0 and up.
        coef_, intercept_: (labels, features) and (labels,), of a linear model; `decision_function`
            is ``X @ coef_.T + intercept_``. Of a perceptron `coefs_`, `intercepts_`: layers a
            label.
        threshold_: (labels,), what was taken off the scores of the network so that positive means
            above 0. Of a metric of counts the best for the metric, of any other where the
            probability is 1/2.
        history_: metric, loss and more by epoch, a dictionary of lists; of several labels a list.
        n_iter_: epochs.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Example:
        >>> model = DirectLossClassifier("average_precision").fit(X, y)
        >>> model.predict_proba(X)[:, 1]
    """

    def __init__(
        self,
        task: Any = "average_precision",
        *,
        method: str = "refine",
        hidden: tuple[int, ...] = (),
        validation_fraction: float = 0.2,
        calibration: str = "sigmoid",
        class_weight: Any = None,
        learning_rate: float = 0.03,
        l2: float = 1e-3,
        max_iter: int = 200,
        batch_size: int | None = None,
        warm_start: bool = False,
        random_state: Any = None,
    ) -> None:
        self.task = task
        self.method = method
        self.hidden = hidden
        self.validation_fraction = validation_fraction
        self.calibration = calibration
        self.class_weight = class_weight
        self.learning_rate = learning_rate
        self.l2 = l2
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.warm_start = warm_start
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Trains.

        Args:
            X: (n, features), dense, or sparse for a linear model.
            y: (n,) of two classes, or (n, labels) of 0 and 1.
            sample_weight: (n,), numbers >= 0.

        Raises:
            ArgumentError: a parameter or an argument does not fit.
        """
        return self._fit(X, y, sample_weight, start=self.warm_start and hasattr(self, "classes_"))

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> Self:
        """Trains on from the present weights on these rows alone, for `max_iter` epochs.

        As `fit` with ``warm_start=True``: after the first call the method "refine" takes the direct
        loss alone. Calibration and threshold are fitted to these rows.

        Args:
            classes: all classes, in the first call; not needed if its y has them all.
        """
        begun = hasattr(self, "classes_")
        if not begun and classes is not None:
            known = np.unique(np.asarray(y)) if np.ndim(y) == 1 else classes
            if not np.isin(known, classes).all():
                raise ArgumentError("classes", f"{list(classes)}", f"the classes of y, {known}")
        return self._fit(X, y, sample_weight, start=begun)

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, start: bool) -> Self:
        options = self._options()
        if self.calibration not in CALIBRATIONS:
            raise ArgumentError("calibration", repr(self.calibration), f"one of {CALIBRATIONS}")
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=self._sparse_formats(),
            dtype=(np.float64, np.float32),
            multi_output=True,
            reset=not start,
        )
        classes, labels = _labels(y)
        if start and not np.array_equal(classes, self.classes_):
            raise ArgumentError("y", f"classes {classes}", f"those before, {self.classes_}")
        weights = check_weights(sample_weight, X.shape[0])
        keys = fingerprints(X, np.random.default_rng(options.seed))
        starts = self._starts() if start else [None] * labels.shape[1]
        self.classes_ = classes
        self._multilabel = classes.size != 2 or labels.shape[1] > 1
        found = [
            self._fit_label(X, labels[:, at], keys, weights, options, starts[at], at)
            for at in range(labels.shape[1])
        ]
        self._keep([label[0] for label in found])
        self.threshold_ = np.array([label[1] for label in found])
        self.calibrators_ = [label[2] for label in found]
        histories = [label[3] for label in found]
        self.history_ = histories if self._multilabel else histories[0]
        self.n_iter_ = options.max_iter
        return self

    def _fit_label(
        self,
        X: Any,
        positive: Array,
        keys: Array,
        weights: Array | None,
        options: Options,
        start: Layers | None,
        label: int,
    ) -> tuple[Layers, float, Any, dict[str, Any]]:
        """Layers, threshold, calibrator and history of one label."""
        rows = arranged(keys, positive, weights)
        own = self._class_weights(positive[rows], label)
        parts = split(keys, positive, rows, self.validation_fraction, FEW_TO_CHOOSE)
        trained = _trained(X, positive, parts, options._replace(weights=own), start)
        held = parts.validation if parts.validation.size else parts.train
        scores, truth = scores_of(trained.layers, X[held]), positive[held]
        counted = np.ones(truth.size) if own is None else np.where(truth, own[1], own[0])
        calibrator = calibrated(self.calibration, scores, truth, counted / counted.mean())
        threshold = threshold_of(options.task, calibrator, scores, truth)
        shift(calibrator, threshold)
        last, bias = trained.layers[-1]
        return [*trained.layers[:-1], (last, bias - threshold)], threshold, calibrator, trained.history

    def _class_weights(self, positive: Array, label: int) -> tuple[float, float] | None:
        present = np.unique(positive)
        names = np.arange(2) if self._multilabel else self.classes_
        if present.size < 2:
            which = f" of label {label}" if self._multilabel else ""
            raise ArgumentError("y", f"one class{which}: {names[int(present[0])]}", "two classes")
        wanted = self.class_weight
        if isinstance(wanted, list):
            wanted = wanted[label]
        if wanted is None:
            return None
        y = names[positive.astype(int)]
        negative, of_positive = compute_class_weight(wanted, classes=names, y=y)
        if not (negative > 0.0 and of_positive > 0.0):
            raise ArgumentError("class_weight", repr(wanted), "weights above 0")
        return float(negative), float(of_positive)

    def _starts(self) -> list[Layers]:
        """The layers before, with the thresholds back in the last bias."""
        layers = zip(self._kept(), self.threshold_, strict=True)
        return [[*own[:-1], (own[-1][0], own[-1][1] + threshold)] for own, threshold in layers]

    def decision_function(self, X: Any) -> Array:
        """Scores less `threshold_`: (n,), or (n, labels). Above 0 is positive."""
        check_is_fitted(self)
        X = validate_data(
            self,
            X,
            accept_sparse=self._sparse_formats(),
            dtype=(np.float64, np.float32),
            reset=False,
        )
        decision = self._decide(X)
        return decision if self._multilabel else decision[:, 0]

    def predict(self, X: Any) -> Array:
        """The class of each row, (n,), or 0 and 1, (n, labels)."""
        positive = self.decision_function(X) > 0.0
        return positive.astype(np.int64) if self._multilabel else self.classes_[positive.astype(int)]

    def predict_proba(self, X: Any) -> Array:
        """Calibrated probabilities: (n, 2) in the order of `classes_`, or (n, labels) of a 1.

        They say how frequent the positive class is at a score. `predict` follows `threshold_`
        instead, which for a metric of counts is not at 1/2.
        """
        decision = self.decision_function(X).reshape(X.shape[0] if hasattr(X, "shape") else len(X), -1)
        columns = zip(self.calibrators_, decision.T, strict=True)
        found = np.stack([probabilities(calibrator, each) for calibrator, each in columns], 1)
        return found if self._multilabel else np.column_stack([1.0 - found[:, 0], found[:, 0]])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The metric of `task`, of several labels their mean; negative where lower is better."""
        task = task_of(self.task)
        decision = self.decision_function(X)
        if self._multilabel:
            truth = y.toarray() if sparse.issparse(y) else np.asarray(y)
        else:
            truth = column_or_1d(y) == self.classes_[1]
        value = TaskValue(task)(truth, decision, sample_weight=sample_weight)
        return value if task.higher_is_better else -value


def _labels(y: Any) -> tuple[Array, Array]:
    """Classes, and which are positive, bool (n, labels)."""
    check_classification_targets(y)
    kind = type_of_target(y, input_name="y", raise_unknown=True)
    if kind == "multilabel-indicator":
        dense = y.toarray() if sparse.issparse(y) else np.asarray(y)
        return np.arange(dense.shape[1]), dense == 1
    if kind != "binary":
        wanted = "two classes, or columns of 0 and 1. Only binary classification is supported."
        raise ArgumentError("y", f"a target of type {kind}", wanted)
    classes, which = np.unique(column_or_1d(y, warn=True), return_inverse=True)
    if classes.size < 2:
        raise ArgumentError("y", f"one class: {classes[0]}", "two classes")
    return classes, (which == 1)[:, None]


def _trained(X: Any, positive: Array, parts: Any, options: Options, start: Any) -> Trained:
    targets = (torch.from_numpy(positive[rows].astype(np.float32)) for rows in parts)
    return train(Inputs.of(X, parts), Targets(*targets), options, start)
