"""A ranker trained on the metric that is reported."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from directloss.errors import ArgumentError
from directloss.sklearn._base import Estimator
from directloss.sklearn._inputs import Inputs
from directloss.sklearn._rows import (
    Array,
    Split,
    fingerprints,
    numbers_of_lists,
    split_lists,
)
from directloss.sklearn._scorer import TaskValue
from directloss.sklearn._tasks import check_targets, has_order, task_of
from directloss.sklearn._training import Targets, train
from directloss.training.refinement import FEW_TO_CHOOSE


class DirectLossRanker(Estimator):
    r"""A linear model or a perceptron that ranks the items of lists, trained on NDCG or another.

    Features are standardised inside; `coef_` is that of the features as they came. Where a row
    stands does not count, nor how lists are called: what lists hold decides which of them validate.

    There is no `sample_weight` and no `class_weight`: a ranking metric of weighted items is another
    metric. To weigh a list, give it several times, under several names.

    Args:
        task: the metric of a list, by the name that the commands know ("ndcg", "ndcg:10",
            "average_precision", "precision_at_k:5") or as a task; the mean over the lists counts.
        method: "refine" (cross-entropy, then the direct loss of the metric), "cross-entropy", or
            "direct" (the direct loss alone). Cross-entropy is that of ListNet, for metrics of
            relevances, and the binary one for others.
        hidden: widths of the hidden layers; empty for a linear model.
        validation_fraction: share of the lists that does not train and chooses between the weights
            of 20 moments. Where fewer than 20 of them have a relevant item, or with 0, all lists
            train, and the last weights are kept.
        learning_rate, l2: of Adam, on standardised features.
        max_iter: epochs; with full batches the number of steps.
        batch_size: rows a step, about, of whole lists; None, or more than there are, for all of
            them.
        warm_start: whether `fit` goes on from the weights of the call before; the method "refine"
            then skips cross-entropy.
        random_state: of the validation part, of the first weights, and of mini-batches.

    Attributes:
        coef_, intercept_: (1, features) and (1,), of a linear model; `predict` is ``X @ coef_[0] +
            intercept_``, with mean 0 over the rows that trained, as no order depends on the
            intercept. Of a perceptron `coefs_`, `intercepts_`: its layers, in a list of one.
        history_: metric, loss and more by epoch, a dictionary of lists.
        n_iter_: epochs.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Example:
        >>> import numpy as np
        >>> draws = np.random.default_rng(0)
        >>> X = draws.normal(size=(200, 3))
        >>> relevances, query = (X[:, 0] > 0.5).astype(int), np.arange(200) // 10
        >>> model = DirectLossRanker("ndcg:10").fit(X, relevances, group=query)
        >>> model.predict(X).shape
        (200,)
    """

    def __init__(
        self,
        task: Any = "ndcg",
        *,
        method: str = "refine",
        hidden: tuple[int, ...] = (),
        validation_fraction: float = 0.2,
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
        self.learning_rate = learning_rate
        self.l2 = l2
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.warm_start = warm_start
        self.random_state = random_state

    def fit(self, X: Any, y: Any, group: Any = None) -> Self:
        """Trains.

        Args:
            X: (n, features), dense, or sparse for a linear model.
            y: (n,), relevances as the task wants them: 0 and 1, or numbers >= 0.
            group: (n,), a label a row, such as its query: rows of equal labels are a list. None:
                all rows are one list.

        Raises:
            ArgumentError: a parameter or an argument does not fit, or there is nothing to rank: in
                no list two rows differ in relevance.
        """
        return self._fit(X, y, group, start=self.warm_start and hasattr(self, "n_iter_"))

    def partial_fit(self, X: Any, y: Any, group: Any = None) -> Self:
        """Trains on from the present weights on these lists alone, for `max_iter` epochs.

        As `fit` with ``warm_start=True``: after the first call the method "refine" takes the direct
        loss alone. Lists with nothing to rank are refused in the first call, and change nothing in
        the later ones.

        Warns:
            UserWarning: there was nothing to rank.
        """
        return self._fit(X, y, group, start=hasattr(self, "n_iter_"), stream=True)

    def _fit(self, X: Any, y: Any, group: Any, *, start: bool, stream: bool = False) -> Self:
        options = self._options()
        X, y = self._checked(X, y, y_numeric=True, reset=not start)
        y = y.astype(np.float64)
        lists = numbers_of_lists(group, len(y))
        check_targets("y", y, options.task)
        if not has_order(options.task, y, lists):
            count = int(lists.max()) + 1
            came = f"{count} list(s) of equal relevances each (n_samples={len(y)})"
            if start and stream:
                message = f"y: got {came}, of which there is nothing to learn"
                warnings.warn(message, UserWarning, stacklevel=3)
                return self
            raise ArgumentError("y", came, "a list with rows of different relevances at least")
        keys = fingerprints(X, np.random.default_rng(options.seed))
        rows = split_lists(keys, y, lists, self.validation_fraction, FEW_TO_CHOOSE)
        before = self._kept()[0] if start else None
        trained = train(Inputs.of(X, rows), _targets(y, lists, rows), options, before)
        self._keep([trained.layers])
        self.history_ = trained.history
        self.n_iter_ = options.max_iter
        return self

    def predict(self, X: Any) -> Array:
        """Scores (n,); in a list the highest comes first."""
        check_is_fitted(self)
        X = self._checked(X, reset=False)
        return np.asarray(self._decide(X)[:, 0])

    def decision_function(self, X: Any) -> Array:
        """The same as `predict`."""
        return self.predict(X)

    def score(self, X: Any, y: Any, group: Any = None) -> float:
        """The metric of `task`, the mean over the lists; negative where lower is better.

        Warns:
            UndefinedMetricWarning: the metric is undefined on all lists; the score is NaN.
        """
        task = task_of(self.task)
        scores = self.predict(X)
        groups = None if group is None else numbers_of_lists(group, len(scores))
        value = TaskValue(task)(np.asarray(y), scores, group=groups, name="y")
        return value if task.higher_is_better else -value


def _targets(y: Array, lists: Array, rows: Split) -> Targets:
    train_y, held_y = (torch.from_numpy(y[part].astype(np.float32)) for part in rows)
    train_lists, held_lists = (
        # In the order of the rows, so that names do not count.
        torch.from_numpy(np.cumsum(np.diff(lists[part], prepend=lists[part][:1]) != 0))
        for part in rows
    )
    return Targets(train_y, held_y, train_lists, held_lists)
