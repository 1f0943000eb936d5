"""A classifier trained on the metric that is reported."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_is_fitted

from directloss.errors import ArgumentError
from directloss.sklearn._base import Estimator
from directloss.sklearn._decisions import identity, probabilities
from directloss.sklearn._label import Samples, fit_label, read_classes, read_labels, warn_of_absent
from directloss.sklearn._rows import Array, check_weights, fingerprints
from directloss.sklearn._scorer import TaskValue
from directloss.sklearn._tasks import task_of
from directloss.sklearn._training import Layers
from directloss.sklearn._waiting import Rows, guess, has_both, joined, last
from directloss.training.calibration import CALIBRATIONS


class DirectLossClassifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    r"""A linear model or a perceptron, trained on average precision, F1 or another metric.

    Two classes, or several labels by the columns of y, each with a model of its own. Features are
    standardised inside; `coef_` is that of the features as they came.

    A row of weight w counts as w equal rows, exactly if weights are whole numbers, also in units of
    the smallest one, and stand for no more than 200,000 rows or 20 a row. Other weights are drawn:
    each row is there floor or ceil of its share of m rows, m four times as many as there are, or up
    to 200,000 where weights are very uneven. A row of weight 0 is absent.

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
        batch_size: rows a step; None, or more than there are, for all of them.
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
        >>> import numpy as np
        >>> draws = np.random.default_rng(0)
        >>> X = draws.normal(size=(200, 3))
        >>> y = X[:, 0] + draws.normal(size=200) > 1.0
        >>> model = DirectLossClassifier("average_precision").fit(X, y)
        >>> model.predict_proba(X).shape
        (200, 2)
    """

    classes_: Array
    threshold_: Array
    history_: dict[str, Any] | list[dict[str, Any]]
    _waiting: Rows

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

        Warns:
            UserWarning: weights are so uneven that a quarter of the rows with one were not drawn.
        """
        start = self.warm_start and self._trained
        X, y = self._checked(X, y, multi_output=True, reset=not start)
        classes, positive = read_labels(y)
        if start:
            self._check_columns(positive)
            if not np.array_equal(classes, self.classes_):
                raise ArgumentError("y", f"classes {classes}", f"those before, {self.classes_}")
        weights = check_weights(sample_weight, X.shape[0])
        return self._train((X, positive, weights), classes, start=start)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Trains on from the present weights on these rows alone, for `max_iter` epochs.

        As `fit` with ``warm_start=True``: after the first call the method "refine" takes the direct
        loss alone. Calibration and threshold are fitted to these rows.

        Rows of one class, which no metric ranks, wait: they train together with the next rows that
        bring the other class, and so do single rows. Of more than 100,000 the last ones wait. With
        several labels rows wait until each label has both. Before the first training the decision
        is the same for all rows, the log-odds of what came.

        Args:
            X, y, sample_weight: as in `fit`.
            classes: the two classes of y; wanted in the first call if its y has one of them alone,
                as scikit-learn does.
        """
        begun = hasattr(self, "classes_")
        self._options()
        X, y = self._checked(X, y, multi_output=True, reset=not begun)
        known = self.classes_ if begun else None
        one_label = y.ndim == 1 or y.shape[1] == 1
        if classes is not None and one_label:
            known = read_classes(classes)
            if begun and not np.array_equal(known, self.classes_):
                raise ArgumentError("classes", f"{known}", f"those before, {self.classes_}")
        if known is None and one_label and np.unique(y).size == 1:
            came = f"one class: {np.unique(y)[0]}"
            raise ArgumentError("y", came, "two classes, or classes= as well")
        found, positive = read_labels(y, known)
        if begun:
            self._check_columns(positive)
        rows: Rows = (X, positive, check_weights(sample_weight, X.shape[0]))
        if hasattr(self, "_waiting"):
            rows = joined(self._waiting, rows)
        if has_both(rows):
            return self._train(rows, found, start=self._trained)
        self._waiting = last(rows)
        self.classes_ = found
        if not self._trained:
            self._guess(rows)
        return self

    @property
    def _trained(self) -> bool:
        return getattr(self, "n_iter_", 0) > 0

    def _guess(self, rows: Rows) -> None:
        """Makes the decision the log-odds of these rows, whatever the features."""
        layers = guess(rows, tuple(self.hidden))
        self._keep(layers)
        self.threshold_ = np.zeros(len(layers))
        self.calibrators_ = [identity() for _ in layers]
        self.history_ = [{} for _ in layers] if len(layers) > 1 else {}
        self.n_iter_ = 0

    def _train(self, rows: Rows, classes: Array, *, start: bool) -> Self:
        options = self._options()
        if self.calibration not in CALIBRATIONS:
            raise ArgumentError("calibration", repr(self.calibration), f"one of {CALIBRATIONS}")
        X, positive, weights = rows
        samples = Samples(X, fingerprints(X, np.random.default_rng(options.seed)), weights)
        labels = positive.shape[1]
        starts = self._starts() if start else [None] * labels
        of_classes = self.class_weight
        if not isinstance(of_classes, list):
            of_classes = [of_classes] * labels
        if len(of_classes) != labels:
            raise ArgumentError("class_weight", f"{len(of_classes)} of them", f"{labels}, a label")
        found = [
            fit_label(
                samples,
                positive[:, label],
                options,
                starts[label],
                names=classes if labels == 1 else np.arange(2),
                column=None if labels == 1 else label,
                class_weight=of_classes[label],
                validation_fraction=self.validation_fraction,
                calibration=self.calibration,
            )
            for label in range(labels)
        ]
        if weights is not None:
            warn_of_absent(max(label.absent for label in found), int(np.count_nonzero(weights)))
        self._keep([label.layers for label in found])
        self.classes_ = classes
        self.threshold_ = np.array([label.threshold for label in found])
        self.calibrators_ = [label.calibrator for label in found]
        self.history_ = [label.history for label in found] if labels > 1 else found[0].history
        self.n_iter_ = options.max_iter
        self.__dict__.pop("_waiting", None)
        return self

    @property
    def _multilabel(self) -> bool:
        return self.threshold_.size > 1

    def _check_columns(self, positive: Array) -> None:
        found, before = positive.shape[1], self.threshold_.size
        if found != before:
            raise ArgumentError("y", f"{found} label(s)", f"{before}, as in the fit before")

    def _starts(self) -> list[Layers]:
        """The layers before, with the thresholds back in the last bias."""
        layers = zip(self._kept(), self.threshold_, strict=True)
        return [[*own[:-1], (own[-1][0], own[-1][1] + threshold)] for own, threshold in layers]

    def decision_function(self, X: Any) -> Array:
        """Scores less `threshold_`: (n,), or (n, labels). Above 0 is positive."""
        check_is_fitted(self)
        X = self._checked(X, reset=False)
        decision = self._decide(X)
        return decision if self._multilabel else decision[:, 0]

    def predict(self, X: Any) -> Array:
        """The class of each row, (n,), or 0 and 1, (n, labels)."""
        positive = (self.decision_function(X) > 0.0).astype(np.int64)
        return positive if self._multilabel else self.classes_[positive]

    def predict_proba(self, X: Any) -> Array:
        """Calibrated probabilities: (n, 2) in the order of `classes_`, or (n, labels) of a 1.

        They say how frequent the positive class is at a score. `predict` follows `threshold_`
        instead, which for a metric of counts is not at 1/2.
        """
        decision = self.decision_function(X).reshape(-1, self.threshold_.size)
        columns = zip(self.calibrators_, decision.T, strict=True)
        found = np.stack([probabilities(calibrator, each) for calibrator, each in columns], 1)
        return found if self._multilabel else np.column_stack([1.0 - found[:, 0], found[:, 0]])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The metric of `task`, of several labels their mean; negative where lower is better.

        Weights of rows are exact where the metric has them: those of counts, average precision and
        the areas under the ROC curve. For other metrics rows are repeated, as in training.

        Raises:
            ArgumentError: y has labels that the fit did not have.

        Warns:
            UndefinedMetricWarning: the metric is undefined, such as average precision without a
                positive; the score is NaN.
        """
        task = task_of(self.task)
        decision = self.decision_function(X)
        if self._multilabel:
            _, truth = read_labels(y)
            self._check_columns(truth)
        else:
            labels = column_or_1d(y)
            if not np.isin(labels, self.classes_).all():
                came = f"classes {np.unique(labels)}"
                raise ArgumentError("y", came, f"some of those of the fit, {self.classes_}")
            truth = labels == self.classes_[1]
        value = TaskValue(task)(truth, decision, sample_weight=sample_weight, name="y")
        return value if task.higher_is_better else -value
